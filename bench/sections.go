package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// putSection puts a section, which begins with its heading, into the file: in the place
// of the one with that title, or where it belongs by the order of all titles. The rest
// of the file stays as it is.
func putSection(file, title, section string, titles []string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the tables: %w", err)
	}
	text, err := withSection(string(old), title, section, titles)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return replace(file, text)
}

// replaceAll puts the text of a run of all parts in the place of the file. What that run
// leaves out, as the half hour of everything, stays as it was measured before.
func replaceAll(file, text string, titles []string) error {
	old, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the tables: %w", err)
	}
	for _, title := range titles {
		begin, end := sectionOf(string(old), title)
		if now, _ := sectionOf(text, title); begin < 0 || now >= 0 {
			continue
		}
		if text, err = withSection(text, title, string(old)[begin:end], titles); err != nil {
			return err
		}
	}
	return replace(file, text)
}

// replace writes the file beside it first: one that is half written would lose what took
// hours to measure.
func replace(file, text string) error {
	if err := os.WriteFile(file+".new", []byte(text), 0o644); err != nil {
		return fmt.Errorf("write the tables: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("write the tables: %w", err)
	}
	return nil
}

// withSection is the text with the section in it.
func withSection(text, title, section string, titles []string) (string, error) {
	place := slices.Index(titles, title)
	if place < 0 {
		return "", fmt.Errorf("there is no part %q", title)
	}
	section = strings.TrimRight(section, "\n") + "\n"
	begin, end := sectionOf(text, title)
	for _, later := range titles[place+1:] {
		if begin >= 0 {
			break
		}
		if at, _ := sectionOf(text, later); at >= 0 {
			begin, end = at, at
		}
	}
	if begin < 0 {
		begin, end = len(text), len(text)
	}
	before, after := strings.TrimRight(text[:begin], "\n"), strings.TrimLeft(text[end:], "\n")
	if before != "" {
		before += "\n\n"
	}
	if after != "" {
		after = "\n" + after
	}
	return before + section + after, nil
}

// sectionOf is where a section begins and where it ends, -1 if there is none.
func sectionOf(text, title string) (begin, end int) {
	at := strings.Index("\n"+text, "\n## "+title+"\n")
	if at < 0 {
		return -1, -1
	}
	if next := strings.Index(text[at+1:], "\n## "); next >= 0 {
		return at, at + 1 + next + 1
	}
	return at, len(text)
}

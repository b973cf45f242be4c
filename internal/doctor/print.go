package doctor

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Style is how a report is printed.
type Style struct {
	Colour bool
	ASCII  bool // marks without characters that the terminal may not have
	Width  int  // of the terminal in columns; 0: lines are not broken
	Brief  bool // only what is not well
}

// How each result looks: by shape and word, and by colour besides.
var looks = map[Result]struct{ mark, ascii, word, colour string }{
	OK:      {"✔", "+", "ok", "32"},
	Warning: {"▲", "!", "warning", "33"},
	Failed:  {"✘", "X", "failed", "31"},
	Skipped: {"–", "-", "skipped", "2"},
}

// widest is how much room the titles get at most.
const widest = 34

// Print writes the report for people.
func (r *Report) Print(w io.Writer, s Style) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Tocsin %s on %s, %s\n", r.Version, r.Host, r.At.Format("2 January 2006 15:04 MST"))
	column := 0
	for _, f := range r.Findings {
		column = max(column, min(widest, utf8.RuneCountInString(clean(f.Title))))
	}
	group := ""
	for _, f := range r.grouped() {
		if s.Brief && (f.Result == OK || f.Result == Skipped) {
			continue
		}
		if f.Group != group {
			group = f.Group
			b.WriteString("\n" + s.paint("1", group) + "\n")
		}
		s.finding(&b, f, column)
	}
	fmt.Fprintf(&b, "\n%s, looked at in %.1f s\n", r.summary(s), float64(r.TookMS)/1000)
	_, err := io.WriteString(w, b.String())
	return err
}

// grouped are the findings with those of a group together, under one heading.
func (r *Report) grouped() []Finding {
	place := map[string]int{}
	for _, f := range r.Findings {
		if _, there := place[f.Group]; !there {
			place[f.Group] = len(place)
		}
	}
	list := slices.Clone(r.Findings)
	slices.SortStableFunc(list, func(a, b Finding) int { return place[a.Group] - place[b.Group] })
	return list
}

func (r *Report) summary(s Style) string {
	parts := []string{fmt.Sprintf("%d ok", r.OK)}
	if r.Warnings > 0 {
		parts = append(parts, s.paint(looks[Warning].colour, count(r.Warnings, "warning", "warnings")))
	}
	if r.Failed > 0 {
		parts = append(parts, s.paint(looks[Failed].colour, fmt.Sprintf("%d failed", r.Failed)))
	}
	if r.Skipped > 0 {
		parts = append(parts, fmt.Sprintf("%d not looked at", r.Skipped))
	}
	if r.Result == OK && r.Skipped == 0 {
		return s.paint(looks[OK].colour, "All is well") + ": " + parts[0]
	}
	return strings.Join(parts, ", ")
}

func (s Style) finding(b *strings.Builder, f Finding, column int) {
	look := looks[f.Result]
	mark := look.mark
	if s.ASCII {
		mark = look.ascii
	}
	title := clean(f.Title)
	space := strings.Repeat(" ", max(0, column-utf8.RuneCountInString(title)))
	head := "  " + mark + " " + fmt.Sprintf("%-8s", look.word) + " " + title + space + "  "
	indent := utf8.RuneCountInString(head)
	lines := s.wrap(clean(f.Detail), indent)
	fmt.Fprintf(b, "  %s %s %s%s  %s\n", s.paint(look.colour, mark), s.paint(look.colour, fmt.Sprintf("%-8s", look.word)), title, space, lines[0])
	margin := "\n" + strings.Repeat(" ", column+15)
	for _, l := range lines[1:] {
		b.WriteString(margin[1:] + l + "\n")
	}
	if f.Mend == "" {
		return
	}
	arrow := "→ "
	if s.ASCII {
		arrow = "> "
	}
	for i, l := range s.wrap(clean(f.Mend), column+17) {
		if i > 0 {
			arrow = "  "
		}
		b.WriteString(margin[1:] + arrow + l + "\n")
	}
}

// wrap breaks text between words so that it fits behind the indent.
func (s Style) wrap(text string, indent int) []string {
	room := s.Width - indent
	if s.Width <= 0 || room < 24 {
		return []string{text}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > room {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

func (s Style) paint(colour, text string) string {
	if !s.Colour {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// clean keeps what came from elsewhere from steering the terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError || unicode.Is(unicode.Bidi_Control, r) {
			return ' '
		}
		return r
	}, text)
}

// oneLine is text without the breaks and full stop that errors of others may have.
func oneLine(text string) string {
	return strings.TrimRight(strings.Join(strings.Fields(text), " "), ".")
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Package ical writes calendars as RFC 5545 has them, for programs that subscribe
// to who is on call. Pure.
//
//	text := ical.Calendar{Name: "On call: Ann", Events: events}.Text()
//
// All times are in UTC, so nothing depends on whether a program knows a zone. The
// same calendar is the same text each time, so a program that asks again can be told
// that nothing has changed.
package ical

import (
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Calendar is what a program subscribes to.
type Calendar struct {
	Name    string
	Product string // who wrote it: "Tocsin 1.2"
	URL     string // of a page about it; may be empty
	// Stamp is when all of it was last made. It should stay the same for long, for it
	// is part of the text.
	Stamp  time.Time
	Again  time.Duration // how often a program should ask
	Events []Event
}

// Event is one entry. To is exclusive.
type Event struct {
	UID      string // the same for the same entry each time, and nobody else's
	From, To time.Time
	Title    string
	Text     string // may have several lines
}

// ContentType is what Text is sent as.
const ContentType = "text/calendar; charset=utf-8"

// Text is the calendar as it is sent, its events in order of time.
func (c Calendar) Text() []byte {
	var w writer
	w.line("BEGIN", "VCALENDAR")
	w.line("VERSION", "2.0")
	w.text("PRODID", "-//"+c.Product+"//EN")
	w.line("CALSCALE", "GREGORIAN")
	w.line("METHOD", "PUBLISH")
	w.text("X-WR-CALNAME", c.Name)
	w.text("NAME", c.Name) // RFC 7986
	if c.URL != "" {
		w.line("URL", clean(c.URL))
	}
	if m := int(c.Again / time.Minute); m > 0 {
		every := minutes(m)
		w.line("REFRESH-INTERVAL;VALUE=DURATION", every) // RFC 7986
		w.line("X-PUBLISHED-TTL", every)
	}
	events := slices.Clone(c.Events)
	slices.SortStableFunc(events, func(a, b Event) int {
		if n := a.From.Compare(b.From); n != 0 {
			return n
		}
		return strings.Compare(a.UID, b.UID)
	})
	for _, e := range events {
		w.line("BEGIN", "VEVENT")
		w.text("UID", e.UID)
		w.line("DTSTAMP", utc(c.Stamp))
		w.line("DTSTART", utc(e.From))
		w.line("DTEND", utc(e.To))
		w.text("SUMMARY", e.Title)
		if e.Text != "" {
			w.text("DESCRIPTION", e.Text)
		}
		w.line("TRANSP", "TRANSPARENT") // whoever is on call may well have a meeting
		w.line("END", "VEVENT")
	}
	w.line("END", "VCALENDAR")
	return w.b
}

func utc(t time.Time) string { return t.UTC().Format("20060102T150405Z") }

// minutes is a duration as RFC 5545, section 3.3.6, has it.
func minutes(m int) string {
	var digits []byte
	for ; m > 0; m /= 10 {
		digits = append(digits, byte('0'+m%10))
	}
	slices.Reverse(digits)
	return "PT" + string(digits) + "M"
}

type writer struct{ b []byte }

// escapes are those of TEXT values (RFC 5545, section 3.3.11).
var escapes = strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\n", `\n`)

func (w *writer) text(name, value string) {
	value = strings.ReplaceAll(strings.ReplaceAll(value, "\r\n", "\n"), "\r", "\n")
	w.line(name, escapes.Replace(clean(value)))
}

// clean takes out what no line may have.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
}

// longest is how many bytes a line has at most, without its end (section 3.1).
const longest = 75

// line writes a property, folded between characters where it is too long.
func (w *writer) line(name, value string) {
	rest := name + ":" + value
	room := longest
	for len(rest) > room {
		cut := room
		for !utf8.RuneStart(rest[cut]) {
			cut--
		}
		w.b = append(w.b, rest[:cut]...)
		w.b = append(w.b, "\r\n "...)
		rest, room = rest[cut:], longest-1
	}
	w.b = append(w.b, rest...)
	w.b = append(w.b, "\r\n"...)
}

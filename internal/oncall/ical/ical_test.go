package ical_test

import (
	"strings"
	"testing"
	"time"

	"tocsin/internal/oncall/ical"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestACalendarIsAsRFC5545HasIt(t *testing.T) {
	c := ical.Calendar{
		Name: "On call: Ann", Product: "Tocsin", URL: "https://alerts.example.org/console/on-call", Stamp: at("2026-11-01T00:00:00Z"), Again: time.Hour,
		Events: []ical.Event{
			{UID: "b@x", From: at("2026-11-30T09:00:00+01:00"), To: at("2026-12-07T09:00:00+01:00"), Title: "On call: Servers"},
			{UID: "a@x", From: at("2026-11-23T09:00:00+01:00"), To: at("2026-11-30T09:00:00+01:00"), Title: `On call: A; B, C\D`, Text: "first\r\nsecond"},
		},
	}
	want := strings.Join([]string{
		"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Tocsin//EN", "CALSCALE:GREGORIAN", "METHOD:PUBLISH", "X-WR-CALNAME:On call: Ann", "NAME:On call: Ann",
		"URL:https://alerts.example.org/console/on-call", "REFRESH-INTERVAL;VALUE=DURATION:PT60M", "X-PUBLISHED-TTL:PT60M",
		"BEGIN:VEVENT", "UID:a@x", "DTSTAMP:20261101T000000Z", "DTSTART:20261123T080000Z", "DTEND:20261130T080000Z",
		`SUMMARY:On call: A\; B\, C\\D`, `DESCRIPTION:first\nsecond`, "TRANSP:TRANSPARENT", "END:VEVENT",
		"BEGIN:VEVENT", "UID:b@x", "DTSTAMP:20261101T000000Z", "DTSTART:20261130T080000Z", "DTEND:20261207T080000Z",
		"SUMMARY:On call: Servers", "TRANSP:TRANSPARENT", "END:VEVENT", "END:VCALENDAR", "",
	}, "\r\n")
	if got := string(c.Text()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNoLineIsTooLongOrCutsACharacter(t *testing.T) {
	title := strings.Repeat("Bereitschaft für Äußerstes 日本 ", 20)
	text := string(ical.Calendar{Product: "Tocsin", Events: []ical.Event{{UID: "a", Title: title}}}.Text())
	if !strings.HasSuffix(text, "\r\n") || strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\n") {
		t.Error("lines do not all end in CR LF")
	}
	for _, line := range strings.Split(text, "\r\n") {
		if len(line) > 75 {
			t.Errorf("%d bytes: %s", len(line), line)
		}
		if strings.ToValidUTF8(line, "") != line {
			t.Errorf("a character is cut: %q", line)
		}
	}
	if unfolded := strings.ReplaceAll(text, "\r\n ", ""); !strings.Contains(unfolded, "SUMMARY:"+title+"\r\n") {
		t.Error("unfolded, it is not the title")
	}
}

func TestNamesCannotWriteLinesOfTheirOwn(t *testing.T) {
	text := string(ical.Calendar{Product: "Tocsin", Events: []ical.Event{{UID: "a", Title: "x\r\nEND:VEVENT\rBEGIN:VALARM\x00\u2028"}}}.Text())
	for _, line := range strings.Split(text, "\r\n") {
		if strings.HasPrefix(line, "BEGIN:VALARM") || line == "SUMMARY:x" || strings.ContainsAny(line, "\r\n\x00") {
			t.Errorf("line %q", line)
		}
	}
}

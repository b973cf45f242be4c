package feed

import (
	"strings"
	"time"
	"unicode/utf8"

	"tocsin/internal/status"
)

// ICal is maintenance as RFC 5545 has it, times in UTC, so that a calendar needs
// to know no zones of ours.
func ICal(s status.Snapshot, url string, updated time.Time, text func(markdown string) string) []byte {
	var b strings.Builder
	line := func(name, value string) { fold(&b, name+":"+value) }
	line("BEGIN", "VCALENDAR")
	line("VERSION", "2.0")
	line("PRODID", "-//Tocsin//Status page//EN")
	line("CALSCALE", "GREGORIAN")
	line("METHOD", "PUBLISH")
	line("X-WR-CALNAME", escaped(s.Page.Name))
	all := append(append([]status.Maintenance{}, s.Active...), s.Upcoming...)
	for _, d := range s.Past {
		all = append(all, d.Maintenances...)
	}
	for _, m := range all {
		stamp, about := updated, ""
		if n := len(m.Updates); n > 0 {
			stamp, about = m.Updates[n-1].Posted, text(m.Updates[n-1].Body)
		}
		line("BEGIN", "VEVENT")
		line("UID", m.ID+"@tocsin")
		line("DTSTAMP", moment(stamp))
		line("DTSTART", moment(m.Start))
		line("DTEND", moment(m.End))
		line("SUMMARY", escaped(m.Title))
		if about != "" {
			line("DESCRIPTION", escaped(about))
		}
		line("URL", url+"/incidents/"+m.ID)
		if m.Phase == status.Cancelled {
			line("STATUS", "CANCELLED")
		} else {
			line("STATUS", "CONFIRMED")
		}
		line("TRANSP", "TRANSPARENT")
		line("END", "VEVENT")
	}
	line("END", "VCALENDAR")
	return []byte(b.String())
}

func moment(t time.Time) string { return t.UTC().Format("20060102T150405Z") }

var icalText = strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`)

func escaped(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, icalText.Replace(s))
}

// fold writes a line in pieces of 75 bytes at most, none within a character.
func fold(b *strings.Builder, line string) {
	const width = 75
	room := width
	for len(line) > room {
		cut := room
		for cut > 0 && !utf8.RuneStart(line[cut]) {
			cut--
		}
		b.WriteString(line[:cut])
		b.WriteString("\r\n ")
		line, room = line[cut:], width-1
	}
	b.WriteString(line)
	b.WriteString("\r\n")
}

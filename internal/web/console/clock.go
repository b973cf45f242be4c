package console

import (
	"fmt"
	"strconv"
	"strings"

	"tocsin/internal/contact"
)

// parseRanges reads "09:00-17:00, 18:00-20:00" as people write it; an empty
// text, "-" and "closed" are no range, "24h" and "always" the whole day.
func parseRanges(field, s string) ([]contact.Range, error) {
	out := []contact.Range{}
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "", "-", "closed", "none":
		return out, nil
	case "24h", "always", "all day":
		return append(out, contact.Range{From: 0, To: 1440}), nil
	}
	for part := range strings.SplitSeq(s, ",") {
		from, to, ok := strings.Cut(strings.ReplaceAll(part, "–", "-"), "-")
		a, okA := parseClock(from)
		b, okB := parseClock(to)
		if !ok || !okA || !okB {
			return nil, &contact.FieldError{Field: field, Problem: fmt.Sprintf("“%s” is no range of times", strings.TrimSpace(part)), Mend: "write it as 09:00-17:00, several with commas between them"}
		}
		if a >= b {
			return nil, &contact.FieldError{Field: field, Problem: fmt.Sprintf("“%s” ends before it begins", strings.TrimSpace(part)), Mend: "for a night write two ranges: 22:00-24:00 on one day and 00:00-06:00 on the next"}
		}
		out = append(out, contact.Range{From: a, To: b})
	}
	return out, nil
}

func parseClock(s string) (minutes int, ok bool) {
	h, m, found := strings.Cut(strings.TrimSpace(s), ":")
	if !found {
		m = "00"
	}
	hours, err1 := strconv.Atoi(h)
	mins, err2 := strconv.Atoi(m)
	if err1 != nil || err2 != nil || len(m) != 2 || hours < 0 || mins < 0 || mins > 59 || hours*60+mins > 1440 {
		return 0, false
	}
	return hours*60 + mins, true
}

func rangesText(rs []contact.Range) string {
	var out []string
	for _, r := range rs {
		out = append(out, fmt.Sprintf("%02d:%02d-%02d:%02d", r.From/60, r.From%60, r.To/60, r.To%60))
	}
	return strings.Join(out, ", ")
}

// parseExceptions reads one exception a line: "2026-12-24 to 2026-12-26: closed # Christmas".
func parseExceptions(s string) ([]contact.Exception, error) {
	out := []contact.Exception{}
	n := 0
	for line := range strings.SplitSeq(s, "\n") {
		n++
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		body, note, _ := strings.Cut(line, "#")
		days, times, ok := strings.Cut(body, ":")
		if !ok {
			return nil, &contact.FieldError{Field: "exceptions", Problem: fmt.Sprintf("line %d has no colon between days and times", n), Mend: "write it as 2026-12-24: 09:00-12:00, or 12-25: closed"}
		}
		first, last, _ := strings.Cut(days, " to ")
		rs, err := parseRanges("exceptions", times)
		if err != nil {
			return nil, err
		}
		out = append(out, contact.Exception{First: strings.TrimSpace(first), Last: strings.TrimSpace(last), Ranges: rs, Note: strings.TrimSpace(note)})
	}
	return out, nil
}

func exceptionsText(es []contact.Exception) string {
	var b strings.Builder
	for _, e := range es {
		b.WriteString(e.First)
		if e.Last != "" && e.Last != e.First {
			b.WriteString(" to " + e.Last)
		}
		b.WriteString(": ")
		if len(e.Ranges) == 0 {
			b.WriteString("closed")
		} else {
			b.WriteString(rangesText(e.Ranges))
		}
		if e.Note != "" {
			b.WriteString(" # " + e.Note)
		}
		b.WriteString("\n")
	}
	return b.String()
}

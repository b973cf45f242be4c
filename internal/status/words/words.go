// Package words has what the public page says, in each language: one JSON file a
// language, of which English is the one that is complete by definition.
package words

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/status"
)

//go:embed *.json
var files embed.FS

// Default is the language of those whose own is not here.
const Default = "en"

// Language is one language.
type Language struct {
	Tag    string            `json:"-"` // BCP 47
	Name   string            `json:"language"`
	Dir    string            `json:"dir"` // ltr or rtl
	Months []string          `json:"months"`
	Days   []string          `json:"days"`
	Date   string            `json:"date"`
	Time   string            `json:"moment"`
	Month  string            `json:"month"`
	Point  string            `json:"decimal"` // between a number and its fraction
	Plural string            `json:"plurals"` // a rule of Categories
	Texts  map[string]string `json:"texts"`
}

// Languages are all, by tag.
type Languages map[string]*Language

// Load reads all languages. An error is a defect of this program.
func Load() (Languages, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("list languages: %w", err)
	}
	all := Languages{}
	for _, e := range entries {
		raw, err := files.ReadFile(e.Name())
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", e.Name(), err)
		}
		l := &Language{Tag: strings.TrimSuffix(e.Name(), path.Ext(e.Name()))}
		if err := json.Unmarshal(raw, l); err != nil {
			return nil, fmt.Errorf("read %s: %w", e.Name(), err)
		}
		all[l.Tag] = l
	}
	return all, nil
}

// Tags are the languages' tags in order.
func (ls Languages) Tags() []string {
	var out []string
	for t := range ls {
		out = append(out, t)
	}
	slices.Sort(out)
	return out
}

// For answers the language of a tag: the same, else the same without region,
// else fallback's, else English.
func (ls Languages) For(tag, fallback string) *Language {
	for _, t := range []string{tag, fallback, Default} {
		for t = strings.ToLower(t); t != ""; {
			if l := ls[t]; l != nil {
				return l
			}
			i := strings.LastIndexByte(t, '-')
			t = t[:max(i, 0)]
		}
	}
	return ls[Default]
}

// Accept answers the language that a browser asks for by Accept-Language. What
// is longer than 200 bytes is not looked at.
func (ls Languages) Accept(header, fallback string) *Language {
	best, weight := "", 0.0
	if len(header) <= 200 {
		for part := range strings.SplitSeq(header, ",") {
			tag, rest, _ := strings.Cut(strings.TrimSpace(part), ";")
			q := 1.0
			if v, ok := strings.CutPrefix(strings.TrimSpace(rest), "q="); ok {
				if f, err := strconv.ParseFloat(v, 64); err == nil {
					q = f
				}
			}
			base, _, _ := strings.Cut(strings.ToLower(tag), "-")
			if ls[base] != nil && q > weight {
				best, weight = tag, q
			}
		}
	}
	return ls.For(best, fallback)
}

// T is a text, with {name} filled in by pairs of name and value. A key that there
// is not is shown as it is.
func (l *Language) T(key string, pairs ...string) string {
	s, ok := l.Texts[key]
	if !ok {
		return key
	}
	return fill(s, pairs)
}

// fill puts values in the place of their names, and leaves all else as it is: what
// looks like a name within a value is none.
func fill(s string, pairs []string) string {
	if len(pairs) == 0 {
		return s
	}
	b := make([]byte, 0, 2*len(s))
	for {
		at := strings.IndexByte(s, '{')
		if at < 0 {
			return string(append(b, s...))
		}
		b, s = append(b, s[:at]...), s[at:]
		n := 1
		for i := 0; i+1 < len(pairs); i += 2 {
			if name := pairs[i]; strings.HasPrefix(s[1:], name) && strings.HasPrefix(s[1+len(name):], "}") {
				b, n = append(b, pairs[i+1]...), len(name)+2
				break
			}
		}
		if n == 1 {
			b = append(b, '{')
		}
		s = s[n:]
	}
}

// Part is a piece of a text: words as they are, or the name of what stands there.
type Part struct{ Text, Name string }

// Parts takes a text apart, for those who put more into it than words.
func (l *Language) Parts(key string) []Part {
	var out []Part
	for s := l.T(key); s != ""; {
		before, rest, _ := strings.Cut(s, "{")
		if before != "" {
			out = append(out, Part{Text: before})
		}
		name, after, ok := strings.Cut(rest, "}")
		if ok {
			out = append(out, Part{Name: name})
		}
		s = after
	}
	return out
}

// Categories are the forms that each rule of plurals tells apart, as CLDR names
// them: a text "key" that counts stands in the file as "key.one", "key.other".
func Categories(rule string) []string {
	return map[string][]string{
		"other":        {"other"},               // Chinese, Japanese, Turkish
		"one_other":    {"one", "other"},        // English, German, Spanish
		"zero_one":     {"one", "other"},        // French: no and one alike
		"one_few_many": {"one", "few", "many"},  // Polish, Russian, Ukrainian
		"one_few":      {"one", "few", "other"}, // Czech, Slovak
		"arabic":       {"zero", "one", "two", "few", "many", "other"},
	}[rule]
}

func category(rule string, n int) string {
	tens, hundreds := n%10, n%100
	switch rule {
	case "one_other":
		if n == 1 {
			return "one"
		}
	case "zero_one":
		if n < 2 {
			return "one"
		}
	case "one_few_many":
		switch {
		case n == 1:
			return "one"
		case tens >= 2 && tens <= 4 && (hundreds < 12 || hundreds > 14):
			return "few"
		}
		return "many"
	case "one_few":
		switch {
		case n == 1:
			return "one"
		case n >= 2 && n <= 4:
			return "few"
		}
	case "arabic":
		switch {
		case n <= 2:
			return []string{"zero", "one", "two"}[max(n, 0)]
		case hundreds >= 3 && hundreds <= 10:
			return "few"
		case hundreds >= 11:
			return "many"
		}
	}
	return "other"
}

// N is the text for so many, as the language counts; {count} in it is the number.
func (l *Language) N(key string, n int, pairs ...string) string {
	return l.T(key+"."+category(l.Plural, n), append([]string{"count", strconv.Itoa(n)}, pairs...)...)
}

// Percent writes hundredths of a percent: 9998 is 99.98, or 99,98.
func (l *Language) Percent(hundredths int) string {
	return fmt.Sprintf("%d%s%02d", hundredths/100, l.Point, hundredths%100)
}

// State is how a component does.
func (l *Language) State(s status.State) string { return l.T("state." + string(s)) }

// Overall is how all do, as a headline.
func (l *Language) Overall(s status.State) string { return l.T("overall." + string(s)) }

// Phase is where an incident or a maintenance stands.
func (l *Language) Phase(p status.Phase) string { return l.T("phase." + string(p)) }

// Impact is how bad an incident is.
func (l *Language) Impact(i status.Impact) string { return l.T("impact." + string(i)) }

// Day is a date: "22 November 2026".
func (l *Language) Day(t time.Time) string {
	return fill(l.Date, []string{"day", strconv.Itoa(t.Day()), "month", l.Months[t.Month()-1], "year", strconv.Itoa(t.Year())})
}

// MonthOf is the month of a time: "November 2026".
func (l *Language) MonthOf(t time.Time) string {
	return fill(l.Month, []string{"month", l.Months[t.Month()-1], "year", strconv.Itoa(t.Year())})
}

// Moment is a time of day on a date, with the zone's short name.
func (l *Language) Moment(t time.Time, zone *time.Location) string {
	t = t.In(zone)
	return strings.NewReplacer("{day}", strconv.Itoa(t.Day()), "{month}", l.Months[t.Month()-1], "{year}", strconv.Itoa(t.Year()),
		"{hour}", t.Format("15"), "{minute}", t.Format("04"), "{zone}", t.Format("MST")).Replace(l.Time)
}

// Span is a length of time in minutes, hours and minutes, or days and hours.
func (l *Language) Span(seconds int) string {
	m := (seconds + 30) / 60
	if h := (m + 30) / 60; h >= 48 {
		return l.N("days", h/24, "d", strconv.Itoa(h/24), "h", strconv.Itoa(h%24))
	}
	if m < 60 {
		return l.T("minutes", "m", strconv.Itoa(m))
	}
	return l.T("hours", "h", strconv.Itoa(m/60), "m", strconv.Itoa(m%60))
}

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
	if len(pairs) == 0 {
		return s
	}
	filled := make([]string, len(pairs))
	for i := range pairs {
		filled[i] = pairs[i]
		if i%2 == 0 {
			filled[i] = "{" + pairs[i] + "}"
		}
	}
	return strings.NewReplacer(filled...).Replace(s)
}

// State, Overall, Phase and Impact are words for people.
func (l *Language) State(s status.State) string   { return l.T("state." + string(s)) }
func (l *Language) Overall(s status.State) string { return l.T("overall." + string(s)) }

// Phase is where an incident or a maintenance stands.
func (l *Language) Phase(p status.Phase) string { return l.T("phase." + string(p)) }

// Impact is how bad an incident is.
func (l *Language) Impact(i status.Impact) string { return l.T("impact." + string(i)) }

// Day is a date: "22 November 2026".
func (l *Language) Day(t time.Time) string {
	return strings.NewReplacer("{day}", strconv.Itoa(t.Day()), "{month}", l.Months[t.Month()-1], "{year}", strconv.Itoa(t.Year())).Replace(l.Date)
}

// Moment is a time of day on a date, with the zone's short name.
func (l *Language) Moment(t time.Time, zone *time.Location) string {
	t = t.In(zone)
	return strings.NewReplacer("{day}", strconv.Itoa(t.Day()), "{month}", l.Months[t.Month()-1], "{year}", strconv.Itoa(t.Year()),
		"{hour}", t.Format("15"), "{minute}", t.Format("04"), "{zone}", t.Format("MST")).Replace(l.Time)
}

// Span is a length of time in hours and minutes.
func (l *Language) Span(seconds int) string {
	m := (seconds + 30) / 60
	if m < 60 {
		return l.T("minutes", "m", strconv.Itoa(m))
	}
	return l.T("hours", "h", strconv.Itoa(m/60), "m", strconv.Itoa(m%60))
}

package words_test

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"tocsin/internal/status"
	"tocsin/internal/status/words"
)

var named = regexp.MustCompile(`\{[a-z]+\}`)

func TestEveryLanguageSaysEverything(t *testing.T) {
	all, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	english := all[words.Default]
	for tag, l := range all {
		if len(l.Months) != 12 || len(l.Days) != 7 || l.Name == "" || l.Dir != "ltr" && l.Dir != "rtl" {
			t.Errorf("%s: months, days, language or dir are not whole", tag)
		}
		for key, want := range english.Texts {
			got, ok := l.Texts[key]
			if !ok || got == "" {
				t.Errorf("%s does not say %s", tag, key)
			}
			a, b := named.FindAllString(want, -1), named.FindAllString(got, -1)
			slices.Sort(a)
			slices.Sort(b)
			if !slices.Equal(a, b) {
				t.Errorf("%s: %s has %v, not %v", tag, key, b, a)
			}
		}
		for key := range l.Texts {
			if _, ok := english.Texts[key]; !ok {
				t.Errorf("%s says %s, which English does not", tag, key)
			}
		}
	}
	for _, s := range append(status.States(), status.NoData) {
		if english.State(s) == "state."+string(s) {
			t.Errorf("no word for %s", s)
		}
	}
}

func TestTheBrowsersLanguageIsTaken(t *testing.T) {
	all, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	for header, want := range map[string]string{
		"de-AT,de;q=0.9,en;q=0.8": "de", "fr,en;q=0.3,de;q=0.2": "en", "": "de", "xx": "de", "en": "en", "*;q=0.1": "de",
	} {
		if got := all.Accept(header, "de").Tag; got != want {
			t.Errorf("%q: %s, not %s", header, got, want)
		}
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 8, 5, 0, 0, time.UTC)
	if got := all["de"].Moment(at, berlin); got != "1. März 2026, 09:05 Uhr CET" {
		t.Error(got)
	}
	if got := all["en"].Span(8000); got != "2 h 13 min" {
		t.Error(got)
	}
}

package words_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
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
		forms := words.Categories(l.Plural)
		if len(forms) == 0 || l.Point == "" || l.Date == "" || l.Time == "" || l.Month == "" {
			t.Errorf("%s: plurals, decimal, date, moment or month are not whole", tag)
		}
		for key, want := range english.Texts {
			got, ok := l.Texts[key]
			if base, form, counts := counted(key); counts {
				if form != "other" {
					continue
				}
				for _, f := range forms {
					if l.Texts[base+"."+f] == "" {
						t.Errorf("%s does not say %s.%s", tag, base, f)
					}
				}
				continue
			}
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
			base, form, counts := counted(key)
			if _, ok := english.Texts[base+".other"]; counts && ok && slices.Contains(forms, form) {
				continue
			}
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

// counted takes a key apart that has a form of plural behind its last dot.
func counted(key string) (base, form string, ok bool) {
	i := strings.LastIndexByte(key, '.')
	if i < 0 || !slices.Contains(words.Categories("arabic"), key[i+1:]) {
		return key, "", false
	}
	return key[:i], key[i+1:], true
}

func TestNumbersAreCountedAsTheLanguageDoes(t *testing.T) {
	l := words.Language{Plural: "one_few_many", Texts: map[string]string{"day.one": "{count} dzień", "day.few": "{count} dni (kilka)", "day.many": "{count} dni"}}
	for n, want := range map[int]string{1: "1 dzień", 2: "2 dni (kilka)", 5: "5 dni", 12: "12 dni", 22: "22 dni (kilka)", 112: "112 dni"} {
		if got := l.N("day", n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	arabic := words.Language{Plural: "arabic", Texts: map[string]string{"x.zero": "0", "x.one": "1", "x.two": "2", "x.few": "f", "x.many": "m", "x.other": "o"}}
	for n, want := range map[int]string{0: "0", 1: "1", 2: "2", 3: "f", 11: "m", 99: "m", 100: "o", 103: "f"} {
		if got := arabic.N("x", n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	all, err := words.Load()
	if err != nil {
		t.Fatal(err)
	}
	if got := all["de"].Percent(9905); got != "99,05" {
		t.Error(got)
	}
	if got := all["en"].Span(49 * 3600); got != "2 days 1 h" {
		t.Error(got)
	}
	if got := fmt.Sprint(all["en"].Parts("from_to")); got != "[{ from} { to  } { to}]" {
		t.Error(got)
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

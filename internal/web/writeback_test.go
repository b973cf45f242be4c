package web_test

import (
	"errors"
	"testing"

	"tocsin/internal/source"
	"tocsin/internal/web"
)

// way is a way of telling engines that is open where its address is.
type way struct{ source.WriteBackKind }

func (way) Name() string  { return "way" }
func (way) For() []string { return []string{"nagios"} }

func (way) Open(w source.WriteBack, _ source.EngineOptions) (source.Engine, error) {
	switch {
	case w.URL == "":
		return nil, &source.FieldError{Field: "url", Problem: "is missing", Mend: "give it"}
	case w.Secret == "":
		return nil, &source.FieldError{Field: "write_back.secret", Problem: "is missing", Mend: "give it"}
	}
	return nil, nil
}

func TestCheckWriteBack(t *testing.T) {
	full := source.WriteBack{Kind: "way", URL: "https://engine.example.com", Secret: "s"}
	for name, row := range map[string]struct {
		kind  string
		to    source.WriteBack
		field string
	}{
		"nothing is told":                  {"generic", source.WriteBack{Kind: "none"}, ""},
		"all is there":                     {"nagios", full, ""},
		"the way does not fit the kind":    {"generic", full, "write_back.kind"},
		"there is no such way":             {"nagios", source.WriteBack{Kind: "telegraph"}, "write_back.kind"},
		"the address is missing":           {"nagios", source.WriteBack{Kind: "way", Secret: "s"}, "write_back.url"},
		"the secret is missing":            {"nagios", source.WriteBack{Kind: "way", URL: "u"}, "write_back_secret"},
		"the time to confirm has an end":   {"nagios", source.WriteBack{Kind: "way", URL: "u", Secret: "s", ConfirmSeconds: 86401}, "write_back.confirm_seconds"},
		"the time to confirm is not minus": {"nagios", source.WriteBack{Kind: "way", URL: "u", Secret: "s", ConfirmSeconds: -1}, "write_back.confirm_seconds"},
	} {
		t.Run(name, func(t *testing.T) {
			err := web.CheckWriteBack(source.Source{Kind: row.kind, WriteBack: row.to}, []source.WriteBackKind{way{}})
			var fe *source.FieldError
			got := ""
			if errors.As(err, &fe) {
				got = fe.Field
			}
			if got != row.field || (err == nil) != (row.field == "") {
				t.Errorf("error %v, want one of %q", err, row.field)
			}
		})
	}
}

func TestReplaced(t *testing.T) {
	was := source.WriteBack{Kind: "way", URL: "https://one.example.com", User: "a", Secret: "kept"}
	text := func(s string) *string { return &s }
	for name, row := range map[string]struct {
		change func(*source.WriteBack)
		secret *string
		want   string
		refuse bool
	}{
		"a secret that is left out stays":           {func(w *source.WriteBack) { w.User = "b" }, nil, "kept", false},
		"one that is given is taken":                {func(*source.WriteBack) {}, text("new"), "new", false},
		"an empty one removes it":                   {func(*source.WriteBack) {}, text(""), "", false},
		"what is kept goes to no other address":     {func(w *source.WriteBack) { w.URL = "https://two.example.com" }, nil, "", true},
		"nor to another socket":                     {func(w *source.WriteBack) { w.Livestatus = "tcp:two:1" }, nil, "", true},
		"another way begins without one":            {func(w *source.WriteBack) { w.Kind = "other" }, nil, "", false},
		"unless it is given for it":                 {func(w *source.WriteBack) { w.URL = "https://two.example.com" }, text("new"), "new", false},
		"what is told nothing keeps nothing either": {func(w *source.WriteBack) { *w = source.WriteBack{Kind: "none", URL: "x"} }, nil, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			given := was
			given.Secret = "" // nobody can give it back: it is never shown
			row.change(&given)
			got, err := web.Replaced(was, given, row.secret)
			if (err != nil) != row.refuse || (!row.refuse && got.Secret != row.want) {
				t.Errorf("secret %q, %v", got.Secret, err)
			}
			if !got.On() && got.URL != "" {
				t.Errorf("an address is kept of an engine that is told nothing: %+v", got)
			}
		})
	}
}

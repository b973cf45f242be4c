package web

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tocsin/internal/source"
)

// CheckSource says what is wrong with a source and with how its engine is told, as
// a *source.FieldError. Fields of its write-back are named "write_back.url" and
// "write_back_secret".
func CheckSource(s source.Source, kinds []source.Kind, ways []source.WriteBackKind) error {
	if err := s.Validate(kinds); err != nil {
		return err
	}
	// They are sent in headers, and stand in columns of their own.
	for _, kept := range []struct{ field, text string }{{"secret", s.Secret}, {"write_back_secret", s.WriteBack.Secret}} {
		if !utf8.ValidString(kept.text) || strings.ContainsFunc(kept.text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return &source.FieldError{Field: kept.field, Problem: "has control characters or broken UTF-8", Mend: "give it in one line of plain text"}
		}
	}
	return CheckWriteBack(s, ways)
}

// CheckWriteBack says what is wrong with how a source's engine is told.
func CheckWriteBack(s source.Source, ways []source.WriteBackKind) error {
	w := s.WriteBack
	if !w.On() {
		return nil
	}
	fits := WriteBacksFor(s.Kind, ways)
	i := slices.IndexFunc(fits, func(k source.WriteBackKind) bool { return k.Name() == w.Kind })
	if i < 0 {
		names := []string{"none"}
		for _, k := range fits {
			names = append(names, k.Name())
		}
		return &source.FieldError{Field: "write_back.kind", Problem: fmt.Sprintf("is %q, which a source of the kind %s does not have", w.Kind, s.Kind), Mend: "use one of: " + strings.Join(names, ", ")}
	}
	if w.ConfirmSeconds < 0 || w.ConfirmSeconds > 86400 {
		return &source.FieldError{Field: "write_back.confirm_seconds", Problem: fmt.Sprintf("is %d", w.ConfirmSeconds), Mend: "take 1 to 86400 seconds, or 0 for 120"}
	}
	// Whether there is an outgoing proxy now says nothing about the settings: it may
	// be set later.
	_, err := fits[i].Open(w, source.EngineOptions{Now: time.Now, Proxy: &url.URL{Scheme: "http", Host: "proxy.invalid:1"}})
	var fe *source.FieldError
	if !errors.As(err, &fe) {
		return err
	}
	field := "write_back_secret"
	if name := strings.TrimPrefix(fe.Field, "write_back."); name != "secret" && name != field {
		field = "write_back." + name
	}
	return &source.FieldError{Field: field, Problem: fe.Problem, Mend: fe.Mend}
}

// WriteBacksFor are the ways of telling an engine that fit a kind of source.
func WriteBacksFor(kind string, ways []source.WriteBackKind) []source.WriteBackKind {
	var out []source.WriteBackKind
	for _, k := range ways {
		if slices.Contains(k.For(), kind) {
			out = append(out, k)
		}
	}
	return out
}

// Replaced is how an engine is told from now on: as given says, with the secret
// that was kept, unless another one is given; an empty one removes it. The kept one
// never goes to another address than it was given for: then it is asked for again.
// Another kind begins without one.
func Replaced(was, given source.WriteBack, secret *string) (source.WriteBack, error) {
	if !given.On() {
		return source.WriteBack{Kind: given.Kind}, nil
	}
	switch {
	case secret != nil:
		given.Secret = *secret
	case was.Secret == "" || was.Kind != given.Kind:
		given.Secret = "" // that of another way of telling is of no use in this one
	case was.URL != given.URL || was.Livestatus != given.Livestatus:
		return given, &source.FieldError{Field: "write_back_secret", Problem: "is kept for another address", Mend: "give it again, or an empty one to remove it"}
	default:
		given.Secret = was.Secret
	}
	return given, nil
}

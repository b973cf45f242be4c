package contact

import (
	"fmt"
	"strings"
)

// NoOptions is the canonical form of no option at all.
const NoOptions Options = "n"

// letters are the options of each kind of object, in canonical order.
func letters(kind string) string {
	if kind == "service" {
		return "wucrfs"
	}
	return "durfs"
}

// ParseOptions reads options as people and engines write them, "d,u,r", and
// answers them in canonical order. Space around letters does not count, nor
// does a letter given twice; nothing at all, and "n", is NoOptions. Kind is
// "host" or "service", alert.Kind or a plain string. Anything else is a
// *FieldError.
func ParseOptions[Kind ~string](kind Kind, text string) (Options, error) {
	known := letters(string(kind))
	field := string(kind) + "_options"
	if strings.TrimSpace(text) == "" {
		return NoOptions, nil
	}
	var seen [256]bool
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if len(part) != 1 || part != "n" && !strings.Contains(known, part) {
			return "", &FieldError{field, fmt.Sprintf("%q is no option of a %s", part, kind),
				"write some of " + joined(known, nil) + ", or n for none"}
		}
		seen[part[0]] = true
	}
	got := joined(known, &seen)
	switch {
	case seen['n'] && got != "":
		return "", &FieldError{field, "n means none, but " + got + " stands beside it", "leave out n, or all others"}
	case seen['n']:
		return NoOptions, nil
	}
	return Options(got), nil
}

// joined are those letters that are picked, all if pick is nil, with commas.
func joined(letters string, pick *[256]bool) string {
	var out []string
	for _, l := range []byte(letters) {
		if pick == nil || pick[l] {
			out = append(out, string(l))
		}
	}
	return strings.Join(out, ",")
}

// Has says whether messages of this option's letter are wanted. It is false
// for 'n', which is the absence of all.
func (o Options) Has(letter byte) bool {
	return letter != 'n' && letter != ',' && strings.IndexByte(string(o), letter) >= 0
}

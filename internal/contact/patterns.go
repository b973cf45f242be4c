package contact

import (
	"fmt"
	"maps"
	"slices"
)

// Limits of lists of conditions: how many entries one may have, and how many
// characters a pattern.
const (
	MaxEntries = 200
	MaxPattern = 200
)

// CheckList is CheckIDs of at most MaxEntries.
func CheckList(field string, ids []string) error {
	if err := checkLength(field, len(ids)); err != nil {
		return err
	}
	return CheckIDs(field, ids)
}

// CheckPatterns answers a *FieldError for patterns that cannot be stored. The empty
// pattern fits only what has no such name, and is refused unless it may stand there.
func CheckPatterns(field string, patterns []string, emptyAllowed bool) error {
	if err := checkLength(field, len(patterns)); err != nil {
		return err
	}
	for i, p := range patterns {
		at := fmt.Sprintf("%s[%d]", field, i)
		if p == "" && !emptyAllowed {
			return &FieldError{at, "is empty and would fit nothing", "write a name or a pattern, or leave it out"}
		}
		if err := CheckText(at, p, MaxPattern); err != nil {
			return err
		}
	}
	return nil
}

// CheckLabels answers a *FieldError for label patterns that cannot be stored.
func CheckLabels(field string, labels map[string]string) error {
	if err := checkLength(field, len(labels)); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(labels)) { // the same error every time
		if err := CheckName(field, name); err != nil {
			return err
		}
		if err := CheckText(field+"."+name, labels[name], MaxPattern); err != nil {
			return err
		}
	}
	return nil
}

func checkLength(field string, n int) error {
	if n > MaxEntries {
		return &FieldError{field, fmt.Sprintf("has %d entries", n), fmt.Sprintf("keep to %d", MaxEntries)}
	}
	return nil
}

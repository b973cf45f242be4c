package route

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
)

// The channels: open tabs, devices that take Web Push, and Mattermost.
const (
	Browser    = "browser"
	Webpush    = "webpush"
	Mattermost = "mattermost"
	Email      = "email"
	Webhook    = "webhook"
)

// Engine is the channel of deliveries that tell an engine what was done here. No
// rule can name it.
const Engine = "engine"

// Channels are all channels, in the order in which decisions name them.
func Channels() []string { return []string{Browser, Webpush, Mattermost, Email, Webhook} }

// Limits of a rule: how many entries a list may have and how many characters
// a pattern.
const (
	MaxEntries = 200
	MaxPattern = 200
)

// Validate answers a *contact.FieldError for the first field that cannot be
// stored, nil if there is none. Whether the sources, contacts and groups exist
// is the store's to know.
func (r Rule) Validate() error {
	if err := contact.CheckName("name", r.Name); err != nil {
		return err
	}
	for _, l := range []struct {
		field string
		ids   []string
	}{{"source_ids", r.SourceIDs}, {"contact_ids", r.ContactIDs}, {"group_ids", r.GroupIDs}, {"rooms", r.Rooms}} {
		if err := checkLength(l.field, len(l.ids)); err != nil {
			return err
		}
		if err := contact.CheckIDs(l.field, l.ids); err != nil {
			return err
		}
	}
	if err := checkPatterns("hosts", r.Hosts, false); err != nil {
		return err
	}
	if err := checkPatterns("services", r.Services, true); err != nil {
		return err
	}
	if err := checkStates(r.States); err != nil {
		return err
	}
	if err := checkLabels(r.Labels); err != nil {
		return err
	}
	for i, c := range r.Channels {
		if !slices.Contains(Channels(), c) {
			return &contact.FieldError{Field: fmt.Sprintf("channels[%d]", i), Problem: fmt.Sprintf("%q is no channel", c),
				Mend: "write " + strings.Join(Channels(), " or ") + ", or leave the list empty for every channel"}
		}
		if slices.Contains(r.Channels[:i], c) {
			return &contact.FieldError{Field: fmt.Sprintf("channels[%d]", i), Problem: "is there twice", Mend: "leave one out"}
		}
	}
	if len(r.ContactIDs) == 0 && len(r.GroupIDs) == 0 && len(r.Rooms) == 0 {
		return &contact.FieldError{Field: "contact_ids", Problem: "the rule tells nobody", Mend: "give at least one contact, group or room of Mattermost"}
	}
	return nil
}

func checkLength(field string, n int) error {
	if n > MaxEntries {
		return &contact.FieldError{Field: field, Problem: fmt.Sprintf("has %d entries", n), Mend: fmt.Sprintf("keep to %d", MaxEntries)}
	}
	return nil
}

func checkPatterns(field string, patterns []string, emptyAllowed bool) error {
	if err := checkLength(field, len(patterns)); err != nil {
		return err
	}
	for i, p := range patterns {
		at := fmt.Sprintf("%s[%d]", field, i)
		if p == "" && !emptyAllowed {
			return &contact.FieldError{Field: at, Problem: "is empty and would fit nothing", Mend: "write a name or a pattern, or leave it out"}
		}
		if err := contact.CheckText(at, p, MaxPattern); err != nil {
			return err
		}
	}
	return nil
}

func checkStates(states []alert.State) error {
	for i, s := range states {
		at := fmt.Sprintf("states[%d]", i)
		if !alert.Host.Has(s) && !alert.Service.Has(s) {
			return &contact.FieldError{Field: at, Problem: fmt.Sprintf("%q is no state", s),
				Mend: "write up, down, unreachable, ok, warning, critical or unknown"}
		}
		if slices.Contains(states[:i], s) {
			return &contact.FieldError{Field: at, Problem: "is there twice", Mend: "leave one out"}
		}
	}
	return nil
}

func checkLabels(labels map[string]string) error {
	if err := checkLength("labels", len(labels)); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(labels)) { // the same error every time
		if err := contact.CheckName("labels", name); err != nil {
			return err
		}
		if err := contact.CheckText("labels."+name, labels[name], MaxPattern); err != nil {
			return err
		}
	}
	return nil
}

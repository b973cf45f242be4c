package route

import (
	"fmt"
	"slices"
	"strings"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
)

// The channels: open tabs, devices that take Web Push, Mattermost, letters, and
// webhooks.
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
	MaxEntries = contact.MaxEntries
	MaxPattern = contact.MaxPattern
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
	}{{"source_ids", r.SourceIDs}, {"contact_ids", r.ContactIDs}, {"group_ids", r.GroupIDs}, {"rooms", r.Rooms},
		{"hooks", r.Hooks}, {"schedule_ids", r.ScheduleIDs}} {
		if err := contact.CheckList(l.field, l.ids); err != nil {
			return err
		}
	}
	if err := contact.CheckText("policy_id", r.PolicyID, contact.MaxName); err != nil {
		return err
	}
	if err := contact.CheckPatterns("hosts", r.Hosts, false); err != nil {
		return err
	}
	if err := contact.CheckPatterns("services", r.Services, true); err != nil {
		return err
	}
	if err := checkStates(r.States); err != nil {
		return err
	}
	if err := contact.CheckLabels("labels", r.Labels); err != nil {
		return err
	}
	if err := CheckChannels("channels", r.Channels); err != nil {
		return err
	}
	if len(r.ContactIDs)+len(r.GroupIDs)+len(r.ScheduleIDs)+len(r.Rooms)+len(r.Hooks) == 0 && r.PolicyID == "" {
		return &contact.FieldError{Field: "contact_ids", Problem: "the rule tells nobody",
			Mend: "give at least one contact, group, schedule, room of Mattermost or webhook, or an escalation policy"}
	}
	return nil
}

// CheckChannels answers a *contact.FieldError for what is no channel, and for one that
// is there twice.
func CheckChannels(field string, names []string) error {
	for i, c := range names {
		at := fmt.Sprintf("%s[%d]", field, i)
		if !slices.Contains(Channels(), c) {
			return &contact.FieldError{Field: at, Problem: fmt.Sprintf("%q is no channel", c),
				Mend: "write " + strings.Join(Channels(), " or ") + ", or leave the list empty for every channel"}
		}
		if slices.Contains(names[:i], c) {
			return &contact.FieldError{Field: at, Problem: "is there twice", Mend: "leave one out"}
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

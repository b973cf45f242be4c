package config

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"tocsin/internal/push"
	"tocsin/internal/storm"
)

// Setting is one field of Settings as it is explained. SettingTable has them all; what
// may be set at most is read from there by Validate, by the console's forms and by
// docs/settings.md.
type Setting struct {
	Name    string // as the API has it: "retention_days", "storm.burst"
	Page    string // of the console where it is set
	Shape   string // of what is no number: "`true` or `false`"
	Unit    string // of a number: "minutes"
	Least   int    // of a number, as Most
	Most    int    // 0: it is no number
	Zero    string // what 0 does; it may be 0 though that is below Least
	Note    string // on Most, for people: "a week"
	Meaning string // in Markdown, links as from docs/
	Secret  bool

	at func(*Settings) *int // of a number of its own
}

// The pages of the console where settings are.
const (
	pageSettings      = "Settings"
	pageNotifications = "Settings, Notifications"
	pageMattermost    = "Mattermost"
)

// Number says whether it is a number with bounds.
func (s Setting) Number() bool { return s.Most > 0 }

// Limits are the bounds of a number for people: "1 to 10080 minutes (a week); 0: never".
func (s Setting) Limits() string {
	if !s.Number() {
		return ""
	}
	text := fmt.Sprintf("%d to %d", s.Least, s.Most)
	if s.Unit != "" {
		text += " " + s.Unit
	}
	if s.Note != "" {
		text += " (" + s.Note + ")"
	}
	if s.Zero != "" {
		text += "; 0: " + s.Zero
	}
	return text
}

// Bounds are the least and the most that a setting may be, 0 counted where it may be
// 0. It panics for a name that is no number: that is a mistake in the code.
func Bounds(name string) (least, most int) {
	for _, s := range SettingTable() {
		if s.Name == name && s.Number() {
			if s.Zero != "" {
				return 0, s.Most
			}
			return s.Least, s.Most
		}
	}
	panic("config: no number is called " + name)
}

// check refuses a number out of bounds.
func (s Setting) check(field string, v int) error {
	if v == 0 && s.Zero != "" || v >= s.Least && v <= s.Most {
		return nil
	}
	return &FieldError{field, "is " + strconv.Itoa(v), "take " + s.Limits()}
}

// SettingTable has every setting, in the order in which they are listed.
func SettingTable() []Setting {
	return append(append(hubSettings(), pushSettings()...), stormSettings()...)
}

func hubSettings() []Setting {
	return []Setting{
		{
			Name: "browser_ttl_minutes", Page: pageSettings, Unit: "minutes", Least: 1, Most: 7 * 24 * 60, Note: "a week", at: func(s *Settings) *int { return &s.BrowserTTL },
			Meaning: "how long a notification waits for a tab to open",
		}, {
			Name: "collapse_after", Page: pageSettings, Least: 1, Most: 50, at: func(s *Settings) *int { return &s.CollapseAfter },
			Meaning: "how many missed notifications are shown one by one when a tab comes back; more are shown as one",
		}, {
			Name: "mattermost_ttl_minutes", Page: pageMattermost, Unit: "minutes", Least: 1, Most: 30 * 24 * 60, Note: "30 days", at: func(s *Settings) *int { return &s.MattermostTTL },
			Meaning: "how long it is tried to post a notification in Mattermost",
		}, {
			Name: "mail_ttl_minutes", Page: pageSettings, Unit: "minutes", Least: 1, Most: 30 * 24 * 60, Note: "30 days", at: func(s *Settings) *int { return &s.MailTTL },
			Meaning: "how long it is tried to send a letter to a contact",
		}, {
			Name: "hook_ttl_minutes", Page: pageSettings, Unit: "minutes", Least: 1, Most: 30 * 24 * 60, Note: "30 days", at: func(s *Settings) *int { return &s.HookTTL },
			Meaning: "how long it is tried to post to a webhook",
		}, {
			Name: "ack_sticky", Page: pageSettings, Shape: "`true` or `false`",
			Meaning: "an acknowledgement made here holds until recovery, unless said otherwise",
		}, {
			Name: "ack_link_hours", Page: pageSettings, Unit: "hours", Least: 1, Most: 7 * 24, Note: "a week", Zero: "letters have no link", at: func(s *Settings) *int { return &s.AckLinkHours },
			Meaning: "for how long the link in a letter may be used to acknowledge",
		}, {
			Name: "flap_changes", Page: pageSettings, Unit: "changes", Least: 3, Most: 20, Zero: "never", at: func(s *Settings) *int { return &s.FlapChanges },
			Meaning: "after so many changes within `flap_minutes` an object counts as flapping, where its engine does not say so ([quiet.md](quiet.md))",
		}, {
			Name: "flap_minutes", Page: pageSettings, Unit: "minutes", Least: 1, Most: 24 * 60, Note: "a day", at: func(s *Settings) *int { return &s.FlapMinutes },
			Meaning: "see `flap_changes`",
		}, {
			Name: "passkeys", Page: pageSettings, Shape: "`optional` or `admins`",
			Meaning: "who needs a [passkey](sign-in.md#passkeys) besides the password: `optional`, whoever has one; `admins`, administrators too, from the next sign-in on",
		}, {
			Name: "retention_days", Page: pageSettings, Unit: "days", Least: 1, Most: 3650, Note: "ten years", at: func(s *Settings) *int { return &s.RetentionDays },
			Meaning: "how long resolved alerts are kept, with their timelines and deliveries",
		}, {
			Name: "audit_days", Page: pageSettings, Unit: "days", Least: 1, Most: 3650, Note: "ten years", at: func(s *Settings) *int { return &s.AuditDays },
			Meaning: "how long the [audit trail](audit.md) is kept",
		}, {
			Name: "source_quiet_minutes", Page: pageSettings, Unit: "minutes", Least: 1, Most: 30 * 24 * 60, Note: "30 days", Zero: "never", at: func(s *Settings) *int { return &s.SourceQuietMinutes },
			Meaning: "System health warns of a source that said nothing for so long. An [alert of it](heartbeat.md) is set at the source",
		}, {
			Name: "ping_url", Page: pageSettings, Shape: "`https://…`, up to 2000 characters", Secret: true,
			Meaning: "is told that all is well ([heartbeat.md](heartbeat.md)); never shown again",
		}, {
			Name: "ping_every_seconds", Page: pageSettings, Unit: "seconds", Least: 10, Most: 24 * 60 * 60, Note: "a day", at: func(s *Settings) *int { return &s.PingEvery },
			Meaning: "how often",
		},
	}
}

func pushSettings() []Setting {
	return []Setting{
		{
			Name: "webpush_enabled", Page: pageNotifications, Shape: "`true` or `false`",
			Meaning: "devices are told by Web Push",
		}, {
			Name: "push_subject", Page: pageNotifications, Shape: "`mailto:ops@example.com` or `https://…`",
			Meaning: "how push services reach who runs this; empty: `VAPID_SUBJECT`, else the base URL where it is https",
		}, {
			Name: "push_hosts", Page: pageNotifications, Shape: fmt.Sprintf("up to %d of `host` or `host:port`", maxPushHosts),
			Meaning: "push services besides those of the browsers' makers, with all names below them",
		}, {
			Name: "push_proxy", Page: pageNotifications, Shape: "`http://host:port`",
			Meaning: "the outgoing proxy; empty: `TOCSIN_PUSH_PROXY`, where one with a user and a password belongs",
		}, {
			Name: "push_ttl_minutes", Page: pageNotifications, Unit: "minutes", Least: 1, Most: push.LongestMinutes, Note: "28 days, the most that all push services take", at: func(s *Settings) *int { return &s.PushTTL },
			Meaning: "how long a push service keeps a message for a device that is off",
		}, {
			Name: "push_ready_max", Page: pageNotifications, Unit: "devices", Least: 1, Most: MaxPushReady, Zero: "for none", at: func(s *Settings) *int { return &s.PushReady },
			Meaning: "for how many devices the next message is prepared while there is nothing else to do",
		}, {
			Name: "auto_close", Page: pageNotifications, Unit: "seconds", Least: 1, Most: 3600, Note: "an hour", Zero: "until it is closed",
			Meaning: "how long a notification stays, by state and kind",
		}, {
			Name: "push_urgency", Page: pageNotifications, Shape: "`very-low`, `low`, `normal` or `high`",
			Meaning: "how much a device is woken up, by state and kind; iPhones are prompt only with `high`",
		},
	}
}

// stormSettings are those of storm.Rules, which checks them itself.
func stormSettings() []Setting {
	day := int(storm.Longest.Seconds())
	number := func(name, unit string, least, most int, meaning string) Setting {
		s := Setting{Name: "storm." + name, Page: pageSettings, Unit: unit, Least: least, Most: most, Meaning: meaning}
		if most == day {
			s.Note = "a day"
		}
		return s
	}
	return []Setting{
		{Name: "storm.off", Page: pageSettings, Shape: "`true` or `false`", Meaning: "`true`: everything is told one by one. [storms.md](storms.md) explains these settings"},
		{Name: "storm.by", Page: pageSettings, Shape: "`source`, `host` or `label:NAME`", Meaning: "what is of a kind"},
		number("burst", "alerts", 1, storm.MaxBurst, "so many of a kind are told one by one"),
		number("refill", "seconds", 1, day, "and one more after so long"),
		number("place", "alerts", 1, storm.MaxBurst, "so many of all kinds together are told one by one, to one contact by one channel"),
		number("regain", "seconds", 1, day, "and one more after so long"),
		number("wait", "seconds", 1, day, "what is collected is told so long after the last of it"),
		number("at_most", "seconds", 1, day, "and at most so long after the first; never less than `wait`"),
		number("again", "seconds", 1, day, "a storm's message is told anew after so long, at the soonest"),
		number("calm", "seconds", 10, day, "a storm is over when nothing came for so long"),
		{Name: "storm_by_source", Page: "the API alone", Shape: fmt.Sprintf("rules by the id of a source, for up to %d sources", mostStorms), Meaning: "rules of single sources instead of `storm`; `place` and `regain` are those of `storm` always"},
	}
}

// InWords is what a setting is, as JSON has it; false where it is none of Settings'
// fields.
func (s Settings) InWords(name string) (string, bool) {
	raw, err := json.Marshal(s)
	if err != nil {
		return "", false
	}
	for part := range strings.SplitSeq(name, ".") {
		var all map[string]json.RawMessage
		if err := json.Unmarshal(raw, &all); err != nil {
			return "", false
		}
		var ok bool
		if raw, ok = all[part]; !ok {
			return "", false
		}
	}
	if text := string(raw); text != "null" {
		return text, true
	}
	return "[]", true
}

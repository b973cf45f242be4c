package config

import "tocsin/internal/storm"

// Settings is what a person changes in daily life, in the console or by API.
// They are kept in the database and take effect at once on every node.
type Settings struct {
	// AutoClose is how many seconds a desktop notification stays, by state
	// ("critical", "down", "warning", …, and "recovery", "acknowledgement",
	// "downtime", "flapping", "custom"); 0: until somebody closes it.
	AutoClose map[string]int `json:"auto_close"`
	// BrowserTTL is for how many minutes a notification waits for a tab to open.
	BrowserTTL int `json:"browser_ttl_minutes"`
	// CollapseAfter is how many missed notifications are shown one by one when
	// a tab comes back; more are shown as one.
	CollapseAfter int `json:"collapse_after"`
	// RetentionDays is how long resolved alerts and their timelines are kept.
	RetentionDays int `json:"retention_days"`
	// AuditDays is how long the audit trail is kept.
	AuditDays int `json:"audit_days"`
	// AckSticky is the default of Acknowledge: it stays until recovery.
	AckSticky bool `json:"ack_sticky"`
	// SourceQuietMinutes after which a source that said nothing is warned of in
	// System health; 0: never.
	SourceQuietMinutes int `json:"source_quiet_minutes"`

	// PingEvery is how many seconds lie between two pings of the address that is told
	// that all is well. The address is a secret, and kept apart.
	PingEvery int `json:"ping_every_seconds"`

	// WebPush says whether devices are told at all.
	WebPush bool `json:"webpush_enabled"`
	// PushSubject is how push services reach who runs this: mailto: or https:.
	// Empty: VAPID_SUBJECT, else the base URL where it is https.
	PushSubject string `json:"push_subject"`
	// PushHosts are push services besides those of the browsers' makers: host
	// or host:port; hosts below them count too.
	PushHosts []string `json:"push_hosts"`
	// PushProxy is the outgoing proxy, http://host:port; empty: TOCSIN_PUSH_PROXY,
	// else none. Web Push goes through it, and so do Mattermost and engines where
	// that is switched on.
	PushProxy string `json:"push_proxy"`
	// PushUrgency is how much a device is woken up for a message, by the same
	// words as AutoClose: very-low, low, normal, high.
	PushUrgency map[string]string `json:"push_urgency"`
	// PushTTL is for how many minutes a push service keeps a message for a
	// device that is switched off.
	PushTTL int `json:"push_ttl_minutes"`
	// PushReady is for how many devices the next message is prepared ahead, at
	// most; 0: for none.
	PushReady int `json:"push_ready_max"`

	// MattermostTTL is for how many minutes it is tried to post a notification in
	// Mattermost; past that, nobody is told of old news.
	MattermostTTL int `json:"mattermost_ttl_minutes"`

	// MailTTL and HookTTL are the same for e-mail and for webhooks.
	MailTTL int `json:"mail_ttl_minutes"`
	HookTTL int `json:"hook_ttl_minutes"`
	// Storm says when alerts are told together.
	Storm storm.Rules `json:"storm"`
	// StormBySource are the rules of single sources, by id, instead of Storm. How much
	// a place takes of all kinds (Place, Regain) stands in Storm alone.
	StormBySource map[string]storm.Rules `json:"storm_by_source,omitempty"`
	// FlapChanges is after how many changes within FlapMinutes an object counts as
	// flapping where its engine does not say so; 0: never.
	FlapChanges int `json:"flap_changes"`
	FlapMinutes int `json:"flap_minutes"`
	// AckLinkHours is for how long the link in a letter may be used to acknowledge; 0:
	// letters have none, and those that are out do nothing.
	AckLinkHours int `json:"ack_link_hours"`
	// Passkeys says who needs a passkey besides the password, from the next sign-in on.
	Passkeys string `json:"passkeys"`
}

// Defaults are the settings of a new installation.
func Defaults() Settings {
	return Settings{
		AutoClose: map[string]int{
			"down": 0, "critical": 0, "unreachable": 30, "unknown": 30, "warning": 20,
			"recovery": 10, "acknowledgement": 10, "downtime": 10, "flapping": 15, "custom": 20,
		},
		BrowserTTL:         480,
		CollapseAfter:      5,
		RetentionDays:      400,
		AuditDays:          400,
		AckSticky:          true,
		SourceQuietMinutes: 0,
		PingEvery:          60,

		WebPush: true,
		PushUrgency: map[string]string{
			"down": "high", "critical": "high", "unreachable": "high", "unknown": "high", "warning": "high",
			"recovery": "normal", "acknowledgement": "normal", "custom": "normal", "downtime": "low", "flapping": "low",
		},
		PushTTL:   240,
		PushReady: 20_000,

		MattermostTTL: 240,
		MailTTL:       1440,
		HookTTL:       240,

		Storm:        storm.Default(),
		FlapChanges:  6,
		FlapMinutes:  15,
		AckLinkHours: 4,
		Passkeys:     PasskeysOptional,
	}
}

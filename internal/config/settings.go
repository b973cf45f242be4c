package config

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
	// AckSticky is the default of Acknowledge: it stays until recovery.
	AckSticky bool `json:"ack_sticky"`
	// SourceQuietMinutes after which a source that said nothing is warned of in
	// System health; 0: never.
	SourceQuietMinutes int `json:"source_quiet_minutes"`
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
		AckSticky:          true,
		SourceQuietMinutes: 0,
	}
}

package console

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/storm"
)

func settingsTexts(s config.Settings) url.Values {
	in := url.Values{
		"browser_ttl_minutes": {strconv.Itoa(s.BrowserTTL)}, "collapse_after": {strconv.Itoa(s.CollapseAfter)},
		"mail_ttl_minutes": {strconv.Itoa(s.MailTTL)}, "hook_ttl_minutes": {strconv.Itoa(s.HookTTL)}, "ack_link_hours": {strconv.Itoa(s.AckLinkHours)},
		"flap_changes": {strconv.Itoa(s.FlapChanges)}, "flap_minutes": {strconv.Itoa(s.FlapMinutes)},
		"retention_days": {strconv.Itoa(s.RetentionDays)}, "audit_days": {strconv.Itoa(s.AuditDays)}, "source_quiet_minutes": {strconv.Itoa(s.SourceQuietMinutes)},
	}
	if s.AckSticky {
		in.Set("ack_sticky", "on")
	}
	in.Set("passkeys", s.Passkeys)
	if !s.Storm.Off {
		in.Set("storm.on", "on")
	}
	in.Set("storm.by", s.Storm.By)
	if label, ok := strings.CutPrefix(s.Storm.By, storm.ByLabel); ok {
		in.Set("storm.by", storm.ByLabel)
		in.Set("storm.label", label)
	}
	for _, n := range stormNumbers(&s.Storm) {
		in.Set(n.name, strconv.Itoa(*n.value))
	}
	return in
}

// stormNumber is one of the numbers that say when it is a storm, as a field.
type stormNumber struct {
	name        string
	value       *int
	label, hint string
}

func stormNumbers(r *storm.Rules) []stormNumber {
	return []stormNumber{
		{"storm.burst", &r.Burst, "Alerts of a kind told one by one", "More of the kind are collected."},
		{"storm.refill", &r.Refill, "Seconds until one more is", "So a slow stream is never collected."},
		{"storm.place", &r.Place, "Alerts of all kinds told one by one", "At one contact, device or room. The first of a kind always is."},
		{"storm.regain", &r.Regain, "Seconds until one more of them is", ""},
		{"storm.wait", &r.Wait, "Seconds to wait for more", "A message is sent so long after the last alert …"},
		{"storm.at_most", &r.AtMost, "Seconds to wait at most", "… and at most so long after the first."},
		{"storm.again", &r.Again, "Seconds between two messages of a storm", "A post or notification that can be replaced is."},
		{"storm.calm", &r.CalmFor, "Seconds of calm that end a storm", ""},
	}
}

// stormSection are the fields that say when alerts are told together.
func stormSection(in url.Values) section {
	by := in.Get("storm.by")
	s := section{Title: "Storms", Hint: "Alerts that come together become one message for each contact and channel. None is lost: the list of deliveries names each.", Fields: []field{
		{Name: "storm.on", Label: "Tell many alerts together", Kind: "checkbox", Checked: in.Get("storm.on") != ""},
		{Name: "storm.by", Label: "One kind are alerts of one", Kind: "select", Half: true, Options: []option{
			{storm.BySource, "Source", by == storm.BySource}, {storm.ByHost, "Host", by == storm.ByHost}, {storm.ByLabel, "Value of a label", by == storm.ByLabel},
		}},
		{Name: "storm.label", Label: "Name of that label", Kind: "text", Value: in.Get("storm.label"), Half: true, When: "storm.by=" + storm.ByLabel, Hint: "As in team. Alerts without it are of their source."},
	}}
	for _, n := range stormNumbers(&storm.Rules{}) {
		s.Fields = append(s.Fields, numberField(in, n.name, n.label, n.hint))
	}
	return s
}

func (n *numbers) storm(r storm.Rules) storm.Rules {
	r.Off = n.in.Get("storm.on") == ""
	if r.By = n.in.Get("storm.by"); r.By == storm.ByLabel {
		r.By += text(n.in, "storm.label")
		if len(r.By) > len(storm.ByLabel)+contact.MaxName && n.err == nil {
			n.err = &contact.FieldError{Field: "storm.label", Problem: "it is too long", Mend: fmt.Sprintf("shorten it to %d characters", contact.MaxName)}
		}
		if r.By == storm.ByLabel && n.err == nil {
			n.err = &contact.FieldError{Field: "storm.label", Problem: "it is empty", Mend: "name the label, as in team"}
		}
	}
	for _, x := range stormNumbers(&r) {
		*x.value = n.read(x.name)
	}
	return r
}

func (c *console) settings(w http.ResponseWriter, v *visit) error {
	s, err := c.Store.Settings(v.Context())
	if err != nil {
		return err
	}
	in := settingsTexts(s)
	in.Set("ping_every_seconds", strconv.Itoa(s.PingEvery))
	return c.showSettings(w, v, http.StatusOK, in, nil)
}

// bounds are those of the setting that a field is of.
func bounds(field string) (least, most int) {
	if strings.HasPrefix(field, "auto_close_") { // a field for each state and kind
		field = "auto_close"
	}
	return config.Bounds(field)
}

// numberField is a field for a setting that is a whole number, with what was typed.
func numberField(in url.Values, name, label, hint string) field {
	least, most := bounds(name)
	return field{Name: name, Label: label, Kind: "number", Value: in.Get(name), Hint: hint, Min: strconv.Itoa(least), Max: strconv.Itoa(most), Half: true, Required: true}
}

func (c *console) showSettings(w http.ResponseWriter, v *visit, status int, in url.Values, why error) error {
	pinged, err := c.Store.PingURL(v.Context())
	if err != nil {
		return err
	}
	f := form{Action: "/console/settings", Submit: "Save settings", Locked: !v.may(auth.Administer), Sections: []section{
		{Title: "When nobody is there", Fields: []field{
			numberField(in, "browser_ttl_minutes", "Minutes a notification waits for a tab", "Then its delivery expires."),
			numberField(in, "mail_ttl_minutes", "Minutes an e-mail is tried", "While the mail server asks to try again later."),
			numberField(in, "hook_ttl_minutes", "Minutes a webhook is tried", "Past that, nobody is told of old news."),
			numberField(in, "collapse_after", "Missed notifications shown one by one", "More are shown as one, when a tab comes back."),
		}},
		stormSection(in),
		{Title: "Flapping", Hint: "For sources that do not say so themselves: Alertmanager, Grafana, generic JSON.", Fields: []field{
			numberField(in, "flap_changes", "Changes that make it flapping", "3 to 20. 0: it is never called so."),
			numberField(in, "flap_minutes", "Within so many minutes", "When there are fewer, it is over, and told once."),
		}},
		{Title: "Acknowledging", Fields: []field{
			{Name: "ack_sticky", Label: "Sticky by default: an acknowledgement stays until recovery, also when the state changes", Kind: "checkbox", Checked: in.Get("ack_sticky") != ""},
			numberField(in, "ack_link_hours", "Hours that the link in a letter acknowledges", "Then it only leads to the alert. 0: letters have no link."),
		}},
		{Title: "Signing in", Fields: []field{
			{Name: "passkeys", Label: "Passkeys", Kind: "select", Hint: "Who must have one and has none makes one at the next sign-in. Signing in by a provider asks for none: that is the provider’s business.", Options: []option{
				{config.PasskeysOptional, "Asked for where somebody has one", in.Get("passkeys") != config.PasskeysAdmins},
				{config.PasskeysAdmins, "Administrators need one besides the password", in.Get("passkeys") == config.PasskeysAdmins},
			}},
		}},
		{Title: "The hub", Fields: []field{
			numberField(in, "retention_days", "Days that resolved alerts are kept", "With their timelines and deliveries."),
			numberField(in, "audit_days", "Days that the audit trail is kept", "Who changed what, and who signed in."),
			numberField(in, "source_quiet_minutes", "Minutes until a silent source is warned of", "In System health. An alert of it is set at the source. 0: never."),
		}},
		{Title: "Tell the outside that all is well", Hint: "Healthchecks, Uptime Kuma and their like tell you when these pings stop: then nobody else could. System health shows the last answer.", Fields: []field{
			{Name: "ping_url", Label: "Address to ping", Kind: "password", Secret: true, Stored: pinged != "", Mono: true, Auto: "off", Hint: "Called while the hub takes, stores and tells; /fail below it when it does not. With {status} in it, up or down stands there. Whoever knows it can speak for this hub, so it is never shown again."},
			numberField(in, "ping_every_seconds", "Seconds between two pings", "Give the service a few more."),
		}},
	}}
	if why != nil && !f.refused(why) {
		return why
	}
	return c.showForm(w, v, status, formView{shell: c.shell(w, v, "/console/settings", "Settings"), Heading: "Settings", Intro: "In force at once, on every node.", Form: f})
}

// numbers reads whole numbers of a form and keeps what was wrong first.
type numbers struct {
	in  url.Values
	err error
}

func (n *numbers) read(name string) int {
	low, high := bounds(name)
	i, err := strconv.Atoi(text(n.in, name))
	if (err != nil || i < low || i > high) && n.err == nil {
		n.err = &contact.FieldError{Field: name, Problem: fmt.Sprintf("“%s” will not do", text(n.in, name)), Mend: fmt.Sprintf("give a whole number from %d to %d", low, high)}
	}
	return i
}

func readSettings(s config.Settings, in url.Values) (config.Settings, error) {
	n := numbers{in: in}
	s.BrowserTTL = n.read("browser_ttl_minutes")
	s.CollapseAfter = n.read("collapse_after")
	s.RetentionDays = n.read("retention_days")
	s.AuditDays = n.read("audit_days")
	s.SourceQuietMinutes = n.read("source_quiet_minutes")
	s.PingEvery = n.read("ping_every_seconds")
	s.AckSticky = in.Get("ack_sticky") != ""
	s.AckLinkHours = n.read("ack_link_hours")
	s.MailTTL, s.HookTTL = n.read("mail_ttl_minutes"), n.read("hook_ttl_minutes")
	s.FlapChanges, s.FlapMinutes = n.read("flap_changes"), n.read("flap_minutes")
	s.Storm = n.storm(s.Storm)
	s.Passkeys = cmp.Or(in.Get("passkeys"), s.Passkeys)
	return s, n.err
}

// keepSettings checks settings and keeps them.
func (c *console) keepSettings(v *visit, s config.Settings) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if off := c.Auth.PasskeysOff(); off != nil && s.Passkeys == config.PasskeysAdmins {
		return &config.FieldError{Field: "passkeys", Problem: "nobody can have one here", Mend: off.Error()}
	}
	return c.Store.SaveSettings(v.Context(), s)
}

func (c *console) saveSettings(w http.ResponseWriter, v *visit) error {
	old, err := c.Store.Settings(v.Context())
	if err != nil {
		return err
	}
	s, err := readSettings(old, v.PostForm)
	address := text(v.PostForm, "ping_url")
	if wrong := config.CheckPingURL(address); err == nil && wrong != nil {
		err = wrong
	}
	if err == nil {
		err = c.keepSettings(v, s)
	}
	if err == nil && (address != "" || v.PostForm.Get("ping_url_clear") != "") {
		err = c.Store.SavePingURL(v.Context(), address)
	}
	if err != nil {
		return c.showSettings(w, v, http.StatusUnprocessableEntity, v.PostForm, err)
	}
	return done(w, v, "/console/settings", "Saved. The settings are in force now.")
}

package console

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/contact"
)

func settingsTexts(s config.Settings) url.Values {
	in := url.Values{
		"browser_ttl_minutes": {strconv.Itoa(s.BrowserTTL)}, "collapse_after": {strconv.Itoa(s.CollapseAfter)},
		"retention_days": {strconv.Itoa(s.RetentionDays)}, "source_quiet_minutes": {strconv.Itoa(s.SourceQuietMinutes)},
	}
	if s.AckSticky {
		in.Set("ack_sticky", "on")
	}
	return in
}

func (c *console) settings(w http.ResponseWriter, v *visit) error {
	s, err := c.Store.Settings(v.Context())
	if err != nil {
		return err
	}
	return c.showSettings(w, v, http.StatusOK, settingsTexts(s), nil)
}

// numberField is a field for a whole number, with what was typed.
func numberField(in url.Values, name, label, hint, low, high string) field {
	return field{Name: name, Label: label, Kind: "number", Value: in.Get(name), Hint: hint, Min: low, Max: high, Half: true, Required: true}
}

func (c *console) showSettings(w http.ResponseWriter, v *visit, status int, in url.Values, why error) error {
	f := form{Action: "/console/settings", Submit: "Save settings", Locked: !v.may(auth.Administer), Sections: []section{
		{Title: "When nobody is there", Fields: []field{
			numberField(in, "browser_ttl_minutes", "Minutes a notification waits for a tab", "Then its delivery expires.", "1", "10080"),
			numberField(in, "collapse_after", "Missed notifications shown one by one", "More are shown as one, when a tab comes back.", "1", "50"),
		}},
		{Title: "Acknowledging", Fields: []field{
			{Name: "ack_sticky", Label: "Sticky by default: an acknowledgement stays until recovery, also when the state changes", Kind: "checkbox", Checked: in.Get("ack_sticky") != ""},
		}},
		{Title: "The hub", Fields: []field{
			numberField(in, "retention_days", "Days that resolved alerts are kept", "With their timelines and deliveries.", "1", "3650"),
			numberField(in, "source_quiet_minutes", "Minutes until a silent source is warned of", "0: never.", "0", "43200"),
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

func (n *numbers) read(name string, low, high int) int {
	i, err := strconv.Atoi(text(n.in, name))
	if (err != nil || i < low || i > high) && n.err == nil {
		n.err = &contact.FieldError{Field: name, Problem: fmt.Sprintf("“%s” will not do", text(n.in, name)), Mend: fmt.Sprintf("give a whole number from %d to %d", low, high)}
	}
	return i
}

func readSettings(s config.Settings, in url.Values) (config.Settings, error) {
	n := numbers{in: in}
	s.BrowserTTL = n.read("browser_ttl_minutes", 1, 10080)
	s.CollapseAfter = n.read("collapse_after", 1, 50)
	s.RetentionDays = n.read("retention_days", 1, 3650)
	s.SourceQuietMinutes = n.read("source_quiet_minutes", 0, 43200)
	s.AckSticky = in.Get("ack_sticky") != ""
	return s, n.err
}

// keepSettings checks settings and keeps them.
func (c *console) keepSettings(v *visit, s config.Settings) error {
	if err := s.Validate(); err != nil {
		return err
	}
	return c.Store.SaveSettings(v.Context(), s)
}

func (c *console) saveSettings(w http.ResponseWriter, v *visit) error {
	old, err := c.Store.Settings(v.Context())
	if err != nil {
		return err
	}
	s, err := readSettings(old, v.PostForm)
	if err == nil {
		err = c.keepSettings(v, s)
	}
	if err != nil {
		return c.showSettings(w, v, http.StatusUnprocessableEntity, v.PostForm, err)
	}
	return done(w, v, "/console/settings", "Saved. The settings are in force now.")
}

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

// closers are the kinds of notification that have a time of their own, in the
// settings' words, worst first.
func closers() [][2]string {
	return [][2]string{
		{"critical", "Service critical"}, {"down", "Host down"}, {"warning", "Service warning"}, {"unknown", "Service unknown"},
		{"unreachable", "Host unreachable"}, {"recovery", "Recovery"}, {"acknowledgement", "Acknowledgement"},
		{"downtime", "Downtime"}, {"flapping", "Flapping"}, {"custom", "Custom"},
	}
}

func settingsTexts(s config.Settings) url.Values {
	in := url.Values{
		"browser_ttl_minutes": {strconv.Itoa(s.BrowserTTL)}, "collapse_after": {strconv.Itoa(s.CollapseAfter)},
		"retention_days": {strconv.Itoa(s.RetentionDays)}, "source_quiet_minutes": {strconv.Itoa(s.SourceQuietMinutes)},
	}
	if s.AckSticky {
		in.Set("ack_sticky", "on")
	}
	for _, k := range closers() {
		in.Set("auto_close_"+k[0], strconv.Itoa(s.AutoClose[k[0]]))
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

func (c *console) showSettings(w http.ResponseWriter, v *visit, status int, in url.Values, why error) error {
	stay := section{Title: "How long a notification stays", Hint: "In seconds; 0 keeps it until somebody closes it or the problem is over."}
	for _, k := range closers() {
		name := "auto_close_" + k[0]
		stay.Fields = append(stay.Fields, field{Name: name, Label: k[1], Kind: "number", Value: in.Get(name), Min: "0", Max: "3600", Half: true, Required: true})
	}
	number := func(name, label, hint, low, high string) field {
		return field{Name: name, Label: label, Kind: "number", Value: in.Get(name), Hint: hint, Min: low, Max: high, Half: true, Required: true}
	}
	f := form{Action: "/console/settings", Submit: "Save settings", Locked: !v.may(auth.Administer), Sections: []section{
		stay,
		{Title: "When nobody is there", Fields: []field{
			number("browser_ttl_minutes", "Minutes a notification waits for a tab", "Then its delivery expires.", "1", "43200"),
			number("collapse_after", "Missed notifications shown one by one", "More are shown as one, when a tab comes back.", "1", "100"),
		}},
		{Title: "Acknowledging", Fields: []field{
			{Name: "ack_sticky", Label: "Sticky by default: an acknowledgement stays until recovery, also when the state changes", Kind: "checkbox", Checked: in.Get("ack_sticky") != ""},
		}},
		{Title: "The hub", Fields: []field{
			number("retention_days", "Days that resolved alerts are kept", "With their timelines and deliveries.", "1", "36500"),
			number("source_quiet_minutes", "Minutes until a silent source is warned of", "0: never.", "0", "525600"),
		}},
	}}
	if why != nil && !f.refused(why) {
		return why
	}
	return c.showForm(w, v, status, formView{shell: c.shell(w, v, "/console/settings", "Settings"), Heading: "Settings", Intro: "In force at once, on every node.", Form: f})
}

func readSettings(s config.Settings, in url.Values) (config.Settings, error) {
	var first error
	number := func(name string, low, high int) int {
		n, err := strconv.Atoi(text(in, name))
		if (err != nil || n < low || n > high) && first == nil {
			first = &contact.FieldError{Field: name, Problem: fmt.Sprintf("“%s” will not do", text(in, name)), Mend: fmt.Sprintf("give a whole number from %d to %d", low, high)}
		}
		return n
	}
	s.AutoClose = map[string]int{}
	for _, k := range closers() {
		s.AutoClose[k[0]] = number("auto_close_"+k[0], 0, 3600)
	}
	s.BrowserTTL = number("browser_ttl_minutes", 1, 43200)
	s.CollapseAfter = number("collapse_after", 1, 100)
	s.RetentionDays = number("retention_days", 1, 36500)
	s.SourceQuietMinutes = number("source_quiet_minutes", 0, 525600)
	s.AckSticky = in.Get("ack_sticky") != ""
	return s, first
}

func (c *console) saveSettings(w http.ResponseWriter, v *visit) error {
	old, err := c.Store.Settings(v.Context())
	if err != nil {
		return err
	}
	s, err := readSettings(old, v.PostForm)
	if err == nil {
		err = c.Store.SaveSettings(v.Context(), s)
	}
	if err != nil {
		return c.showSettings(w, v, http.StatusUnprocessableEntity, v.PostForm, err)
	}
	return done(w, v, "/console/settings", "Saved. The settings are in force now.")
}

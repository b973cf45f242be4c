package console

import (
	"net/http"
	"net/url"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/source"
)

type sourcesView struct {
	shell
	Rows []sourceRow
}

type sourceRow struct {
	source.Source
	KindTitle string
	Quiet     bool // nothing came for longer than the settings allow
	Still     bool // nothing came for longer than a day, which may be well
}

// stillAfter is when a source is said to be still. It is no warning: a small
// engine can have nothing to say for days.
const stillAfter = 24 * time.Hour

// Look is how the source is, in a word with a shape.
func (r sourceRow) Look() look {
	switch {
	case r.Disabled:
		return look{"Disabled", "dash", "dim"}
	case r.LastError == source.WrongToken:
		return look{"Wrong token", "warn", "warn"}
	case r.LastError != "":
		return look{"Refused calls", "no", "bad"}
	case r.LastEventAt.IsZero():
		return look{"Waiting for its first event", "wait", "info"}
	case r.Quiet:
		return look{"Quiet", "warn", "warn"}
	case r.Still:
		return look{"Nothing for more than a day", "wait", "info"}
	}
	return look{"Receiving", "ok", "good"}
}

func (c *console) kindTitle(name string) string {
	for _, k := range c.Kinds {
		if k.Name() == name {
			return k.Title()
		}
	}
	return name
}

func (c *console) sourceRow(v *visit, s source.Source) (sourceRow, error) {
	set, err := c.Store.Settings(v.Context())
	if err != nil {
		return sourceRow{}, err
	}
	row := sourceRow{Source: s, KindTitle: c.kindTitle(s.Kind)}
	if !s.LastEventAt.IsZero() {
		limit, silent := time.Duration(set.SourceQuietMinutes)*time.Minute, v.now.Sub(s.LastEventAt)
		row.Quiet, row.Still = limit > 0 && silent > limit, silent > stillAfter
	}
	return row, nil
}

func (c *console) sources(w http.ResponseWriter, v *visit) error {
	all, err := c.Store.Sources(v.Context())
	if err != nil {
		return err
	}
	view := sourcesView{shell: c.shell(w, v, "/console/sources", "Sources")}
	for _, s := range all {
		r, err := c.sourceRow(v, s)
		if err != nil {
			return err
		}
		view.Rows = append(view.Rows, r)
	}
	return c.show(w, v, "sources", view)
}

type sourceView struct {
	shell
	Row     sourceRow
	New     bool
	Form    form
	Token   string // shown once
	Steps   []step
	Address string // of its events
}

func (c *console) base(v *visit) string {
	if c.BaseURL != "" {
		return c.BaseURL
	}
	scheme := "http"
	if v.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + v.Host
}

func (c *console) loadSource(v *visit) (source.Source, error) {
	if id := v.PathValue("id"); id != "new" {
		return c.Store.SourceByID(v.Context(), id)
	}
	s := source.Source{}
	if len(c.Kinds) > 0 {
		s.Kind = c.Kinds[0].Name()
	}
	return s, nil
}

func (c *console) source(w http.ResponseWriter, v *visit) error {
	s, err := c.loadSource(v)
	if err != nil {
		return err
	}
	return c.showSource(w, v, http.StatusOK, s, "", nil)
}

func (c *console) showSource(w http.ResponseWriter, v *visit, status int, s source.Source, token string, why error) error {
	row, err := c.sourceRow(v, s)
	if err != nil {
		return err
	}
	id := v.PathValue("id")
	if s.ID != "" {
		id = s.ID
	}
	view := sourceView{Row: row, New: id == "new", Token: token, Address: c.base(v) + "/api/v1/sources/" + s.Name + "/events",
		Steps: setup(s.Kind, c.base(v), s.Name, token)}
	heading := "New source"
	if !view.New {
		heading = s.Name
	}
	var kinds []option
	for _, k := range c.Kinds {
		kinds = append(kinds, option{k.Name(), k.Title(), k.Name() == s.Kind})
	}
	view.Form = form{
		Action: "/console/sources/" + id, Submit: "Save source", Cancel: "/console/sources", Locked: !v.may(auth.Administer),
		Sections: []section{
			{Fields: []field{
				{Name: "name", Label: "Name", Kind: "text", Value: s.Name, Required: true, Half: true, Auto: "off", Hint: "Part of its address: small letters, digits and hyphens."},
				{Name: "kind", Label: "Kind of engine", Kind: "select", Options: kinds, Half: true},
				{Name: "disabled", Label: "Disabled: its events are refused", Kind: "checkbox", Checked: s.Disabled},
			}},
			{Title: "The engine's own pages", Hint: "Alerts link to them. {host}, {host_display}, {service} and {service_display} stand for the names.", Fields: []field{
				{Name: "host_url", Label: "Page of a host", Kind: "text", Value: s.HostURL, Mono: true, Auto: "off", Hint: c.templateHint(s.Kind, true)},
				{Name: "service_url", Label: "Page of a service", Kind: "text", Value: s.ServiceURL, Mono: true, Auto: "off", Hint: c.templateHint(s.Kind, false)},
				{Name: "straight", Label: "A click on a notification leads straight to the engine's page", Kind: "checkbox", Checked: s.Straight},
			}},
		},
	}
	if view.New {
		view.Form.Submit = "Create source and show its token"
	} else {
		view.Form.Delete = "/console/sources/" + id + "/delete"
	}
	if why != nil && !view.Form.refused(why) {
		return why
	}
	view.shell = c.shell(w, v, "/console/sources", heading)
	c.write(w, v.Request, status, "source", "shell", view)
	return nil
}

// templateHint is the usual address of the engine's pages.
func (c *console) templateHint(kind string, host bool) string {
	for _, k := range c.Kinds {
		if k.Name() != kind {
			continue
		}
		h, s := k.Templates("https://" + kind + ".example.org")
		if !host {
			h = s
		}
		if h != "" {
			return "Usually " + h
		}
	}
	return "Empty: no link."
}

func readSource(s source.Source, in url.Values) source.Source {
	s.Name, s.Kind = text(in, "name"), in.Get("kind")
	s.HostURL, s.ServiceURL = text(in, "host_url"), text(in, "service_url")
	s.Straight, s.Disabled = in.Get("straight") != "", in.Get("disabled") != ""
	return s
}

func (c *console) saveSource(w http.ResponseWriter, v *visit) error {
	old, err := c.loadSource(v)
	if err != nil {
		return err
	}
	s, token := readSource(old, v.PostForm), ""
	err = s.Validate(c.Kinds)
	if err == nil {
		if s.ID == "" {
			s.ID, s.CreatedAt = c.NewID(), v.now
			token, s.TokenHash, s.TokenHint = auth.NewToken(auth.SourcePrefix)
		}
		err = c.Store.SaveSource(v.Context(), s)
	}
	if err != nil {
		s.ID = old.ID
		return c.showSource(w, v, http.StatusUnprocessableEntity, s, "", err)
	}
	if token != "" {
		// The token is nowhere but in this answer.
		return c.showSource(w, v, http.StatusOK, s, token, nil)
	}
	return done(w, v, "/console/sources", "Saved the source "+s.Name+".")
}

func (c *console) rotateToken(w http.ResponseWriter, v *visit) error {
	s, err := c.Store.SourceByID(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	var token string
	token, s.TokenHash, s.TokenHint = auth.NewToken(auth.SourcePrefix)
	if err := c.Store.SaveSource(v.Context(), s); err != nil {
		return err
	}
	return c.showSource(w, v, http.StatusOK, s, token, nil)
}

func (c *console) askDeleteSource(w http.ResponseWriter, v *visit) error {
	s, err := c.Store.SourceByID(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	open, next, err := c.Store.Alerts(v.Context(), alert.Filter{SourceIDs: []string{s.ID}, Status: []alert.Status{alert.Firing, alert.Acknowledged}, Limit: 100})
	if err != nil {
		return err
	}
	view := confirmView{Heading: "Delete the source " + s.Name + "?", Action: "/console/sources/" + s.ID + "/delete",
		Back: "/console/sources/" + s.ID, Button: "Delete source",
		Effects: []string{"Its token is void at once: the engine's calls are refused, and wait in its spool.", "Rules that name it fit nothing of it any more."}}
	if n := len(open); n > 0 {
		words := count(n, "open alert", "open alerts")
		if next != "" {
			words = "more than " + words
		}
		view.Refused = "It has " + words + ". Disable it instead, or wait until they are resolved."
	}
	return c.confirm(w, v, "/console/sources", view)
}

func (c *console) deleteSource(w http.ResponseWriter, v *visit) error {
	err := c.Store.DeleteSource(v.Context(), v.PathValue("id"))
	return c.deleted(w, v, err, "/console/sources", "The source is deleted.", "The source has open alerts. Disable it instead, or wait until they are resolved.")
}

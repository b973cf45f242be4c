package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/source"
	"tocsin/internal/web"
)

type sourcesView struct {
	shell
	Rows []sourceRow
}

type sourceRow struct {
	source.Source
	KindTitle string
	Tells     string // how its engine is told; empty: not at all
	Quiet     bool   // nothing came for longer than the settings allow
	Still     bool   // nothing came for longer than a day, which may be well
}

// stillAfter is when a source is said to be still. It is no warning: a small
// engine can have nothing to say for days.
const stillAfter = 24 * time.Hour

// Look is how the source is, in a word with a shape.
func (r sourceRow) Look() look {
	switch {
	case r.Disabled:
		return look{"Disabled", "dash", "dim"}
	case !r.SilentSince.IsZero():
		return look{"Silent", "no", "bad"}
	case r.LastError == source.WrongToken:
		return look{"Wrong token", "warn", "warn"}
	case r.LastError != "":
		return look{"Refused calls", "no", "bad"}
	case r.LastEventAt.IsZero() && r.LastSign.IsZero():
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
	row := sourceRow{Source: s, KindTitle: c.kindTitle(s.Kind), Tells: c.wayTitle(s.WriteBack)}
	if heard := s.Heard(); !heard.IsZero() {
		limit, silent := time.Duration(set.SourceQuietMinutes)*time.Minute, v.now.Sub(heard)
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
	Row      sourceRow
	New      bool
	Form     form
	Token    string // shown once
	Snippets []source.Snippet
	Address  string // of its events
	Tells    string // how its engine is told; empty: not at all
	Arrival  *arrival
}

// arrival says whether the first event of a young source has come.
type arrival struct {
	Class, Icon, Title, Text string
}

// young is for how long a source's page greets its first event.
const young = 24 * time.Hour

// arrivalOf is what to say of it, nil for a source that is long at work.
func (r sourceRow) arrivalOf(now time.Time) *arrival {
	switch {
	case r.Disabled:
		return nil
	case r.LastEventAt.IsZero() && r.LastError == source.WrongToken:
		return &arrival{"warn", "warn", "A call came with a wrong token", "The engine reaches this hub. Give it the token of this source, or make a new one below."}
	case r.LastEventAt.IsZero() && r.LastError != "":
		return &arrival{"bad", "no", "A call came, and was refused", r.LastError}
	case r.LastEventAt.IsZero():
		return &arrival{"wait", "wait", "Waiting for its first event", "This turns green by itself when it comes."}
	case now.Sub(r.CreatedAt) < young:
		return &arrival{"good", "ok", "It works: events arrive", "The engine is connected."}
	}
	return nil
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
	return c.showSource(w, v, http.StatusOK, s, sourcePage{})
}

// sourcePage is what a source's page shows besides what is stored.
type sourcePage struct {
	Token string     // shown once
	In    url.Values // what was typed; nil: what is stored
	Why   error      // that refused it
	Said  *sourceSaid
}

// showSource draws the page of a source as it is stored.
func (c *console) showSource(w http.ResponseWriter, v *visit, status int, s source.Source, p sourcePage) error {
	row, err := c.sourceRow(v, s)
	if err != nil {
		return err
	}
	id := v.PathValue("id")
	if s.ID != "" {
		id = s.ID
	}
	in := p.In
	if in == nil {
		in = c.sourceTexts(s)
	}
	view := sourceView{Row: row, New: id == "new", Token: p.Token, Address: c.base(v) + "/api/v1/sources/" + s.Name + "/events"}
	heading := "New source"
	if !view.New {
		heading = s.Name
		view.Arrival = row.arrivalOf(v.now)
		view.Snippets = c.snippets(v, s, p.Token)
		view.Tells = c.wayTitle(s.WriteBack)
	}
	view.Form = c.sourceForm(v, id, s, in, p.Said)
	if p.Why != nil && !blameSource(&view.Form, in.Get("write_back"), p.Why) {
		return p.Why
	}
	view.shell = c.shell(w, v, "/console/sources", heading)
	c.write(w, v.Request, status, "source", "shell", view)
	return nil
}

// snippets are what to paste at the engine, where its kind knows.
func (c *console) snippets(v *visit, s source.Source, token string) []source.Snippet {
	for _, k := range c.Kinds {
		if g, ok := k.(source.Guided); ok && k.Name() == s.Kind {
			return g.Snippets(source.Setup{BaseURL: c.base(v), Source: s.Name, Token: token})
		}
	}
	return nil
}

// wayTitle is how an engine is told, in words.
func (c *console) wayTitle(w source.WriteBack) string {
	for _, k := range c.WriteBacks {
		if k.Name() == w.Kind {
			return k.Title()
		}
	}
	return ""
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

func (c *console) saveSource(w http.ResponseWriter, v *visit) error {
	old, err := c.loadSource(v)
	if err != nil {
		return err
	}
	token := ""
	s, err := c.readSource(old, v.PostForm)
	if err == nil {
		err = web.CheckSource(s, c.Kinds, c.WriteBacks)
	}
	if err == nil {
		if s.ID == "" {
			s.ID, s.CreatedAt = c.NewID(), v.now
			token, s.TokenHash, s.TokenHint = auth.NewToken(auth.SourcePrefix)
		}
		err = c.Store.SaveSource(v.Context(), s)
	}
	if err != nil {
		return c.showSource(w, v, http.StatusUnprocessableEntity, old, sourcePage{In: v.PostForm, Why: err})
	}
	if token != "" {
		// The token is nowhere but in this answer.
		return c.showSource(w, v, http.StatusOK, s, sourcePage{Token: token})
	}
	return done(w, v, "/console/sources/"+s.ID, "Saved the source "+s.Name+".")
}

// probePatience is how long an engine may take to be tried.
const probePatience = 10 * time.Second

// probeSource tries how the engine is told as the form has it, and keeps nothing.
func (c *console) probeSource(w http.ResponseWriter, v *visit) error {
	old, err := c.loadSource(v)
	if err != nil {
		return err
	}
	s, err := c.readSource(old, v.PostForm)
	if err == nil {
		if s.Name == "" {
			s.Name = "new" // the name does not matter yet
		}
		err = web.CheckWriteBack(s, c.WriteBacks)
	}
	if err != nil {
		return c.showSource(w, v, http.StatusUnprocessableEntity, old, sourcePage{In: v.PostForm, Why: err})
	}
	said := &sourceSaid{About: "tell", flash: flash{Kind: "good", Text: "It works: the engine can be reached, and lets Tocsin in. Nothing was changed there."}}
	ctx, cancel := context.WithTimeout(v.Context(), probePatience)
	defer cancel()
	switch err := c.Probe(ctx, s); {
	case errors.Is(err, context.DeadlineExceeded):
		said.Kind, said.Text = "bad", "There is no answer after "+length(probePatience)+". Is the address right, and does a firewall let this machine through?"
	case err != nil:
		said.Kind, said.Text = "bad", sentence(err.Error())
	}
	return c.showSource(w, v, http.StatusOK, old, sourcePage{In: v.PostForm, Said: said})
}

// tryExample says what an example body would be understood as, and keeps nothing.
func (c *console) tryExample(w http.ResponseWriter, v *visit) error {
	old, err := c.loadSource(v)
	if err != nil {
		return err
	}
	s, err := c.readSource(old, v.PostForm)
	if err == nil && s.Mapping != nil {
		err = s.Mapping.Validate()
	}
	if err != nil {
		return c.showSource(w, v, http.StatusUnprocessableEntity, old, sourcePage{In: v.PostForm, Why: err})
	}
	said := &sourceSaid{About: "example", flash: flash{Kind: "bad", Text: "There is no example. Paste a body as the engine sends it."}}
	if body := text(v.PostForm, "example"); body != "" {
		for _, k := range c.Kinds {
			if k.Name() != s.Kind {
				continue
			}
			events, err := k.Decode([]byte(body), v.now, source.Options{Mapping: s.Mapping})
			if err != nil {
				said.Text = sentence(err.Error())
			} else {
				said.Kind, said.Text = "good", decodedWords(events)
			}
		}
	}
	return c.showSource(w, v, http.StatusOK, old, sourcePage{In: v.PostForm, Said: said})
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
	return c.showSource(w, v, http.StatusOK, s, sourcePage{Token: token})
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
	open = slices.DeleteFunc(open, func(a alert.Alert) bool { return a.Object.Heartbeat() }) // ends with it
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

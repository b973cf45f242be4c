package console

import (
	"net/http"
	"net/url"
	"slices"

	"tocsin/internal/publish"
	"tocsin/internal/status"
)

func (c *console) writeUpdate(rw http.ResponseWriter, v *visit) error {
	w, err := c.writing(v, writeUpdate, v.PathValue("id"), url.Values{})
	if err != nil {
		return err
	}
	if w.stored.Draft {
		http.Redirect(rw, v.Request, incidentsPath+"/"+w.stored.ID+"/draft", http.StatusSeeOther)
		return nil
	}
	w.fill()
	if p := status.Phase(v.URL.Query().Get("phase")); slices.Contains(incidentPhases(), p) {
		w.in.Set("phase", string(p))
	}
	return c.showEditor(rw, v, w, nil)
}

func (c *console) postUpdate(rw http.ResponseWriter, v *visit) error {
	w, err := c.writing(v, writeUpdate, v.PathValue("id"), v.PostForm)
	if err != nil {
		return err
	}
	if shown, err := c.prepare(rw, v, w); shown {
		return err
	}
	n, err := w.note()
	if err == nil {
		err = saidMeanwhile(v, w.stored.Updates, n, phaseOf)
	}
	if err != nil {
		return c.showEditor(rw, v, w, err)
	}
	made, told, err := c.Desk.PostUpdate(v.Context(), v.author(), w.stored.ID, n)
	if err != nil {
		return c.showEditor(rw, v, w, err)
	}
	what := "Published the update."
	switch {
	case incidentOver(made.Phase) && !incidentOver(w.stored.Phase):
		what = "Resolved."
	case !incidentOver(made.Phase) && incidentOver(w.stored.Phase):
		what = "Opened again."
	}
	return done(rw, v, incidentsPath+"/"+made.ID, published(what, told, n.Silent))
}

func (c *console) editIncident(rw http.ResponseWriter, v *visit) error {
	w, err := c.writing(v, writeDetails, v.PathValue("id"), url.Values{})
	if err != nil {
		return err
	}
	w.fill()
	return c.showEditor(rw, v, w, nil)
}

func (c *console) saveIncident(rw http.ResponseWriter, v *visit) error {
	w, err := c.writing(v, writeDetails, v.PathValue("id"), v.PostForm)
	if err != nil {
		return err
	}
	if shown, err := c.prepare(rw, v, w); shown {
		return err
	}
	e, err := w.edit(v.now)
	if err == nil {
		err = c.meanwhile(v, w.page.ID, w.stored.ID, w.seen(), w.given())
	}
	if err == nil {
		_, err = c.Desk.EditIncident(v.Context(), v.author(), w.stored.ID, e)
	}
	if err != nil {
		return c.showEditor(rw, v, w, err)
	}
	return done(rw, v, incidentsPath+"/"+w.stored.ID, "Corrected. Nobody was told.")
}

func (c *console) editUpdate(rw http.ResponseWriter, v *visit) error {
	w, err := c.writing(v, writeText, v.PathValue("id"), url.Values{})
	if err != nil {
		return err
	}
	w.fill()
	return c.showEditor(rw, v, w, nil)
}

func (c *console) saveUpdate(rw http.ResponseWriter, v *visit) error {
	w, err := c.writing(v, writeText, v.PathValue("id"), v.PostForm)
	if err != nil {
		return err
	}
	if shown, err := c.prepare(rw, v, w); shown {
		return err
	}
	was := w.stored.Updates[w.at]
	at, err := w.time("at", was.At)
	if err == nil {
		err = c.meanwhile(v, w.page.ID, w.stored.ID, w.seen(), w.given())
	}
	if err == nil {
		n, _ := w.note() // of which the body is wanted
		err = c.Desk.EditUpdate(v.Context(), v.author(), publish.OfIncident, w.stored.ID, was.ID, n.Body, at)
	}
	if err != nil {
		return c.showEditor(rw, v, w, err)
	}
	return done(rw, v, incidentsPath+"/"+w.stored.ID, "Corrected the update. Nobody was told.")
}

func (c *console) postmortem(rw http.ResponseWriter, v *visit) error {
	w, err := c.writing(v, writePostmortem, v.PathValue("id"), url.Values{})
	if err != nil {
		return err
	}
	if !incidentOver(w.stored.Phase) || w.stored.Draft {
		say(rw, "bad", "A postmortem comes after the end: resolve the incident first.")
		http.Redirect(rw, v.Request, incidentsPath+"/"+w.stored.ID, http.StatusSeeOther)
		return nil
	}
	w.fill()
	return c.showEditor(rw, v, w, nil)
}

func (c *console) savePostmortem(rw http.ResponseWriter, v *visit) error {
	w, err := c.writing(v, writePostmortem, v.PathValue("id"), v.PostForm)
	if err != nil {
		return err
	}
	if shown, err := c.prepare(rw, v, w); shown {
		return err
	}
	n, _ := w.note() // of which the body is wanted
	var told publish.Told
	if err = c.meanwhile(v, w.page.ID, w.stored.ID, w.seen(), w.given()); err == nil {
		told, err = c.Desk.Postmortem(v.Context(), v.author(), w.stored.ID, n.Body, n.Silent)
	}
	if err != nil {
		return c.showEditor(rw, v, w, err)
	}
	if n.Body == "" {
		return done(rw, v, incidentsPath+"/"+w.stored.ID, "The postmortem is taken away.")
	}
	return done(rw, v, incidentsPath+"/"+w.stored.ID, published("Published the postmortem.", told, n.Silent))
}

package console

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/web"
)

// maxLogo is how many bytes a logo may have.
const maxLogo = publish.MaxImage

// mostSent is how many bytes a form may have. What is sent with files may have
// more, so that one that is too large is told so rather than cut off.
func mostSent(pattern string) int64 {
	switch pattern {
	case "POST " + statusPagesPath + "/{id}/logo":
		return 8 << 20
	case "POST " + importPath:
		return mostImport
	case "POST " + simulatePath:
		return 3*web.MaxSimulation + 64<<10 // as forms are sent, most of what is not a letter takes three bytes
	}
	return 256 << 10
}

// statusLogo is a page's logo, for those who edit it: the public address may be
// another host, or private.
func (c *console) statusLogo(w http.ResponseWriter, v *visit) error {
	p, err := c.pageByID(v, v.PathValue("id"))
	if err != nil {
		return err
	}
	if p.Logo == "" {
		return fmt.Errorf("logo of page %q: %w", p.ID, fault.ErrNotFound)
	}
	picture, err := c.Store.StatusImage(v.Context(), p.Logo)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", picture.Kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(picture.Body)))
	_, _ = w.Write(picture.Body)
	return nil
}

// saveStatusLogo takes a picture that was chosen in the page's form.
func (c *console) saveStatusLogo(w http.ResponseWriter, v *visit) error {
	p, err := c.pageByID(v, v.PathValue("id"))
	if err != nil {
		return err
	}
	back := statusPagesPath + "/" + p.ID
	body, err := uploaded(v.Request, "logo", maxLogo)
	if err == nil {
		err = c.Desk.SetLogo(v.Context(), v.author(), p.ID, body)
	}
	var refused *status.FieldError
	if errors.As(err, &refused) {
		sayOf(w, "logo", "bad", "The picture "+refused.Problem+". "+sentence(refused.Mend))
		http.Redirect(w, v.Request, back+"#logo", http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	sayOf(w, "logo", "good", "Visitors see this logo now.")
	http.Redirect(w, v.Request, back+"#logo", http.StatusSeeOther)
	return nil
}

func (c *console) removeStatusLogo(w http.ResponseWriter, v *visit) error {
	if err := c.Desk.SetLogo(v.Context(), v.author(), v.PathValue("id"), nil); err != nil {
		return err
	}
	sayOf(w, "logo", "good", "The logo is gone. Visitors see the name.")
	http.Redirect(w, v.Request, statusPagesPath+"/"+v.PathValue("id")+"#logo", http.StatusSeeOther)
	return nil
}

// uploaded reads a file out of a form that was sent with files, of at most so many
// bytes; a *status.FieldError where there is none, or it is larger.
func uploaded(r *http.Request, name string, most int) ([]byte, error) {
	// Whatever else comes is read to its end: a browser whose sending is cut off
	// shows no answer.
	defer func() { _, _ = io.Copy(io.Discard, r.Body) }()
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, &status.FieldError{Field: name, Problem: "did not come with the form", Mend: "choose a file, then send it"}
	}
	for {
		part, err := parts.NextPart()
		if err != nil {
			return nil, &status.FieldError{Field: name, Problem: "did not come with the form", Mend: "choose a file, then send it"}
		}
		if part.FormName() != name {
			continue
		}
		body, err := io.ReadAll(io.LimitReader(part, int64(most)+1))
		switch {
		case err != nil:
			return nil, &status.FieldError{Field: name, Problem: "is too large, or came only in part", Mend: fmt.Sprintf("keep to %d KiB, and send it again", most>>10)}
		case len(body) == 0:
			return nil, &status.FieldError{Field: name, Problem: "is empty", Mend: "choose a file, then send it"}
		case len(body) > most:
			return nil, &status.FieldError{Field: name, Problem: fmt.Sprintf("is larger than %d KiB", most>>10), Mend: "make it smaller; 400 pixels of width are plenty"}
		}
		return body, nil
	}
}

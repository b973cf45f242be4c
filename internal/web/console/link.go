package console

import (
	"errors"
	"net/http"

	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/fault"
	"tocsin/internal/web"
)

const linkPath = "/console/link/mattermost"

var errLinkGone = &config.FieldError{
	Field: "token", Problem: "this link was used already, is older than ten minutes, or was cut off",
	Mend: "type /tocsin link in Mattermost again and open the new one",
}

// linkView is the page to which /tocsin link in Mattermost leads. Its token comes
// behind a #, which browsers send nobody, so it is in no log; the script puts it
// into the form. Without JavaScript it is pasted.
type linkView struct {
	shell
	Token    string // known to be good; empty: it is still to be given
	Person   string // the Mattermost user
	Known    string // the contact that they are linked to already
	Contacts []option
	Problem  string
	Mend     string
}

func (c *console) link(w http.ResponseWriter, v *visit) error {
	return c.showLink(w, v, http.StatusOK, linkView{})
}

func (c *console) showLink(w http.ResponseWriter, v *visit, status int, view linkView) error {
	view.shell = c.shell(w, v, mattermostPath, "Link Mattermost")
	c.write(w, v.Request, status, "link", "shell", view)
	return nil
}

// takeLink takes the token, asks which contact, and links.
func (c *console) takeLink(w http.ResponseWriter, v *visit) error {
	ctx := v.Context()
	token := linkToken(text(v.PostForm, "token"))
	gone := func() error {
		return c.showLink(w, v, http.StatusUnprocessableEntity, linkView{Problem: sentence(errLinkGone.Problem), Mend: sentence(errLinkGone.Mend)})
	}
	l, err := c.Store.PeekLink(ctx, auth.Hash(token), v.now)
	if errors.Is(err, fault.ErrNotFound) {
		return gone()
	}
	if err != nil {
		return err
	}
	view := linkView{Token: token, Person: atName(l.Name, l.UserID)}
	if id := v.PostFormValue("contact_id"); id != "" {
		var f form
		p, err := web.LinkPerson(ctx, c.Store, v.who, token, id, v.now)
		switch {
		case errors.Is(err, fault.ErrNotFound):
			return gone()
		case err == nil:
			k, err := c.Store.Contact(ctx, p.ContactID)
			if err != nil {
				return err
			}
			return done(w, v, "/console/me", view.Person+" in Mattermost is "+contactLabel(k)+" here from now on.")
		case !f.refused(err):
			return err
		}
		view.Problem = f.Problem
	}
	people, err := c.Store.People(ctx)
	if err != nil {
		return err
	}
	contacts, err := c.Store.Contacts(ctx)
	if err != nil {
		return err
	}
	known := ""
	for _, p := range people {
		if p.UserID == l.UserID {
			known = p.ContactID
		}
	}
	for _, k := range contacts {
		if k.ID == known {
			view.Known = contactLabel(k)
		}
		if web.MayLink(v.who, k) {
			view.Contacts = append(view.Contacts, option{k.ID, linkTitle(k), false})
		}
	}
	c.preselect(v, view.Contacts, contacts, known)
	status := http.StatusOK
	if view.Problem != "" {
		status = http.StatusUnprocessableEntity
	}
	return c.showLink(w, v, status, view)
}

// preselect chooses the visitor's own contact, or the one that is linked now.
func (c *console) preselect(v *visit, options []option, contacts []contact.Contact, known string) {
	best := 0
	for i, o := range options {
		for _, k := range contacts {
			if k.ID == o.Value && (k.ID == known || (k.UserID == v.who.UserID && options[best].Value != known)) {
				best = i
			}
		}
	}
	if len(options) > 0 {
		options[best].Selected = true
	}
}

func linkTitle(k contact.Contact) string {
	if k.UserID == "" {
		return contactLabel(k) + " (no user is linked)"
	}
	return contactLabel(k)
}

// linkToken is the token of what somebody pasted: it alone, or the whole link.
func linkToken(s string) string {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '#' {
			return s[i+1:]
		}
	}
	return s
}

func atName(name, id string) string {
	if name == "" {
		return id
	}
	return "@" + name
}

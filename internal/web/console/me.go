package console

import (
	"errors"
	"net/http"

	"tocsin/internal/auth"
)

type meView struct {
	shell
	Contact  *contactRow
	Devices  []deviceRow
	Off      bool   // Web Push is off in the settings
	Mute     string // why nothing can be sent by Web Push yet, and the mend; empty: nothing is in the way
	Password form
	People   []personRow // who in Mattermost is a contact of the visitor
	Chat     bool        // Mattermost is on
}

func (c *console) me(w http.ResponseWriter, v *visit) error {
	return c.showMe(w, v, http.StatusOK, nil)
}

func (c *console) showMe(w http.ResponseWriter, v *visit, status int, why error) error {
	contacts, err := c.Store.Contacts(v.Context())
	if err != nil {
		return err
	}
	view := meView{Password: form{Action: "/console/me", Submit: "Change password", Sections: []section{{Fields: []field{
		{Name: "current", Label: "Password now", Kind: "password", Required: true, Half: true, Auto: "current-password"},
		{Name: "password", Label: "New password", Kind: "password", Required: true, Half: true, Auto: "new-password", Hint: "At least 10 characters. You sign in again with it."},
	}}}}}
	now, err := c.chatNow(v)
	if err != nil {
		return err
	}
	view.Chat = now.set.Enabled
	for _, k := range contacts {
		if k.UserID != v.who.UserID {
			continue
		}
		view.Contact = &contactRow{Contact: k, Hosts: hearsOfHosts(k), Services: hearsOfServices(k)}
		view.Contact.Chat, _ = now.words(k)
		for _, p := range now.linked(k.ID) {
			view.People = append(view.People, personRow{Person: p, Contact: contactLabel(k)})
		}
	}
	if why != nil && !view.Password.refused(why) {
		return why
	}
	if view.Devices, err = c.myDevices(v); err != nil {
		return err
	}
	set, err := c.Store.Settings(v.Context())
	if err != nil {
		return err
	}
	view.Off = !set.WebPush
	if !view.Off {
		if view.Mute, err = c.mute(v); err != nil {
			return err
		}
	}
	view.shell = c.shell(w, v, "/console/me", "My notifications")
	view.beside(view.Devices)
	c.write(w, v.Request, status, "me", "shell", view)
	return nil
}

func (c *console) changePassword(w http.ResponseWriter, v *visit) error {
	err := c.Auth.Confirm(v.Context(), v.who.UserID, v.PostFormValue("current"), v.RemoteAddr)
	var limit *auth.LimitError
	switch {
	case errors.As(err, &limit):
		return c.showMe(w, v, http.StatusTooManyRequests, &auth.FieldError{Field: "current", Problem: "there were too many attempts", Mend: "wait " + limit.Words() + ", then try again"})
	case errors.Is(err, auth.ErrSignIn):
		return c.showMe(w, v, http.StatusUnprocessableEntity, &auth.FieldError{Field: "current", Problem: "this is not your password", Mend: "type the one that you signed in with"})
	case err != nil:
		return err
	}
	password := v.PostFormValue("password")
	if _, err := c.Auth.ChangeUser(v.Context(), v.who.UserID, auth.UserChange{Password: &password}); err != nil {
		return c.showMe(w, v, http.StatusUnprocessableEntity, err)
	}
	http.Redirect(w, v.Request, "/console/sign-in", http.StatusSeeOther)
	return nil
}

type healthView struct {
	shell
}

func (c *console) health(w http.ResponseWriter, v *visit) error {
	return c.show(w, v, "health", healthView{c.shell(w, v, "/console/health", "System health")})
}

package console

import (
	"errors"
	"net/http"

	"tocsin/internal/auth"
)

type usersView struct {
	shell
	Rows []userRow
}

type userRow struct {
	auth.User
	Contact string
	Self    bool
}

func (c *console) users(w http.ResponseWriter, v *visit) error {
	users, err := c.Store.Users(v.Context())
	if err != nil {
		return err
	}
	contacts, err := c.Store.Contacts(v.Context())
	if err != nil {
		return err
	}
	view := usersView{shell: c.shell(w, v, "/console/users", "Users")}
	for _, u := range users {
		r := userRow{User: u, Self: u.ID == v.who.UserID}
		for _, k := range contacts {
			if k.UserID == u.ID {
				r.Contact = contactLabel(k)
			}
		}
		view.Rows = append(view.Rows, r)
	}
	return c.show(w, v, "users", view)
}

func (c *console) loadUser(v *visit) (auth.User, error) {
	if id := v.PathValue("id"); id != "new" {
		return c.Store.UserByID(v.Context(), id)
	}
	return auth.User{Role: auth.Operator}, nil
}

func (c *console) user(w http.ResponseWriter, v *visit) error {
	u, err := c.loadUser(v)
	if err != nil {
		return err
	}
	return c.showUser(w, v, http.StatusOK, u, nil)
}

func (c *console) showUser(w http.ResponseWriter, v *visit, status int, u auth.User, why error) error {
	id := v.PathValue("id")
	roles := []option{
		{"viewer", "Viewer: looks", u.Role == auth.Viewer},
		{"responder", "Responder: sees alerts, acknowledges, snoozes, comments; nothing else", u.Role == auth.Responder},
		{"operator", "Operator: acknowledges, changes contacts, rules and time periods", u.Role == auth.Operator},
		{"admin", "Administrator: also sources, users, keys and settings", u.Role == auth.Admin},
	}
	f := form{Action: "/console/users/" + id, Submit: "Save user", Cancel: "/console/users"}
	heading := "New user"
	who := section{Fields: []field{
		{Name: "name", Label: "Name to sign in with", Kind: "text", Value: u.Name, Required: true, Half: true, Auto: "off", Hint: "Small letters, digits and . _ @ -"},
		{Name: "display_name", Label: "Display name", Kind: "text", Value: u.DisplayName, Half: true, Auto: "off"},
		{Name: "role", Label: "Role", Kind: "select", Options: roles},
	}}
	secret := section{Title: "Password", Fields: []field{
		{Name: "password", Label: "Password", Kind: "password", Required: true, Half: true, Auto: "new-password", Hint: "At least 10 characters."},
	}}
	if id != "new" {
		heading, f.Delete = u.Label(), "/console/users/"+id+"/delete"
		who.Fields[0] = field{Name: "display_name", Label: "Display name", Kind: "text", Value: u.DisplayName, Half: true, Auto: "off", Hint: "Signs in as " + u.Name + "."}
		who.Fields = append(who.Fields[:1], who.Fields[2:]...)
		who.Fields = append(who.Fields, field{Name: "disabled", Label: "Disabled: cannot sign in and is not told in the browser", Kind: "checkbox", Checked: u.Disabled})
		secret.Fields[0].Label, secret.Fields[0].Required = "New password", false
		secret.Fields[0].Hint = "Empty: stays as it is. A new one signs the user out everywhere."
	}
	f.Sections = []section{who, secret}
	if why != nil && !f.refused(why) {
		return why
	}
	var of *ways
	if id != "new" {
		its, err := c.waysOf(v, id, userPath(v))
		if err != nil {
			return err
		}
		of = &its
	}
	return c.showForm(w, v, status, formView{shell: c.shell(w, v, "/console/users", heading), Heading: heading, Ways: of,
		Intro: "Somebody who signs in. To be told of alerts, a user is linked to a contact.", Form: f})
}

func (c *console) saveUser(w http.ResponseWriter, v *visit) error {
	in := v.PostForm
	u, err := c.loadUser(v)
	if err != nil {
		return err
	}
	display, role, password := text(in, "display_name"), auth.Role(in.Get("role")), in.Get("password")
	if v.PathValue("id") == "new" {
		u.Name, u.DisplayName, u.Role = text(in, "name"), display, role
		u, err = c.Auth.AddUser(v.Context(), auth.NewUser{Name: u.Name, DisplayName: display, Role: role, Password: password})
		if err != nil {
			typed := auth.User{Name: text(in, "name"), DisplayName: display, Role: role}
			return c.showUser(w, v, http.StatusUnprocessableEntity, typed, err)
		}
		return done(w, v, "/console/users", "Created the user "+u.Label()+". Link a contact to it, so that it is told.")
	}
	disabled := in.Get("disabled") != ""
	change := auth.UserChange{DisplayName: &display, Role: &role, Disabled: &disabled}
	if password != "" {
		change.Password = &password
	}
	if _, err := c.Auth.ChangeUser(v.Context(), u.ID, change); err != nil {
		u.DisplayName, u.Role, u.Disabled = display, role, disabled
		return c.showUser(w, v, http.StatusUnprocessableEntity, u, err)
	}
	return done(w, v, "/console/users", "Saved the user "+u.Name+".")
}

func (c *console) askDeleteUser(w http.ResponseWriter, v *visit) error {
	u, err := c.Store.UserByID(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	contacts, err := c.Store.Contacts(v.Context())
	if err != nil {
		return err
	}
	view := confirmView{Heading: "Delete the user " + u.Label() + "?", Action: "/console/users/" + u.ID + "/delete",
		Back: "/console/users/" + u.ID, Button: "Delete user", Effects: []string{"The user is signed out everywhere.", "What the user did stays in the timelines."}}
	for _, k := range contacts {
		if k.UserID == u.ID {
			view.Effects = append(view.Effects, "The contact "+contactLabel(k)+" stays, but is not reached in the browser any more.")
		}
	}
	if u.ID == v.who.UserID {
		view.Refused = "This is you. Another administrator can delete you."
	}
	return c.confirm(w, v, "/console/users", view)
}

func (c *console) deleteUser(w http.ResponseWriter, v *visit) error {
	id := v.PathValue("id")
	var err error
	if id == v.who.UserID {
		err = &auth.FieldError{Field: "user", Problem: "this is you", Mend: "another administrator can delete you"}
	} else {
		err = c.Auth.RemoveUser(v.Context(), id)
	}
	var f *auth.FieldError
	if errors.As(err, &f) {
		say(w, "bad", "The user was not deleted: "+f.Problem+". "+sentence(f.Mend))
		http.Redirect(w, v.Request, "/console/users", http.StatusSeeOther)
		return nil
	}
	return c.deleted(w, v, err, "/console/users", "The user is deleted.", "The user is in use.")
}

package console

import "net/http"

type meView struct {
	shell
	Contact *contactRow
	Devices []deviceRow
	Off     bool        // Web Push is off in the settings
	Mute    string      // why nothing can be sent by Web Push yet, and the mend; empty: nothing is in the way
	People  []personRow // who in Mattermost is a contact of the visitor
	Chat    bool        // Mattermost is on
}

func (c *console) me(w http.ResponseWriter, v *visit) error {
	contacts, err := c.Store.Contacts(v.Context())
	if err != nil {
		return err
	}
	view := meView{}
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
	return c.show(w, v, "me", view)
}

type healthView struct {
	shell
}

func (c *console) health(w http.ResponseWriter, v *visit) error {
	view := healthView{c.shell(w, v, "/console/health", "System health")}
	view.Health = c.Health(v.Context())
	return c.show(w, v, "health", view)
}

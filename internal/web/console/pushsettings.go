package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/web"
)

const notificationsPath = "/console/settings/notifications"

// closers are the kinds of notification that have a time and an urgency of
// their own, in the settings' words, for people and as pictures, worst first.
func closers() [][3]string {
	return [][3]string{
		{"critical", "Service critical", "service-critical"}, {"down", "Host down", "host-down"},
		{"warning", "Service warning", "service-warning"}, {"unknown", "Service unknown", "service-unknown"},
		{"unreachable", "Host unreachable", "host-unreachable"}, {"recovery", "Recovery", "service-ok"},
		{"acknowledgement", "Acknowledgement", "acknowledgement"}, {"downtime", "Downtime", "downtime"},
		{"flapping", "Flapping", "flapping"}, {"custom", "Custom", "custom"},
	}
}

// urgencyWords are what a person chooses from, from the most.
func urgencyWords() []option {
	return []option{
		{Value: string(push.High), Title: "High"}, {Value: string(push.Normal), Title: "Normal"},
		{Value: string(push.Low), Title: "Low"}, {Value: string(push.VeryLow), Title: "Very low"},
	}
}

// pushSettingsView is the page of all that concerns notifications.
type pushSettingsView struct {
	shell
	Form     form
	Key      *push.Key // nil until one was made
	Retired  []push.Key
	Services []serviceRow
	People   []devicePerson
	Off      bool
	Triggers []triggerPage // what visitors of each public page are told of
}

// serviceRow is a push service with its state as people see it.
type serviceRow struct {
	web.PushService
	Look look
	Mend string
}

// devicePerson is a user with devices.
type devicePerson struct {
	User     string
	Contacts []string
	Devices  []deviceRow
}

func (c *console) pushSettings(w http.ResponseWriter, v *visit) error {
	s, err := c.Store.Settings(v.Context())
	if err != nil {
		return err
	}
	return c.showPushSettings(w, v, http.StatusOK, pushTexts(s), nil)
}

func pushTexts(s config.Settings) url.Values {
	in := url.Values{
		"push_subject": {s.PushSubject}, "push_hosts": {strings.Join(s.PushHosts, "\n")}, "push_proxy": {s.PushProxy},
		"push_ttl_minutes": {strconv.Itoa(s.PushTTL)}, "push_ready_max": {strconv.Itoa(s.PushReady)},
	}
	if s.WebPush {
		in.Set("webpush_enabled", "on")
	}
	for _, k := range closers() {
		in.Set("auto_close_"+k[0], strconv.Itoa(s.AutoClose[k[0]]))
		in.Set("push_urgency_"+k[0], s.PushUrgency[k[0]])
	}
	return in
}

func readPush(s config.Settings, in url.Values) (config.Settings, error) {
	n := numbers{in: in}
	s.WebPush = in.Get("webpush_enabled") != ""
	s.PushSubject, s.PushProxy = text(in, "push_subject"), text(in, "push_proxy")
	s.PushHosts = lines(in.Get("push_hosts"))
	s.PushTTL = n.read("push_ttl_minutes")
	s.PushReady = n.read("push_ready_max")
	s.AutoClose, s.PushUrgency = map[string]int{}, map[string]string{}
	for _, k := range closers() {
		s.AutoClose[k[0]] = n.read("auto_close_" + k[0])
		s.PushUrgency[k[0]] = in.Get("push_urgency_" + k[0])
	}
	return s, n.err
}

func (c *console) pushForm(v *visit, in url.Values) form {
	each := section{
		Title: "How long it stays, and how much it wakes a device",
		Grid: &grid{Heads: []string{"Notification", "Seconds on screen", "Urgency"}, Notes: []gridNote{
			{"0 seconds", "It stays until somebody closes it, or the problem is over."},
			{"High", "Wakes a device that sleeps. iPhones are prompt with this one only."},
			{"Normal", "At once while the device is in use, else when it next wakes."},
			{"Low", "Not while the battery is low."},
			{"Very low", "On power and Wi-Fi only."},
		}},
	}
	for _, k := range closers() {
		urgency := urgencyWords()
		for i := range urgency {
			urgency[i].Selected = urgency[i].Value == in.Get("push_urgency_"+k[0])
		}
		each.Grid.Rows = append(each.Grid.Rows, gridRow{k[1], k[2]})
		each.Fields = append(each.Fields,
			numberField(in, "auto_close_"+k[0], "", ""),
			field{Name: "push_urgency_" + k[0], Kind: "select", Options: urgency})
	}
	return form{Action: notificationsPath, Submit: "Save settings", Locked: !v.may(auth.Administer), Sections: []section{
		{Title: "Web Push", Hint: "Alerts on phones and computers with no tab of Tocsin open. Contents are encrypted for the device; the push service sees how much is sent and when.", Fields: []field{
			{Name: "webpush_enabled", Label: "Web Push is on", Kind: "checkbox", Checked: in.Get("webpush_enabled") != ""},
			{Name: "push_subject", Label: "Subject", Kind: "text", Value: in.Get("push_subject"), Half: true, Auto: "off", Hint: "How push services reach who runs this: mailto:ops@example.org or an https address. Empty: VAPID_SUBJECT, else this hub’s address."},
			numberField(in, "push_ttl_minutes", "Minutes a message waits for a device that is off", "Then the push service drops it."),
		}},
		each,
		{Title: "The way out", Fields: []field{
			{Name: "push_proxy", Label: "Outgoing proxy", Kind: "text", Value: in.Get("push_proxy"), Mono: true, Half: true, Auto: "off", Hint: "http://host:port. Empty: TOCSIN_PUSH_PROXY, else none. Web Push goes through it, and Mattermost and engines where that is switched on. A proxy with a password goes into TOCSIN_PUSH_PROXY. HTTPS_PROXY is not used."},
			numberField(in, "push_ready_max", "Devices prepared for ahead", "While idle, the costly part of the next message is done for so many devices, in memory. 0: none."),
			{Name: "push_hosts", Label: "Further push services", Kind: "textarea", Value: in.Get("push_hosts"), Rows: 2, Mono: true, Hint: "Host or host:port, one a line; hosts below them count too. Those of Chrome, Edge, Firefox and Safari are known: " + strings.Join(push.DefaultHosts(), ", ") + "."},
		}},
	}}
}

func (c *console) showPushSettings(w http.ResponseWriter, v *visit, status int, in url.Values, why error) error {
	view := pushSettingsView{Form: c.pushForm(v, in), Off: in.Get("webpush_enabled") == ""}
	if why != nil && !view.Form.refused(why) {
		return why
	}
	keys, err := c.Store.PushKeys(v.Context())
	if err != nil {
		return err
	}
	current := ""
	for i := range keys {
		if keys[i].Retired.IsZero() && view.Key == nil {
			view.Key, current = &keys[i], keys[i].ID
		} else {
			view.Retired = append(view.Retired, keys[i])
		}
	}
	services, err := c.Push.Services(v.Context())
	if err != nil {
		return err
	}
	for _, s := range services {
		view.Services = append(view.Services, serviceOf(s))
	}
	if v.may(auth.Administer) {
		if view.People, err = c.devicePeople(v, current); err != nil {
			return err
		}
	}
	if view.Triggers, err = c.triggerPages(v.Context()); err != nil {
		return err
	}
	view.shell = c.shell(w, v, "/console/settings", "Notifications")
	for i := range view.Triggers {
		if t := &view.Triggers[i]; view.Flash != nil && view.Flash.About == "triggers-"+t.Page.ID {
			t.Said, view.Flash = view.Flash, nil
		}
	}
	for _, p := range view.People {
		view.beside(p.Devices)
	}
	c.write(w, v.Request, status, "push-settings", "shell", view)
	return nil
}

// serviceOf says how a push service stands, and what would mend it.
func serviceOf(s web.PushService) serviceRow {
	row := serviceRow{PushService: s, Look: look{"Working", "ok", "good"}}
	switch s.State {
	case "paused":
		row.Look = look{"Paused", "wait", "warn"}
		row.Mend = "The service asked for a pause, or did not answer. What waits is sent by itself when it is over."
	case "stopped":
		row.Look = look{"Stopped", "warn", "bad"}
		row.Mend = "The service refuses this hub’s key. Check the subject above, and this machine’s clock; if VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY are given, that they are a pair. No device was dropped; it is tried again by itself."
	default:
		if s.Accepted == 0 && s.LastFailure.IsZero() {
			row.Look = look{"Not used yet", "dash", "dim"}
		} else if s.LastFailure.After(s.LastSuccess) {
			row.Look = look{"Last message failed", "warn", "warn"}
		}
	}
	return row
}

// devicePeople are the devices of everybody, by user, with the contacts whose
// alerts come to them.
func (c *console) devicePeople(v *visit, current string) ([]devicePerson, error) {
	devices, err := c.Store.Devices(v.Context(), "")
	if err != nil {
		return nil, err
	}
	users, err := c.usersByID(v)
	if err != nil {
		return nil, err
	}
	contacts, err := c.Store.Contacts(v.Context())
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	var people []devicePerson
	for _, s := range devices {
		if s.Visitor() {
			continue
		}
		i, ok := at[s.UserID]
		if !ok {
			i = len(people)
			at[s.UserID] = i
			u, known := users[s.UserID]
			p := devicePerson{User: u.Label()}
			if !known {
				p.User = "A user that is gone"
			} else if u.Disabled {
				p.User += " (disabled)"
			}
			for _, k := range contacts {
				if k.UserID == s.UserID {
					p.Contacts = append(p.Contacts, contactLabel(k))
				}
			}
			people = append(people, p)
		}
		people[i].Devices = append(people[i].Devices, deviceOf(s, current))
	}
	slices.SortFunc(people, func(a, b devicePerson) int { return strings.Compare(strings.ToLower(a.User), strings.ToLower(b.User)) })
	return people, nil
}

func (c *console) savePushSettings(w http.ResponseWriter, v *visit) error {
	old, err := c.Store.Settings(v.Context())
	if err != nil {
		return err
	}
	s, err := readPush(old, v.PostForm)
	if err == nil {
		err = c.keepSettings(v, s)
	}
	if err != nil {
		return c.showPushSettings(w, v, http.StatusUnprocessableEntity, v.PostForm, err)
	}
	return done(w, v, notificationsPath, "Saved. The settings are in force now.")
}

// currentKey is the one that new devices are bound to, nil if there is none yet.
func (c *console) currentKey(v *visit) (*push.Key, error) {
	keys, err := c.Store.PushKeys(v.Context())
	if err != nil {
		return nil, err
	}
	for i := range keys {
		if keys[i].Retired.IsZero() {
			return &keys[i], nil
		}
	}
	return nil, nil
}

func (c *console) askRotatePushKey(w http.ResponseWriter, v *visit) error {
	k, err := c.currentKey(v)
	if err != nil {
		return err
	}
	view := confirmView{Heading: "Make a new key for Web Push?", Action: notificationsPath + "/rotate", Back: notificationsPath, Button: "Make a new key"}
	switch {
	case k == nil:
		view.Effects = []string{"There is none yet; this makes the first."}
	case k.Environment:
		view.Refused = "The key is given as VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY. Give a new pair there (tocsin vapid generate prints one) and start Tocsin again; the one before is kept for sending."
	default:
		view.Effects = []string{
			"Nobody stops being told: the key of today stays and sends to the " + count(k.Subscriptions, "device that is", "devices that are") + " bound to it.",
			"Each device moves to the new key by itself when its browser next opens a page of Tocsin.",
			"The old key can be deleted here when the last device has moved.",
			"Do it when the private key may have become known, or from time to time. Back up the database afterwards: without its keys every device has to be turned on again.",
		}
	}
	return c.confirm(w, v, "/console/settings", view)
}

func (c *console) rotatePushKey(w http.ResponseWriter, v *visit) error {
	k, err := c.currentKey(v)
	if err != nil {
		return err
	}
	if k != nil && k.Environment {
		return c.askRotatePushKey(w, v)
	}
	fresh, err := push.GenerateKey(v.now)
	if err != nil {
		return fmt.Errorf("make a key for Web Push: %w", err)
	}
	if err := c.Store.SavePushKey(v.Context(), fresh); err != nil {
		return err
	}
	c.Push.KeysChanged()
	return done(w, v, notificationsPath, "There is a new key. Devices move to it when their browsers come by.")
}

func (c *console) askDeletePushKey(w http.ResponseWriter, v *visit) error {
	keys, err := c.Store.PushKeys(v.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(keys, func(k push.Key) bool { return k.ID == v.PathValue("id") })
	if i < 0 {
		return fmt.Errorf("key %w", fault.ErrNotFound)
	}
	k := keys[i]
	view := confirmView{Heading: "Delete the retired key " + k.ID + "?", Action: notificationsPath + "/keys/" + k.ID + "/delete", Back: notificationsPath, Button: "Delete key",
		Effects: []string{"No device is bound to it any more. It cannot be brought back."}}
	switch {
	case k.Retired.IsZero():
		view.Refused = "This is the key in use. Make a new one first."
	case k.Subscriptions > 0:
		view.Refused = keyInUse(k)
	}
	return c.confirm(w, v, "/console/settings", view)
}

func keyInUse(k push.Key) string {
	return count(k.Subscriptions, "device is", "devices are") + " still bound to it. They move when their browsers come by, or are removed when they are gone."
}

func (c *console) deletePushKey(w http.ResponseWriter, v *visit) error {
	err := c.Store.DeletePushKey(v.Context(), v.PathValue("id"))
	if err == nil {
		c.Push.KeysChanged()
	}
	if errors.Is(err, fault.ErrNotFound) {
		err = nil
	}
	return c.deleted(w, v, err, notificationsPath, "The key is deleted.", "The key is in use: devices are still bound to it.")
}

// age is how long ago something was, for people: "3 months".
func age(since, now time.Time) string {
	switch days := int(now.Sub(since) / (24 * time.Hour)); {
	case since.IsZero():
		return ""
	case days < 1:
		return "made today"
	case days < 60:
		return count(days, "day", "days") + " old"
	case days < 730:
		return count(days/30, "month", "months") + " old"
	default:
		return count(days/365, "year", "years") + " old"
	}
}

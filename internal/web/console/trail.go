package console

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin/internal/audit"
)

const trailPath = "/console/audit-trail"

// trailView is the audit trail of everything, for administrators.
type trailView struct {
	shell
	Actors, Subjects     []option
	Text, From, To       string
	Only                 string // name of the one thing, or the one actor, whose lines these are
	OnlyKey, OnlyValue   string
	Narrow               bool
	Rows                 []entryRow
	Older, First, Export string
}

type entryRow struct {
	audit.Entry
	Who    string // what the actor is, for people
	Icon   string
	Does   string
	Fields []auditField
	Both   bool   // Fields have a before and an after
	Of, By string // addresses of the lines of the same thing, and of the same actor
}

// trailOf is the address of a thing's history.
func trailOf(id string) string { return trailPath + "?" + url.Values{"subject_id": {id}}.Encode() }

func (c *console) trail(w http.ResponseWriter, v *visit) error {
	in := v.URL.Query()
	view := trailView{shell: c.shell(w, v, trailPath, "Audit trail"), Text: in.Get("text"), From: in.Get("from"), To: in.Get("to")}
	f := audit.Filter{Actor: audit.Kind(in.Get("actor")), ActorID: in.Get("actor_id"), Subject: in.Get("subject"), SubjectID: in.Get("subject_id"),
		Text: strings.TrimSpace(view.Text), Cursor: in.Get("cursor"), Limit: 50}
	if from, err := time.Parse(time.DateOnly, view.From); err == nil {
		f.From = from
	}
	if to, err := time.Parse(time.DateOnly, view.To); err == nil {
		f.To = to.AddDate(0, 0, 1) // with that day
	}
	lines, next, err := c.Store.Trail(v.Context(), f)
	if err != nil {
		return err
	}
	names, err := c.trailNames(v.Context())
	if err != nil {
		return err
	}
	view.Actors = []option{{"", "Everybody", f.Actor == ""}}
	for _, k := range audit.Kinds() {
		view.Actors = append(view.Actors, option{string(k), actorWord(k), f.Actor == k})
	}
	view.Subjects = []option{{"", "Everything", f.Subject == ""}}
	for _, k := range trailSubjects() {
		view.Subjects = append(view.Subjects, option{k, subjectWord(k), f.Subject == k})
	}
	for i := range lines {
		e := &lines[i]
		row := entryRow{Entry: *e, Who: actorWord(e.Actor.Kind), Icon: trailIcon(e.Subject.Kind), Does: trailDoes(e.Action), Fields: trailFields(e.Changes, names), Of: trailOf(e.Subject.ID)}
		row.Both = slices.ContainsFunc(e.Changes, func(c audit.Change) bool { return c.Before != nil }) && !strings.HasSuffix(e.Action, ".deleted")
		if e.Actor.ID != "" {
			row.By = trailPath + "?" + url.Values{"actor_id": {e.Actor.ID}}.Encode()
		}
		view.Rows = append(view.Rows, row)
	}
	switch {
	case f.SubjectID != "":
		view.Only, view.OnlyKey, view.OnlyValue = "one thing", "subject_id", f.SubjectID
		if len(lines) > 0 && lines[0].Subject.Name != "" {
			view.Only = lines[0].Subject.Name
		}
	case f.ActorID != "":
		view.Only, view.OnlyKey, view.OnlyValue = "one actor", "actor_id", f.ActorID
		if len(lines) > 0 && lines[0].Actor.Name != "" {
			view.Only = lines[0].Actor.Name
		}
	}
	kept := url.Values{}
	for key, values := range in {
		if key != "cursor" && len(values) > 0 && values[0] != "" {
			kept.Set(key, values[0])
		}
	}
	view.Narrow = len(kept) > 0
	at := func(path string) string {
		if len(kept) == 0 {
			return path
		}
		return path + "?" + kept.Encode()
	}
	if f.Cursor != "" {
		view.First = at(trailPath)
	}
	// The table takes moments, the page days.
	table := url.Values{}
	for key := range kept {
		table.Set(key, kept.Get(key))
	}
	for key, moment := range map[string]time.Time{"from": f.From, "to": f.To} {
		table.Del(key)
		if !moment.IsZero() {
			table.Set(key, moment.Format(time.RFC3339))
		}
	}
	view.Export = "/api/v1/audit.csv"
	if len(table) > 0 {
		view.Export += "?" + table.Encode()
	}
	if next != "" {
		kept.Set("cursor", next)
		view.Older = at(trailPath)
	}
	return c.show(w, v, "audit-trail", view)
}

// trailNames are the names of what lines may refer to by id.
func (c *console) trailNames(ctx context.Context) (map[string]string, error) {
	d, err := c.Store.Directory(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for i := range d.Contacts {
		names[d.Contacts[i].ID] = d.Contacts[i].ShownName()
	}
	for _, g := range d.Groups {
		names[g.ID] = g.Name
	}
	for _, p := range d.Periods {
		names[p.ID] = p.Name
	}
	for _, s := range d.Schedules {
		names[s.ID] = s.Name
	}
	for _, p := range d.Policies {
		names[p.ID] = p.Name
	}
	for _, h := range d.Hooks {
		names[h.ID] = h.Name
	}
	for _, r := range d.Rooms {
		names[r.ID] = r.Name
	}
	for id, name := range d.Sources {
		names[id] = name
	}
	users, err := c.Store.Users(ctx)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		names[u.ID] = u.Label()
	}
	pages, err := c.Store.StatusPages(ctx)
	if err != nil {
		return nil, err
	}
	return names, c.namePages(ctx, names, pages[:min(len(pages), mostNamedPages)])
}

// mostNamedPages is of how many pages the trail has the names of what is on them.
const mostNamedPages = 50

// trailFields are the changes as the page shows them.
func trailFields(changes []audit.Change, names map[string]string) []auditField {
	before, after := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	var secrets []auditField
	for _, c := range changes {
		if c.Secret {
			secrets = append(secrets, secretField(c))
			continue
		}
		if c.Before != nil {
			before[c.Field] = c.Before
		}
		if c.After != nil {
			after[c.Field] = c.After
		}
	}
	was, err1 := json.Marshal(before)
	is, err2 := json.Marshal(after)
	if err1 != nil || err2 != nil {
		return secrets
	}
	return append(auditFields(was, is, names, time.UTC), secrets...)
}

func secretField(c audit.Change) auditField {
	f := auditField{Label: auditLabel(c.Field)}
	if c.Before != nil {
		f.Before = []auditPiece{{Text: "(secret)"}}
	}
	switch {
	case c.After != nil && c.Before != nil:
		f.After = []auditPiece{{Text: "(another secret)", Changed: true}}
	case c.After != nil:
		f.After = []auditPiece{{Text: "(secret)", Changed: true}}
	}
	return f
}

// actorWord is what an actor is, for people.
func actorWord(k audit.Kind) string {
	switch k {
	case audit.User:
		return "User"
	case audit.Key:
		return "API key"
	case audit.CLI:
		return "Command line"
	case audit.Channel:
		return "Link or button"
	case audit.Visitor:
		return "Not signed in"
	}
	return "Tocsin itself"
}

// trailSubjects are the kinds of things that the page can be narrowed to.
func trailSubjects() []string {
	return []string{"session", "user", "key", "passkey", "recovery_codes", "identity", "factors", "alert", "contact", "group", "rule", "schedule", "policy", "window", "period", "calendar", "source", "webhook",
		"room", "mattermost_link", "device", "settings", "push_key", "secret_key", "certificate", "publication", "page", "component", "incident", "maintenance", "series", "template"}
}

func subjectWord(kind string) string {
	words := map[string]string{"session": "Sign-ins", "user": "Users", "key": "API keys", "passkey": "Passkeys", "alert": "Alerts", "contact": "Contacts", "group": "Groups", "rule": "Rules",
		"schedule": "Schedules", "policy": "Escalation policies", "window": "Maintenance windows", "period": "Time periods", "calendar": "Calendars", "source": "Sources",
		"webhook": "Webhooks", "room": "Rooms of Mattermost", "mattermost_link": "Links with Mattermost", "device": "Devices", "settings": "Settings", "push_key": "Push keys",
		"secret_key": "Key of secrets", "page": "Public pages", "component": "Components", "incident": "Incidents", "maintenance": "Maintenance", "series": "Series of maintenance",
		"template": "Templates", "recovery_codes": "Recovery codes", "identity": "Accounts at the sign-in provider", "factors": "Resets of passkeys", "certificate": "Certificates",
		"publication": "Messages to visitors"}
	if w, ok := words[kind]; ok {
		return w
	}
	return kind
}

func trailIcon(kind string) string {
	icons := map[string]string{"session": "users", "user": "users", "key": "keys", "passkey": "keys", "recovery_codes": "keys", "identity": "users", "factors": "keys", "certificate": "keys", "alert": "alerts", "contact": "contacts", "group": "groups", "rule": "rules",
		"schedule": "schedules", "policy": "policies", "window": "windows", "period": "periods", "calendar": "calendar", "source": "sources", "webhook": "webhooks",
		"room": "chat", "mattermost_link": "chat", "device": "deliveries", "settings": "settings", "push_key": "keys", "secret_key": "keys"}
	if icon, ok := icons[kind]; ok {
		return icon
	}
	return auditIcon(kind + ".")
}

// trailDoes says what somebody did, as in "Mira Sand changed the contact".
func trailDoes(action string) string {
	says := map[string]string{
		"session.signed_in": "signed in as", "session.refused": "was not let in as", "session.signed_out": "signed out as", "session.ended": "ended sessions of",
		"alert.acknowledged": "acknowledged", "alert.unacknowledged": "gave back", "alert.snoozed": "snoozed", "alert.unsnoozed": "ended a snooze of",
		"alert.commented": "commented on", "alert.downtime_scheduled": "scheduled a downtime of", "alert.downtime_cancelled": "ended a downtime of",
		"device.created": "switched notifications on for the device", "device.deleted": "removed the device",
		"calendar.created": "made a calendar's address for", "calendar.changed": "made another calendar's address for", "calendar.deleted": "ended the calendar's address of",
		"secret_key.changed": "changed the", "secret_key.created": "made the", "secret_key.deleted": "removed the", "secret_key.given_up": "gave up what was sealed with the",
		"passkey.created": "added a passkey of", "passkey.changed": "renamed a passkey of", "passkey.deleted": "removed a passkey of", "factors.reset": "removed all passkeys of",
		"recovery_codes.created": "made recovery codes of", "identity.created": "linked an account to", "identity.deleted": "unlinked an account of",
		"certificate.asked": "asked for another certificate of", "publication.created": "told visitors of",
		"page.subscriptions": "took subscriptions for the page",
	}
	if s, ok := says[action]; ok {
		return s
	}
	kind, did, _ := strings.Cut(action, ".")
	things := map[string]string{"user": "user", "key": "API key", "contact": "contact", "group": "group", "rule": "rule", "schedule": "schedule", "policy": "escalation policy",
		"window": "maintenance window", "period": "time period", "source": "source", "webhook": "webhook", "room": "room", "mattermost_link": "link with Mattermost of", "settings": "settings:",
		"push_key": "push key"}
	verbs := map[string]string{"created": "made", "changed": "changed", "deleted": "deleted"}
	if thing, verb := things[kind], verbs[did]; thing != "" && verb != "" {
		return verb + " the " + thing
	}
	return auditDoes(action)
}

// history is the address of the lines about what a page shows; empty for a page that
// shows several things, or one that is not there yet.
func history(v *visit) string {
	id := v.PathValue("id")
	switch v.URL.Path {
	case "/console/settings", notificationsPath:
		id = "settings"
	case mattermostPath:
		id = "mattermost"
	case emailPath:
		id = "email"
	}
	if id == "" || id == "new" || strings.HasPrefix(v.URL.Path, incidentsPath) || strings.HasPrefix(v.URL.Path, maintenancePath) || strings.HasPrefix(v.URL.Path, componentsPath) {
		return "" // those of public pages have their own
	}
	return trailOf(id)
}

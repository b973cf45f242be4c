package console

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/health"
	"tocsin/internal/web/static"
)

// shell is what surrounds every page; each view embeds it.
type shell struct {
	Title   string
	Section string // path of the menu's entry that the page belongs to
	Path    string // of this page, with its query
	Who     auth.Principal
	Nav     []navGroup
	Flash   *flash
	Health  health.Report
	Version string
	May     may
	Help    help
	History string // of what the page shows, for who may see it
	// Collapse is how many missed notifications a tab shows one by one.
	Collapse int
}

// may is what the page offers; the handlers check again.
type may struct {
	Read, Ack, Downtime, Write, Publish, Admin bool
}

type navGroup struct {
	Title string
	Items []navItem
}

type navItem struct {
	Title, Path, Icon string
	Current           bool
}

// flash is one sentence shown on the page after a form.
type flash struct {
	Kind  string // "good" or "bad"
	Text  string
	About string // what it stands beside, where the page has that; else it is at the top
}

const flashCookie = "tocsin_flash"

// say keeps a sentence for the next page.
func say(w http.ResponseWriter, kind, text string) { sayOf(w, "", kind, text) }

// sayOf keeps a sentence about one thing on the next page.
func sayOf(w http.ResponseWriter, about, kind, text string) {
	if r := []rune(text); len(r) > 400 {
		text = string(r[:400]) + "…"
	}
	body, err := json.Marshal(flash{kind, text, about})
	if err != nil {
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: flashCookie, Value: base64.RawURLEncoding.EncodeToString(body), Path: "/console/",
		MaxAge: 60, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func heard(w http.ResponseWriter, r *http.Request) *flash {
	k, err := r.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	http.SetCookie(w, &http.Cookie{Name: flashCookie, Path: "/console/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	body, err := base64.RawURLEncoding.DecodeString(k.Value)
	if err != nil {
		return nil
	}
	var f flash
	if json.Unmarshal(body, &f) != nil || f.Text == "" {
		return nil
	}
	if f.Kind != "bad" {
		f.Kind = "good"
	}
	return &f
}

func (c *console) shell(w http.ResponseWriter, v *visit, section, title string) shell {
	s := shell{
		Title: title, Section: section, Path: v.URL.RequestURI(), Who: v.who, Version: c.Version,
		Health: c.Lately(v.Context()),
		May:    may{Read: v.may(auth.ReadConfig), Ack: v.may(auth.AckAlerts), Downtime: v.may(auth.Downtime), Write: v.may(auth.WriteConfig), Publish: v.may(auth.Publish), Admin: v.may(auth.Administer)},
	}
	s.Help = helpFor(v.URL.Path)
	if v.may(auth.Administer) {
		s.History = history(v)
	}
	if v.Header.Get("Tocsin-Fragment") == "" {
		s.Flash = heard(w, v.Request)
	}
	if set, err := c.Store.Settings(v.Context()); err == nil {
		s.Collapse = set.CollapseAfter
	}
	add := func(group string, scope auth.Scope, title, path, icon string) {
		if scope != "" && !v.may(scope) {
			return
		}
		item := navItem{Title: title, Path: path, Icon: icon, Current: path == section}
		if n := len(s.Nav); n > 0 && s.Nav[n-1].Title == group {
			s.Nav[n-1].Items = append(s.Nav[n-1].Items, item)
			return
		}
		s.Nav = append(s.Nav, navGroup{Title: group, Items: []navItem{item}})
	}
	add("Watch", auth.ReadAlerts, "Alerts", "/console/alerts", "alerts")
	add("Watch", auth.ReadConfig, "On call", onCallPath, "oncall")
	add("Watch", auth.ReadAlerts, "Deliveries", "/console/deliveries", "deliveries")
	add("Status page", auth.ReadConfig, "Incidents", incidentsPath, "incidents")
	add("Status page", auth.ReadConfig, "Maintenance", maintenancePath, "calendar")
	add("Status page", auth.ReadConfig, "Components", componentsPath, "components")
	add("Status page", auth.ReadConfig, "Pages", statusPagesPath, "globe")
	add("Status page", auth.ReadConfig, "Subscribers", subscribersPath, "mail")
	add("Who is told", auth.ReadConfig, "Contacts", "/console/contacts", "contacts")
	add("Who is told", auth.ReadConfig, "Groups", "/console/groups", "groups")
	add("Who is told", auth.ReadConfig, "Rules", "/console/rules", "rules")
	add("Who is told", auth.ReadConfig, "Schedules", schedulesPath, "schedules")
	add("Who is told", auth.ReadConfig, "Escalation", policiesPath, "policies")
	add("Who is told", auth.ReadConfig, "Maintenance windows", windowsPath, "windows")
	add("Who is told", auth.ReadConfig, "Time periods", "/console/periods", "periods")
	add("Who is told", auth.WriteConfig, "Simulate", simulatePath, "simulate")
	add("The hub", auth.ReadConfig, "Sources", "/console/sources", "sources")
	add("The hub", auth.Administer, "Users", "/console/users", "users")
	add("The hub", auth.Administer, "Audit trail", trailPath, "trail")
	add("The hub", auth.ReadConfig, "Settings", "/console/settings", "settings")
	add("The hub", auth.ReadAlerts, "System health", "/console/health", "health")
	// Messages name these as who comes from openITCOCKPIT looks for them: API → Mattermost.
	add("API", auth.Administer, "API keys", "/console/keys", "keys")
	add("API", auth.ReadConfig, "Mattermost", mattermostPath, "chat")
	add("API", auth.ReadConfig, "E-mail", emailPath, "mail")
	add("API", auth.ReadConfig, "Webhooks", webhooksPath, "webhooks")
	add("Help", "", "Documentation", DocsPath, "help")
	return s
}

// parse reads files of templates into one set: in a set for each page, the shell
// and the parts would be in memory once for each. What every page calls main has
// the page's name there, and stands between the two halves of the shell.
func (c *console) parse(patterns ...string) *template.Template {
	set := template.New("").Funcs(c.funcs())
	for _, pattern := range patterns {
		names, err := fs.Glob(templates, pattern)
		if err != nil {
			panic(err)
		}
		for _, name := range names {
			c.add(set, name)
		}
	}
	return set
}

// add reads one file into a set.
func (c *console) add(set *template.Template, name string) {
	base := path.Base(name)
	page := strings.TrimSuffix(base, ".html")
	for _, t := range template.Must(template.New(base).Funcs(c.funcs()).ParseFS(templates, name)).Templates() {
		switch {
		case t.Name() == base: // what is around the others
		case t.Name() == "main":
			template.Must(set.AddParseTree("main "+page, t.Tree))
			template.Must(set.New(whole(page)).Parse(`{{template "shell" .}}{{template "main ` + page + `" .}}{{template "shell-end" .}}`))
		case set.Lookup(t.Name()) != nil:
			panic("two templates are called " + t.Name())
		default:
			template.Must(set.AddParseTree(t.Name(), t.Tree))
		}
	}
}

// whole is the name of a page with the shell around it.
func whole(page string) string { return "page " + page }

func (c *console) funcs() template.FuncMap {
	return template.FuncMap{
		"static":    static.URL,
		"when":      func(t time.Time) whenView { return when(t, c.Now()) },
		"span":      func(t time.Time) whenView { return span(t, c.Now()) },
		"phase":     phaseOf,
		"impact":    impactOf,
		"excerpt":   excerpt,
		"tabs":      func(on, query string) incidentTabs { return incidentTabs{on, query} },
		"thousands": thousands,
		"markdown":  c.quoted,
		"state":     stateOf,
		"status":    statusOf,
		"told":      toldOf,
		"outcome":   outcomeWord,
		"notice":    alert.Notice.Word,
		"mark":      markOf,
		"channel":   channelWord,
		"type":      alert.Type.Word,
		"origin":    originWord,
		"reason":    reasonWord,
		"role":      roleWord,
		"count":     count,
		"join":      strings.Join,
		"inc":       func(i int) int { return i + 1 },
		"dec":       func(i int) int { return i - 1 },
		"sentence":  sentence,
		"part":      partOf,
		"good":      func(word string) look { return look{word, "ok", "good"} },
		"initials":  initials,
		"doing":     doing,
		"level":     levelOf,
		"bindings":  func(action string) string { return strings.Replace(action, "?", "/bindings?", 1) },
		"rows":      func(rows []deviceRow, from string) deviceRows { return deviceRows{rows, from} },
		"host":      func(origin string) string { return strings.TrimPrefix(origin, "https://") },
		"age":       func(t time.Time) string { return age(t, c.Now()) },
		"after":     func(t time.Time) bool { return t.After(c.Now()) },
	}
}

// write renders into memory first, so that an error cannot leave half a page.
func (c *console) write(w http.ResponseWriter, r *http.Request, status int, page, name string, view any) {
	if name == "shell" {
		name = whole(page)
	}
	var b bytes.Buffer
	if err := c.pages().ExecuteTemplate(&b, name, view); err != nil {
		c.Log.ErrorContext(r.Context(), "render page", "page", page, "error", err)
		http.Error(w, "This page could not be drawn. The hub's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

func (c *console) show(w http.ResponseWriter, v *visit, page string, view any) error {
	c.write(w, v.Request, http.StatusOK, page, "shell", view)
	return nil
}

// done ends a form: a sentence, and back to a page.
func done(w http.ResponseWriter, v *visit, to, text string) error {
	say(w, "good", text)
	http.Redirect(w, v.Request, to, http.StatusSeeOther)
	return nil
}

package console_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
	"tocsin/internal/dispatch"
	"tocsin/internal/health"
	"tocsin/internal/mail"
	"tocsin/internal/markdown"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/route"
	"tocsin/internal/simulate"
	"tocsin/internal/source"
	"tocsin/internal/source/generic"
	"tocsin/internal/source/grafana"
	"tocsin/internal/source/icinga2"
	"tocsin/internal/source/nagios"
	"tocsin/internal/store"
	"tocsin/internal/web"
	"tocsin/internal/web/console"
	"tocsin/internal/web/page"
	"tocsin/test/database"
)

const password = "a short sentence"

// hub is a console on a real SQLite database, with a dispatcher behind it.
type hub struct {
	t      *testing.T
	db     *store.DB
	auth   *auth.Service
	server *httptest.Server
	alert  string // id of the one open alert
	object string
	ahead  time.Duration // of the console's clock
	report health.Report
	looks  int // at how everything is
	acks   *dispatch.Service
	tested string        // id of the device that a test was sent to last
	posted string        // id of the room that a test was posted to last
	bot    chat.Settings // whose bot was tried last
	letIn  bool          // whether a bot is
	probed source.Source
	deaf   error // what trying an engine answers
	desk   *publish.Desk
}

func newHub(t *testing.T) *hub {
	t.Helper()
	ctx := t.Context()
	quiet := slog.New(slog.DiscardHandler)
	db, err := store.Open(ctx, store.Options{URL: database.SQLite(t), Node: "test", Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	users, err := auth.NewService(db, auth.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{t: t, db: db, auth: users, report: health.Report{OK: true}}
	for _, role := range []auth.Role{auth.Viewer, auth.Responder, auth.Operator, auth.Admin} {
		u := auth.User{ID: "user-" + string(role), Name: string(role), Role: role, PasswordHash: database.Hash(password), CreatedAt: time.Now()}
		if err := db.SaveUser(ctx, u); err != nil {
			t.Fatal(err)
		}
	}
	acks := dispatch.New(db, dispatch.Options{Node: "test", Settings: db.Settings, Log: quiet})
	run, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = acks.Run(run) }()
	t.Cleanup(func() { stop(); <-ended })

	h.acks = acks
	h.furnish(ctx)
	o := alert.Object{SourceID: "s1", Host: "web01", Service: "<script>alert(1)</script>", State: alert.Critical}
	o.ID = alert.ObjectID(o.SourceID, o.Host, o.Service)
	now := time.Now()
	got, err := acks.Receive(ctx, "s1", []alert.Event{{SourceID: "s1", Object: o, Type: alert.Problem, State: alert.Critical,
		Output: `"><img src=x onerror=alert(2)>`, Time: now, Received: now, Contacts: []string{"ops", "nobody-here"}}})
	if err != nil {
		t.Fatal(err)
	}
	h.alert, h.object = got[0].AlertID, o.ID

	if h.desk, err = publish.New(db, publish.Options{Log: quiet}); err != nil {
		t.Fatal(err)
	}
	site, err := page.NewSite(db, markdown.New(), page.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h.server = httptest.NewServer(users.Sessions(console.New(console.Deps{
		Store: db, Acks: acks, Auth: users, Kinds: []source.Kind{nagios.New(), generic.New(), grafana.New(), icinga2.New()}, Log: quiet,
		WriteBacks: []source.WriteBackKind{nagios.CommandFile(), icinga2.API()},
		Desk:       h.desk,
		Mail:       db,
		Simulator:  simulate.New(db, simulate.Options{}),
		TestMail: func(context.Context, mail.Settings, string) (web.MailTest, error) {
			return web.MailTest{OK: true, Detail: "taken"}, nil
		},
		Preview:  site.Preview,
		Markdown: markdown.New().HTML,
		Probe:    func(_ context.Context, s source.Source) error { h.probed = s; return h.deaf },
		Mattermost: console.Mattermost{TestRoom: func(_ context.Context, r chat.Room) (web.RoomTest, error) {
			h.posted = r.ID
			return web.RoomTest{OK: true, Detail: "it stands there"}, nil
		}, CheckBot: func(_ context.Context, s chat.Settings) (web.RoomTest, error) {
			h.bot = s
			if h.letIn {
				return web.RoomTest{OK: true, Detail: "Mattermost lets it in"}, nil
			}
			return web.RoomTest{Detail: "the bot’s token was refused (401); make a new one"}, nil
		}},
		Health: func(context.Context) health.Report { h.looks++; return h.report },
		Lately: func(context.Context) health.Report { return h.report },
		Now:    func() time.Time { return time.Now().Add(h.ahead) },
		Push: console.Push{
			Test: func(_ context.Context, s push.Subscription) (web.PushTest, error) {
				h.tested = s.ID
				return web.PushTest{Accepted: true, Status: 201}, nil
			},
			Services: func(context.Context) ([]web.PushService, error) {
				return []web.PushService{
					{ServiceFigures: push.ServiceFigures{Origin: "https://fcm.googleapis.com", Accepted: 7}, State: "open"},
					{ServiceFigures: push.ServiceFigures{Origin: "https://updates.push.services.mozilla.com", Refused: 1}, State: "stopped", Until: time.Now().Add(time.Minute), Why: "401"},
				}, nil
			},
		},
	})))
	t.Cleanup(h.server.Close)
	return h
}

func (h *hub) furnish(ctx context.Context) {
	h.t.Helper()
	admin, err := h.db.UserByName(ctx, "admin")
	if err != nil {
		h.t.Fatal(err)
	}
	ops := contact.NewContact("ops")
	ops.ID, ops.UserID = "c1", admin.ID
	_, hash, hint := auth.NewToken(auth.SourcePrefix)
	for _, err := range []error{
		h.db.SaveSource(ctx, source.Source{ID: "s1", Name: "hq", Kind: "nagios", TokenHash: hash, TokenHint: hint, CreatedAt: time.Now()}),
		h.db.SavePeriod(ctx, contact.TimePeriod{ID: "p1", Name: "Office", Zone: "Europe/Berlin"}),
		h.db.SaveContact(ctx, ops),
		h.db.SaveGroup(ctx, contact.Group{ID: "g1", Name: "Operators", ContactIDs: []string{"c1"}}),
		h.db.SaveRule(ctx, route.Rule{ID: "r1", Name: "All", Enabled: true, GroupIDs: []string{"g1"}}),
	} {
		if err != nil {
			h.t.Fatal(err)
		}
	}
}

// visitor is one browser.
type visitor struct {
	*hub
	client *http.Client
	cookie string
}

func (h *hub) as(name string) *visitor {
	h.t.Helper()
	v := &visitor{hub: h, client: &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if name == "" {
		return v
	}
	res, _ := v.post("/console/sign-in", url.Values{"name": {name}, "password": {password}})
	for _, c := range res.Cookies() {
		if c.Name == auth.Cookie {
			v.cookie = c.Value
		}
	}
	if res.StatusCode != http.StatusSeeOther || v.cookie == "" {
		h.t.Fatalf("sign in as %s: %d, cookie %q", name, res.StatusCode, v.cookie)
	}
	return v
}

func (v *visitor) do(r *http.Request) (*http.Response, string) {
	v.t.Helper()
	if v.cookie != "" {
		r.AddCookie(&http.Cookie{Name: auth.Cookie, Value: v.cookie})
	}
	res, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return res, string(body)
}

func (v *visitor) get(path string) (*http.Response, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.server.URL+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	return v.do(r)
}

func (v *visitor) post(path string, form url.Values) (*http.Response, string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return v.do(r)
}

func (h *hub) paths() []string {
	return append(console.Paths(), "/console/alerts/"+h.alert, "/console/act/"+h.alert, "/console/objects/"+h.object, "/console/contacts/c1", "/console/contacts/c1/delete",
		"/console/groups/g1", "/console/groups/g1/delete", "/console/rules/r1", "/console/rules/r1/delete", "/console/rules?host=web01&service=HTTP",
		"/console/periods/p1", "/console/periods/p1/delete", "/console/sources/s1", "/console/sources/s1/delete", "/console/alerts?q=nothing")
}

func TestPages(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	link := regexp.MustCompile(`(?:href|action|formaction)="(/console/[^"#]*)"`)

	t.Run("every page is there, and every link of it leads somewhere", func(t *testing.T) {
		seen := map[string]bool{}
		for _, path := range h.paths() {
			res, body := admin.get(path)
			if res.StatusCode != http.StatusOK {
				t.Errorf("%s: %d", path, res.StatusCode)
			}
			if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self'") {
				t.Errorf("%s: policy %q", path, csp)
			}
			if m := regexp.MustCompile(`<script(?:\s*>|[^>]*>[^<])|\sstyle="|\son[a-z]+="`).FindString(body); m != "" {
				t.Errorf("%s has inline script or style: %q", path, m)
			}
			for _, m := range link.FindAllStringSubmatch(body, -1) {
				to := strings.ReplaceAll(m[1], "&amp;", "&")
				if seen[to] || strings.Contains(m[0], "action=") {
					continue
				}
				seen[to] = true
				if res, _ := admin.get(to); res.StatusCode >= 400 {
					t.Errorf("%s links to %s, which answers %d", path, to, res.StatusCode)
				}
			}
		}
	})
	t.Run("text from outside stays text", func(t *testing.T) {
		for _, path := range []string{"/console/alerts", "/console/alerts/" + h.alert, "/console/objects/" + h.object} {
			_, body := admin.get(path)
			if strings.Contains(body, "<script>alert(1)") || strings.Contains(body, "<img src=x") {
				t.Errorf("%s shows markup of the engine as markup", path)
			}
			if !strings.Contains(body, "&lt;script&gt;alert(1)") {
				t.Errorf("%s does not show the service's name", path)
			}
		}
	})
	t.Run("the alert's page says who was told and who was not, and why", func(t *testing.T) {
		_, body := admin.get("/console/alerts/" + h.alert)
		for _, want := range []string{"Who was told", ">ops<", "Waiting", "Not told", "nobody-here", "Timeline", "opened the alert"} {
			if !strings.Contains(body, want) {
				t.Errorf("page lacks %q", want)
			}
		}
	})
	t.Run("a warning stands in the header of every page", func(t *testing.T) {
		h.report = health.Report{Warnings: []health.Warning{{Part: "live", Problem: "The live channel stands still.", Mend: "Restart it."}}}
		defer func() { h.report = health.Report{OK: true} }()
		looks := h.looks
		if _, body := admin.get("/console/contacts"); !strings.Contains(body, "1 warning") {
			t.Error("no warning in the header")
		}
		if h.looks != looks {
			t.Error("a page has everything looked at for its header")
		}
		if _, body := admin.get("/console/health"); !strings.Contains(body, "Restart it.") {
			t.Error("no mend on System health")
		}
		if h.looks == looks {
			t.Error("System health shows an old look")
		}
	})
	t.Run("a source that said nothing for more than a day is told calmly", func(t *testing.T) {
		defer func() { h.ahead = 0 }()
		for ahead, want := range map[time.Duration]bool{23 * time.Hour: false, 25 * time.Hour: true} {
			h.ahead = ahead
			for _, path := range []string{"/console/sources", "/console/sources/s1"} {
				_, body := admin.get(path)
				if said := strings.Contains(body, "Nothing for more than a day"); said != want || strings.Contains(body, "Receiving") == want {
					t.Errorf("%s after %s: said so: %v", path, ahead, said)
				}
			}
		}
	})
	t.Run("what is not there is said so", func(t *testing.T) {
		for _, path := range []string{"/console/alerts/none", "/console/contacts/none", "/console/nonsense"} {
			if res, _ := admin.get(path); res.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d", path, res.StatusCode)
			}
		}
	})
}

func TestSignIn(t *testing.T) {
	h := newHub(t)
	stranger := h.as("")
	t.Run("strangers are led to the door and back", func(t *testing.T) {
		res, _ := stranger.get("/console/alerts?status=all")
		if to := res.Header.Get("Location"); to != "/console/sign-in?next=%2Fconsole%2Falerts%3Fstatus%3Dall" {
			t.Errorf("led to %q", to)
		}
		for _, next := range []string{"https://evil.example/", "//evil.example/console/", "/console/\\evil"} {
			res, _ := stranger.post("/console/sign-in", url.Values{"name": {"viewer"}, "password": {password}, "next": {next}})
			if to := res.Header.Get("Location"); to != "/console/alerts" {
				t.Errorf("next %q leads to %q", next, to)
			}
		}
	})
	t.Run("a wrong password is said plainly, and many are stopped", func(t *testing.T) {
		var last int
		for range 40 {
			res, body := stranger.post("/console/sign-in", url.Values{"name": {"operator"}, "password": {"wrong"}})
			last = res.StatusCode
			if last == http.StatusTooManyRequests {
				if !strings.Contains(body, "Wait ") {
					t.Error("does not say how long to wait")
				}
				break
			}
			if last != http.StatusUnauthorized || !strings.Contains(body, "is wrong") {
				t.Fatalf("%d %s", last, body)
			}
		}
		if last != http.StatusTooManyRequests {
			t.Errorf("still %d after 40 attempts", last)
		}
	})
}

func TestAPasswordIsNotFoundOutWithASession(t *testing.T) {
	h := newHub(t)
	thief := h.as("viewer")
	form := url.Values{"current": {"wrong"}, "password": {"one of my own choice"}}
	var last int
	for range 20 {
		res, body := thief.post("/console/account/password", form)
		if last = res.StatusCode; last == http.StatusTooManyRequests {
			if !strings.Contains(body, "ait ") {
				t.Error("does not say how long to wait")
			}
			break
		}
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("still %d after 20 attempts", last)
	}
}

func TestRoles(t *testing.T) {
	h := newHub(t)
	visitors := map[string]*visitor{"viewer": h.as("viewer"), "operator": h.as("operator"), "admin": h.as("admin")}
	for _, c := range []struct {
		method, path string
		allowed      string // the roles that may
	}{
		{"GET", "/console/alerts", "viewer operator admin"},
		{"GET", "/console/contacts/c1", "viewer operator admin"},
		{"POST", "/console/alerts/none/acknowledge", "operator admin"},
		{"POST", "/console/contacts/c1", "operator admin"},
		{"GET", "/console/contacts/c1/delete", "operator admin"},
		{"POST", "/console/rules/r1/switch", "operator admin"},
		{"POST", "/console/sources/s1", "admin"},
		{"POST", "/console/sources/s1/token", "admin"},
		{"POST", "/console/sources/s1/probe", "admin"},
		{"POST", "/console/sources/s1/try", "admin"},
		{"GET", "/console/mattermost", "viewer operator admin"},
		{"POST", "/console/mattermost", "admin"},
		{"POST", "/console/mattermost/key", "admin"},
		{"POST", "/console/mattermost/bot", "admin"},
		{"GET", "/console/mattermost/rooms/new", "viewer operator admin"},
		{"POST", "/console/mattermost/rooms/new", "admin"},
		{"POST", "/console/mattermost/rooms/none/test", "admin"},
		{"GET", "/console/mattermost/rooms/none/delete", "admin"},
		{"POST", "/console/mattermost/rooms/none/delete", "admin"},
		{"GET", "/console/link/mattermost", "viewer operator admin"},
		{"POST", "/console/alerts/none/comment", "operator admin"},
		{"POST", "/console/alerts/none/downtime", "operator admin"},
		{"POST", "/console/alerts/none/downtime/cancel", "operator admin"},
		{"GET", "/console/users", "admin"},
		{"GET", "/console/keys", "admin"},
		{"POST", "/console/settings", "admin"},
		{"GET", "/console/settings/notifications", "viewer operator admin"},
		{"POST", "/console/settings/notifications", "admin"},
		{"GET", "/console/settings/notifications/rotate", "admin"},
		{"POST", "/console/settings/notifications/rotate", "admin"},
		{"POST", "/console/settings/notifications/keys/none/delete", "admin"},
		{"POST", "/console/alerts/none/snooze", "operator admin"},
		{"POST", "/console/alerts/none/unsnooze", "operator admin"},
	} {
		for role, v := range visitors {
			var res *http.Response
			if c.method == "GET" {
				res, _ = v.get(c.path)
			} else {
				res, _ = v.post(c.path, url.Values{})
			}
			refused := res.StatusCode == http.StatusForbidden
			if may := strings.Contains(c.allowed, role); may == refused {
				t.Errorf("%s %s as %s: %d", c.method, c.path, role, res.StatusCode)
			}
		}
	}
	t.Run("forms of other sites are refused", func(t *testing.T) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.server.URL+"/console/rules/r1/delete", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		res, body := visitors["admin"].do(r)
		if res.StatusCode != http.StatusForbidden || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
			t.Errorf("answered %d %s", res.StatusCode, res.Header.Get("Content-Type"))
		}
		for _, want := range []string{"Nothing was changed", "TOCSIN_BASE_URL", `href="/console/alerts"`} {
			if !strings.Contains(body, want) {
				t.Errorf("the refusal lacks %q: %s", want, body)
			}
		}
		if _, err := h.db.Rule(t.Context(), "r1"); err != nil {
			t.Errorf("the rule is gone: %v", err)
		}
	})
}

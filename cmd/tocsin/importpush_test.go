package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/app"
	"tocsin/internal/audit"
	"tocsin/internal/auth"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
	"tocsin/internal/store"
)

// mover is a folder of a hub, with the page and the keys that an ATStatus had.
type mover struct {
	t   *testing.T
	dir string
	key push.Key
}

func newMover(t *testing.T) *mover {
	t.Helper()
	m := &mover{t: t, dir: t.TempDir()}
	m.write("components.json", `{"components":[{"id":"comp_1","name":"API","status":"operational"},{"id":"comp_2","name":"Web","status":"operational"}],"groups":[]}`)
	if _, errs, code := m.tocsin("import", "atstatus", m.path("components.json"), "--page", "main"); code != 0 {
		t.Fatal(errs)
	}
	var err error
	if m.key, err = push.GenerateKey(time.Now()); err != nil {
		t.Fatal(err)
	}
	m.key.Environment = true
	return m
}

// keyed gives the hub the key pair, as its start does.
func (m *mover) keyed() *mover {
	m.t.Helper()
	m.open(func(db *store.DB) error { return db.SavePushKey(m.t.Context(), m.key) })
	return m
}

func (m *mover) path(name string) string { return filepath.Join(m.dir, name) }

func (m *mover) write(name, text string) {
	m.t.Helper()
	if err := os.WriteFile(m.path(name), []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mover) open(fn func(db *store.DB) error) {
	m.t.Helper()
	db, err := store.Open(m.t.Context(), store.Options{DataDir: m.path("data"), Node: "test"})
	if err != nil {
		m.t.Fatal(err)
	}
	if err := fn(db); err != nil {
		m.t.Error(err)
	}
	if err := db.Close(); err != nil {
		m.t.Error(err)
	}
}

func (m *mover) tocsin(args ...string) (out, errs string, code int) {
	m.t.Helper()
	return m.run(m.t.Context(), nil, args...)
}

func (m *mover) run(ctx context.Context, errOut io.Writer, args ...string) (out, errs string, code int) {
	var o, e bytes.Buffer
	if errOut == nil {
		errOut = &e
	}
	code = execute(ctx, append([]string{"--data", m.path("data")}, args...), strings.NewReader(""), &o, errOut)
	return o.String(), e.String(), code
}

// hand imports, and answers what was said.
func (m *mover) hand(args ...string) handedJSON {
	m.t.Helper()
	out, errs, code := m.tocsin(append([]string{"import", "subscriptions", "--json"}, args...)...)
	var d handedJSON
	if err := json.Unmarshal([]byte(out), &d); err != nil || code != 0 {
		m.t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
	}
	return d
}

func (m *mover) device(endpoint string) push.Subscription {
	m.t.Helper()
	var s push.Subscription
	m.open(func(db *store.DB) (err error) {
		s, err = db.SubscriptionByEndpoint(m.t.Context(), endpoint)
		return err
	})
	return s
}

// component is the id that a component has here.
func (m *mover) component(name string) (id string) {
	m.t.Helper()
	m.open(func(db *store.DB) error {
		_, list, err := db.StatusParts(m.t.Context(), "main")
		for i := range list {
			if list[i].Name == name {
				id = list[i].ID
			}
		}
		return err
	})
	return id
}

func (m *mover) count() (n int) {
	m.t.Helper()
	m.open(func(db *store.DB) (err error) {
		n, err = db.CountSubscriptions(m.t.Context(), "main")
		return err
	})
	return n
}

const pushService = "https://fcm.googleapis.com/fcm/send/"

// row is a subscriber as ATStatus' database has them.
func (m *mover) row(name, components string) string {
	inner, err := json.Marshal(fmt.Sprintf(`{"endpoint":%q,"keys":{"p256dh":%q,"auth":%q}}`, pushService+name, m.key.Public, secretOf(name)))
	if err != nil {
		m.t.Fatal(err)
	}
	return fmt.Sprintf(`{"pushSubscription":%s,"subscribedComponents":%s,"preferredLanguage":"de"}`, inner, components)
}

func secretOf(name string) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%-16.16s", name))
}

func TestSubscriptionsOfAnotherProgram(t *testing.T) {
	t.Parallel()
	m := newMover(t).keyed()
	m.write("subscribers.json", "["+strings.Join([]string{
		m.row("anna", `"[\"comp_1\"]"`), m.row("bernd", "null"), m.row("cara", `["gone"]`), m.row("anna", "null"), `{"pushSubscription":null,"email":"x@example.org"}`,
		strings.ReplaceAll(m.row("dora", "null"), "fcm.googleapis.com", "push.example.org"), `{"pushSubscription":"nonsense"}`,
		strings.Replace(m.row("over", "null"), `{\"endpoint`, `{\"expirationTime\":1000,\"endpoint`, 1),
	}, ",")+"]")

	want := handedJSON{PageID: "main", Slug: "main", Name: "API", KeyID: m.key.ID, PublicKey: m.key.Public, New: 3, NoDevice: 1, Chosen: 1, WholePage: 1, Refused: []refusedJSON{
		{4, "is in the file once more"}, {6, "endpoint: is at push.example.org, which is not known as a push service; add the host to the push hosts, in Settings → Notifications, if it is one"},
		{7, "its push subscription is no object of JSON"}, {8, "its time is over, as its browser said"},
	}}
	dry := m.hand(m.path("subscribers.json"), "--dry-run")
	want.Name, want.DryRun = dry.Name, true
	if diff := cmp.Diff(want, dry); diff != "" {
		t.Errorf("looked at first (-want +got):\n%s", diff)
	}
	if n := m.count(); n != 0 {
		t.Errorf("a dry run took %d", n)
	}
	want.DryRun = false
	if diff := cmp.Diff(want, m.hand(m.path("subscribers.json"))); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
	api := m.component("API")
	for name, components := range map[string][]string{"anna": {api}, "bernd": nil, "cara": nil} {
		s := m.device(pushService + name)
		kinds := []push.Kind{push.IncidentNew, push.IncidentUpdate, push.IncidentResolved, push.Maintenance}
		if diff := cmp.Diff([]push.Follow{{PageID: "main", Wants: []push.Want{{Components: components, Kinds: kinds}}}}, s.Pages); diff != "" {
			t.Errorf("%s wants (-want +got):\n%s", name, diff)
		}
		if s.KeyID != m.key.ID || s.Language != "de" || s.UserID != "" || base64.RawURLEncoding.EncodeToString(s.Auth) != secretOf(name) {
			t.Errorf("%s: %+v", name, s)
		}
	}
	m.open(func(db *store.DB) error {
		trail, _, err := db.Trail(t.Context(), audit.Filter{Action: "page.subscriptions"})
		if err == nil && (len(trail) != 2 || trail[0].Note != "3 visitors' push subscriptions were taken from a file." ||
			trail[1].Note != "Visitors' push subscriptions are taken from a file." || trail[1].Actor.Kind != audit.CLI) {
			t.Errorf("the trail says %+v", trail)
		}
		return err
	})

	out, _, code := m.tocsin("import", "subscriptions", m.path("subscribers.json"), "--dry-run")
	for _, words := range []string{"Would be taken for the page “", "0  new", "3  follow the page already, and stay as they are", "1  have no push subscription", "4  refused",
		"Refused, number 7: its push subscription is no object of JSON", "Nothing was changed."} {
		if code != 0 || !strings.Contains(out, words) {
			t.Errorf("exit %d, no %q in\n%s", code, words, out)
		}
	}
	if strings.Contains(out, pushService) || strings.Contains(out, secretOf("anna")) {
		t.Errorf("secrets are shown:\n%s", out)
	}
}

func TestWhatAVisitorChoseHereStays(t *testing.T) {
	t.Parallel()
	m := newMover(t).keyed()
	m.write("one.jsonl", m.row("anna", "null"))
	m.hand(m.path("one.jsonl"), "--kinds", "incident_new", "--language", "en")
	chosen := push.Want{Components: []string{m.component("Web")}, Kinds: []push.Kind{push.Maintenance}}
	m.open(func(db *store.DB) error {
		s, err := db.SubscriptionByEndpoint(t.Context(), pushService+"anna")
		if err != nil {
			return err
		}
		s.Pages = []push.Follow{{PageID: "main", Wants: []push.Want{chosen}}}
		_, _, err = db.SaveSubscription(t.Context(), s, nil)
		return err
	})
	if d := m.hand(m.path("one.jsonl")); d.New != 0 || d.Same != 1 {
		t.Errorf("%+v", d)
	}
	if diff := cmp.Diff([]push.Want{chosen}, m.device(pushService + "anna").Pages[0].Wants); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAColleaguesDeviceFollowsThePageToo(t *testing.T) {
	t.Parallel()
	m := newMover(t).keyed()
	var user auth.User
	m.open(func(db *store.DB) error {
		secret, err := base64.RawURLEncoding.DecodeString(secretOf("anna"))
		if err != nil {
			return err
		}
		point, err := base64.RawURLEncoding.DecodeString(m.key.Public)
		if err != nil {
			return err
		}
		user = auth.User{ID: "u-anna", Name: "anna", Role: auth.Operator}
		if err := db.SaveUser(t.Context(), user); err != nil {
			return err
		}
		_, _, err = db.SaveSubscription(t.Context(), push.Subscription{ID: "d1", Endpoint: pushService + "anna", P256dh: point, Auth: secret, KeyID: m.key.ID, UserID: user.ID, Name: "Firefox"}, nil)
		return err
	})
	stranger := strings.Replace(m.row("anna", "null"), secretOf("anna"), secretOf("eve"), 1)
	m.write("eve.jsonl", stranger)
	if d := m.hand(m.path("eve.jsonl")); d.New != 0 || len(d.Refused) != 1 || !strings.Contains(d.Refused[0].Reason, "another secret") {
		t.Errorf("with another secret: %+v", d)
	}
	m.write("anna.jsonl", m.row("anna", `["comp_1"]`))
	if d := m.hand(m.path("anna.jsonl"), "--dry-run"); d.New != 1 || m.count() != 0 {
		t.Errorf("looked at: %+v, and %d follow", d, m.count())
	}
	if d := m.hand(m.path("anna.jsonl")); d.New != 1 {
		t.Errorf("%+v", d)
	}
	if s := m.device(pushService + "anna"); s.UserID != user.ID || s.Name != "Firefox" || s.Follows("main") == nil {
		t.Errorf("%+v", s)
	}
}

func TestComponentsAreKnownByTheSlugThatThePageHad(t *testing.T) {
	t.Parallel()
	m := newMover(t).keyed()
	if _, errs, code := m.tocsin("import", "atstatus", m.path("components.json"), "--page", "kept"); code != 0 {
		t.Fatal(errs)
	}
	// As by the address …/shop, into a page of another name.
	m.open(func(db *store.DB) error {
		desk, err := app.NewDesk(db)
		if err != nil {
			return err
		}
		_, err = desk.Import(t.Context(), publish.Who{Name: "test"}, &transfer.Page{From: transfer.FromATStatus, ID: "shop", Slug: "shop", Name: "Shop", Zone: "UTC",
			Components: []transfer.Component{{ID: "comp_1", Name: "API", State: status.Operational}}}, publish.ImportOptions{Page: "kept"})
		return err
	})
	m.write("one.jsonl", m.row("anna", `["comp_1"]`))
	if d := m.hand(m.path("one.jsonl"), "--page", "kept", "--dry-run"); d.Chosen != 1 {
		t.Errorf("by the page's own slug: %+v", d)
	}
	m.write("other.jsonl", m.row("bernd", `["comp_1"]`))
	d := m.hand(m.path("other.jsonl"), "--page", "kept", "--from", "shop")
	bernd := m.device(pushService + "bernd")
	f := bernd.Follows(d.PageID)
	if d.Chosen != 1 || f == nil || f.Wants[0].Components[0] != publish.Derived(d.PageID, transfer.FromATStatus, "shop", publish.OfComponent, "comp_1") {
		t.Errorf("by the slug that is named: %+v, %+v", d, f)
	}
}

// stopper stops an import at the first that it says.
type stopper struct {
	bytes.Buffer
	stop context.CancelFunc
}

func (s *stopper) Write(b []byte) (int, error) {
	s.stop()
	return s.Buffer.Write(b)
}

func TestAnImportThatWasStoppedGoesOn(t *testing.T) {
	t.Parallel()
	m := newMover(t).keyed()
	var rows []string
	for i := range 3*handedAtOnce + 1 {
		rows = append(rows, m.row(fmt.Sprintf("%08d", i), "null"))
	}
	m.write("many.jsonl", strings.Join(rows, "\n"))
	ctx, stop := context.WithCancel(t.Context())
	said := &stopper{stop: stop}
	if out, _, code := m.run(ctx, said, "import", "subscriptions", m.path("many.jsonl")); code != 1 || !strings.Contains(said.String(), "stopped after 500 of 1501") ||
		!strings.Contains(said.String(), "started again it goes on from there") {
		t.Errorf("exit %d: %s%s", code, out, said.String())
	}
	if n := m.count(); n != handedAtOnce {
		t.Errorf("%d were taken before it was stopped", n)
	}
	if d := m.hand(m.path("many.jsonl")); d.New != 1001 || d.Same != 500 || m.count() != 1501 {
		t.Errorf("%+v, and %d follow", d, m.count())
	}
}

func TestSubscriptionsThatCouldNotBeToldAreNotTaken(t *testing.T) {
	t.Parallel()
	m := newMover(t)
	m.write("one.jsonl", m.row("anna", "null"))
	m.write("none.txt", "hello\n")
	refused := func(why string, args ...string) {
		t.Helper()
		out, errs, code := m.tocsin(append([]string{"import", "subscriptions"}, args...)...)
		if code == 0 || !strings.Contains(errs, why) {
			t.Errorf("%v: exit %d, %q, want %q\n%s", args, code, errs, why, out)
		}
	}
	own, err := push.GenerateKey(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	m.open(func(db *store.DB) error { return db.SavePushKey(t.Context(), own) })
	refused("this hub made its key itself", m.path("one.jsonl"))
	refused("--key: is none of this hub's keys", m.path("one.jsonl"), "--key", m.key.Public)
	refused(`there is no page "shop"; there are: main`, m.path("one.jsonl"), "--page", "shop")
	refused("--kinds: kinds[0]: ", m.path("one.jsonl"), "--kinds", "weather")
	refused("neither JSON nor CSV", m.path("none.txt"))
	refused("takes one file, not 0")
	refused("no such file", m.path("missing.json"))
	if n := m.count(); n != 0 {
		t.Errorf("%d were taken", n)
	}
	if d := m.hand(m.path("one.jsonl"), "--key", own.Public); d.New != 1 || d.KeyID != own.ID {
		t.Errorf("with a key of the hub that is named: %+v", d)
	}
}

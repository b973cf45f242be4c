package store_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/audit"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/fault"
	hooks "tocsin/internal/hook"
	desk "tocsin/internal/publish"
	"tocsin/internal/route"
	"tocsin/internal/store"
)

func mira(ctx context.Context) context.Context {
	return audit.With(audit.At(ctx, "192.0.2.7:4711"), audit.Actor{Kind: audit.User, ID: "u1", Name: "Mira Sand"})
}

// said is a list of the trail in short, the oldest first.
func said(t *testing.T, db *store.DB, f audit.Filter) (lines []string) {
	t.Helper()
	list, _, err := db.Trail(t.Context(), f)
	ok(t, err)
	slices.Reverse(list)
	for i := range list {
		e := &list[i]
		var changes []string
		for _, c := range e.Changes {
			changes = append(changes, fmt.Sprintf("%s %s>%s", c.Field, c.Before, c.After))
		}
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s %s: %s", e.Actor.Name, e.Action, e.Subject.Name, e.Address, strings.Join(changes, ", "))))
	}
	return lines
}

func TestChangesAreInTheTrail(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := mira(t.Context())
		ops := contact.Group{ID: "g1", Name: "ops"}
		ok(t, db.SaveGroup(ctx, ops))
		ops.Description = "day and night"
		ok(t, db.SaveGroup(ctx, ops))
		ok(t, db.SaveGroup(ctx, ops)) // nothing differs
		ok(t, db.DeleteGroup(ctx, "g1"))
		wants(t, db.DeleteGroup(ctx, "g1"), fault.ErrNotFound)
		want := []string{
			`Mira Sand group.created ops 192.0.2.7: id >"g1", name >"ops"`,
			`Mira Sand group.changed ops 192.0.2.7: description >"day and night"`,
			`Mira Sand group.deleted ops 192.0.2.7: description "day and night">, id "g1">, name "ops">`,
		}
		same(t, "the trail", strings.Join(said(t, db, audit.Filter{}), "\n"), strings.Join(want, "\n"))

		ok(t, db.SaveHook(ctx, hooks.Hook{ID: "h1", Name: "pager", Form: hooks.JSON, URL: "https://pager.example/secret-path", Token: "secret-token"}))
		ok(t, db.SaveHook(ctx, hooks.Hook{ID: "h1", Name: "pager", Form: hooks.JSON, URL: "https://pager.example/secret-path", Token: "another-token"}))
		list, _, err := db.Trail(t.Context(), audit.Filter{SubjectID: "h1"})
		ok(t, err)
		same(t, "lines about it", len(list), 2)
		if text := fmt.Sprint(list); strings.Contains(text, "secret-") || strings.Contains(text, "another-token") {
			t.Errorf("a secret is in the trail: %s", text)
		}
		same(t, "what changed", fmt.Sprintln(list[0].Changes[0].Field, list[0].Changes[0].Secret, len(list[0].Changes)), "token true 1\n")
	})
}

func TestAChangeThatFailsLeavesNoLine(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := mira(t.Context())
		ok(t, db.SaveGroup(ctx, contact.Group{ID: "g1", Name: "ops"}))
		wants(t, db.SaveGroup(ctx, contact.Group{ID: "g2", Name: "ops"}), fault.ErrTaken)
		wants(t, db.SaveGroup(ctx, contact.Group{ID: "g1", Name: "ops", ContactIDs: []string{"nobody"}}), fault.ErrNotFound)
		same(t, "lines", len(said(t, db, audit.Filter{})), 1)
	})
}

// What is deleted along with something is told as well.
func TestAContactThatGoesLeavesLinesOfWhatNamedIt(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := mira(t.Context())
		k := contact.NewContact("jane")
		k.ID = "k1"
		ok(t, db.SaveContact(ctx, k))
		r := route.Rule{ID: "r1", Name: "all", Enabled: true}
		r.ContactIDs = []string{"k1"}
		ok(t, db.SaveRule(ctx, r))
		ok(t, db.DeleteContact(ctx, "k1"))
		list := said(t, db, audit.Filter{Action: "changed"})
		same(t, "lines of rules", strings.Join(list, "\n"), `Mira Sand rule.changed all 192.0.2.7: contact_ids ["k1"]>`)
	})
}

func TestTheTrailIsNarrowedAndListedPageByPage(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := mira(t.Context())
		savePage(t, db, publicPage("main"))
		change(t, db, "main", func(_ context.Context, tx desk.Tx) error {
			return tx.Audit(mira(t.Context()), desk.Audit{ID: "a1", PageID: "main", At: day(), UserID: "u1", By: "Mira", What: "incident.open", SubjectID: "i1", Name: "It is down", After: []byte(`{"title":"It is down"}`)})
		})
		for n := range 5 {
			ok(t, db.Record(ctx, audit.Entry{At: day().Add(time.Duration(n+1) * time.Hour), Action: "session.signed_in", Subject: audit.Subject{Kind: "user", ID: "u1", Name: "mira"}}))
		}
		ok(t, db.Record(t.Context(), audit.Entry{At: day().Add(9 * time.Hour), Action: "source.changed", Note: "100% done", Subject: audit.Subject{Kind: "source", ID: "s1", Name: "Überwachung"}}))
		for _, try := range []struct {
			name string
			f    audit.Filter
			want int
		}{
			{"all", audit.Filter{}, 7},
			{"users", audit.Filter{Actor: audit.User}, 6},
			{"one user", audit.Filter{ActorID: "u1"}, 6},
			{"Tocsin itself", audit.Filter{Actor: audit.System}, 1},
			{"an address", audit.Filter{Address: "192.0.2.7"}, 6},
			{"a kind of thing", audit.Filter{Subject: "session"}, 5},
			{"a kind of thing of a public page", audit.Filter{Subject: "incident"}, 1},
			{"no wildcard", audit.Filter{Subject: "%"}, 0},
			{"one thing", audit.Filter{SubjectID: "i1"}, 1},
			{"one page", audit.Filter{PageID: "main"}, 1},
			{"an action", audit.Filter{Action: "source.changed"}, 1},
			{"the last word of one", audit.Filter{Action: "open"}, 1},
			{"text in a name", audit.Filter{Text: "is DOWN"}, 1},
			{"text with what means something to the database", audit.Filter{Text: "100%"}, 1},
			{"a time", audit.Filter{From: day().Add(time.Hour), To: day().Add(3 * time.Hour)}, 2},
		} {
			t.Run(try.name, func(t *testing.T) { same(t, "lines", len(said(t, db, try.f)), try.want) })
		}
		var got []string
		f := audit.Filter{Limit: 3}
		for {
			list, next, err := db.Trail(t.Context(), f)
			ok(t, err)
			for _, e := range list {
				got = append(got, e.At.Format("15"))
			}
			if f.Cursor = next; next == "" {
				break
			}
		}
		if len(got) != 7 || !slices.IsSortedFunc(got[:6], func(a, b string) int { return strings.Compare(b, a) }) {
			t.Errorf("page by page: %v", got)
		}
		_, _, err := db.Trail(t.Context(), audit.Filter{Cursor: "nonsense"})
		wants(t, err, fault.ErrCursor)
		n, err := db.PruneTrail(t.Context(), day().Add(3*time.Hour), 100)
		ok(t, err)
		same(t, "deleted, of both tables", n, 3)
	})
}

// quiet are the methods of DB that write and leave no line in the trail, and why.
func quiet() map[string]string {
	own := "what Tocsin does by itself: taking events, telling people, noting how it went"
	visitor := "what visitors of public pages do for themselves; who reads them is nobody's business"
	once := "something that can be used once is kept, used or given back; what it is used for has its line"
	session := "a session is kept; signing in and out is recorded by package auth"
	return map[string]string{
		"Commit": "writes dispatch.Changes.Trail", "ChangePage": "the desk writes its own trail", "Record": "the trail", "PruneTrail": "the trail's time is over",
		"Prune": own, "PruneLive": own, "PruneStatus": own, "PruneVisitors": own, "AppendLive": own,
		"TouchAPIKey": own, "NoteSignIn": session, "MoveSession": session, "SaveSession": session, "DeleteSession": session, "DeleteSessionsOf": session, "SweepSessions": session,
		"NoteSourceError": own, "NoteSpool": own, "NoteRoom": own, "NoteHook": own, "NotePush": own, "NoteBounce": own,
		"SaveAckLink": once, "UseAckLink": once, "ReleaseAckLink": once, "SaveLink": once, "TakeLink": once, "UseToken": once, "FinishToken": once, "ReleaseToken": once,
		"UseButton": once, "ReleaseButton": once, "SaveStep": once, "TakeStep": once, "Secret": "a secret that nodes share is made when it is first needed",
		"UseIdentity": once, "UsePasskey": once, "UseRecoveryCode": once, "SweepSteps": own, "ReserveButton": once,
		"ACMEAccount": own, "SaveChallenge": own, "DropChallenge": own, "SaveCertificate": own, "TakeCertificate": own, "NoteCertificate": own,
		"AdvancePart": own, "AdvancePiece": own, "ReleasePart": own, "ReleasePiece": own, "ExpireDeliveries": own, "Receive": own, "ShownDelivery": own, "TryRoom": own,
		"PruneObjects": own, "PruneTraces": own, "SourceAlive": own, "Catalogue": own, "SeenClock": own, "ClockSetBack": own, "Alone": own, "Listening": own, "Turn": own,
		"SavePosts": own, "SaveClick": own, "SaveEdit": own,
		"AddSubscriptions": visitor, "DeleteVisitor": visitor, "Subscribe": visitor, "ConfirmSubscriber": visitor, "ChangeSubscriber": visitor, "EndSubscriber": visitor,
		"ClaimQuestions": own, "AnswerQuestion": own, "AddServiceFigures": own, "RotateKey": "its line is written by recorded", "Keys": "only looks: there are keys, so none is made",
	}
}

// Every method of DB that writes either leaves a line in the trail or is in the list
// above: what API, console, commands and Mattermost change goes through these.
func TestEveryMethodThatWritesIsInTheTrailOrSaysWhyNot(t *testing.T) {
	files, err := fs.Glob(root(t), "*.go")
	ok(t, err)
	calls := map[string]map[string]bool{} // function to what it calls
	exported := map[string]bool{}
	set := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, 0)
		ok(t, err)
		for _, d := range f.Decls {
			fn, is := d.(*ast.FuncDecl)
			if !is || fn.Body == nil {
				continue
			}
			of := calls[fn.Name.Name]
			if of == nil {
				of = map[string]bool{}
				calls[fn.Name.Name] = of
			}
			if fn.Recv != nil && fn.Name.IsExported() {
				if star, is := fn.Recv.List[0].Type.(*ast.StarExpr); is {
					if id, is := star.X.(*ast.Ident); is && id.Name == "DB" {
						exported[fn.Name.Name] = true
					}
				}
			}
			ast.Inspect(fn.Body, func(n ast.Node) bool {
				if c, is := n.(*ast.CallExpr); is {
					switch f := c.Fun.(type) {
					case *ast.SelectorExpr:
						of[f.Sel.Name] = true
					case *ast.Ident:
						of[f.Name] = true
					}
				}
				return true
			})
		}
	}
	lines := []string{"changeOf", "recorded", "record", "noteDevice"}
	writes := []string{"change", "write", "plain", "only", "transact"}
	reaches := func(from string, to []string) bool {
		seen := map[string]bool{}
		var walk func(string, int) bool
		walk = func(name string, deep int) bool {
			if deep > 3 || seen[name] {
				return false
			}
			seen[name] = true
			for c := range calls[name] {
				if slices.Contains(to, c) || calls[c] != nil && !exported[c] && walk(c, deep+1) {
					return true
				}
			}
			return false
		}
		return walk(from, 0)
	}
	reasons := quiet()
	for _, name := range slices.Sorted(maps.Keys(exported)) {
		if reaches(name, lines) || !reaches(name, writes) || strings.HasPrefix(name, "Claim") || strings.HasPrefix(name, "Complete") {
			continue
		}
		if reasons[name] == "" {
			t.Errorf("%s writes and leaves no line in the audit trail: use changeOf or record, or say in quiet() why not", name)
		}
	}
	for name := range reasons {
		if !exported[name] {
			t.Errorf("quiet() has %s, which there is not", name)
		}
	}
}

// The trail is only ever added to, and its time ends.
func TestTheTrailIsNeverChanged(t *testing.T) {
	files, err := fs.Glob(root(t), "*.go")
	ok(t, err)
	for _, name := range files {
		text, err := fs.ReadFile(root(t), name)
		ok(t, err)
		for _, wrong := range []string{"UPDATE audit", "UPDATE page_audit", "DELETE FROM audit", "DELETE FROM page_audit"} {
			if !strings.HasSuffix(name, "_test.go") && strings.Contains(string(text), wrong) {
				t.Errorf("%s has %q", name, wrong)
			}
		}
	}
}

func TestSigningInChangesNoUser(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := mira(t.Context())
		u := auth.User{ID: "u1", Name: "mira", Role: auth.Admin, PasswordHash: "hash-one"}
		ok(t, db.SaveUser(ctx, u))
		u.LastSignIn = day()
		ok(t, db.NoteSignIn(ctx, u.ID, u.LastSignIn))
		u.PasswordHash = "hash-two"
		ok(t, db.SaveUser(ctx, u))
		s := config.Defaults()
		s.RetentionDays = 30
		ok(t, db.SaveSettings(ctx, s))
		s.Storm.Burst = 9
		ok(t, db.SaveSettings(ctx, s))
		got := said(t, db, audit.Filter{})
		same(t, "lines", len(got), 4)
		same(t, "of a password", got[1], `Mira Sand user.changed mira 192.0.2.7: password "set">"set"`)
		same(t, "of settings", got[2], `Mira Sand settings.changed Settings 192.0.2.7: retention_days 400>30`)
		same(t, "of storms", got[3], `Mira Sand settings.changed Settings 192.0.2.7: storm {"burst":5}>{"burst":9}`)
	})
}

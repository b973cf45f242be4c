package page_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/markdown"
	"tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/store"
	"tocsin/internal/web/page"
	"tocsin/test/database"
)

var _ page.Store = (*store.DB)(nil)

// stored puts the company into a real database.
func stored(t *testing.T) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{URL: database.SQLite(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	at := time.Now().Truncate(time.Millisecond)
	r := companyAt(at)
	p := r.Page
	p.ID, p.Main, p.Slug, p.Zone, p.Created, p.Version = "company", true, "main", "Europe/Berlin", at.AddDate(0, -3, 0), 1
	if err := db.ChangePage(t.Context(), "", func(ctx context.Context, tx publish.Tx) error { return tx.SavePage(ctx, &p) }); err != nil {
		t.Fatal(err)
	}
	err = db.ChangePage(t.Context(), p.ID, func(ctx context.Context, tx publish.Tx) error {
		var all []error
		for i := range r.Groups {
			all = append(all, tx.SaveGroup(ctx, &r.Groups[i]))
		}
		for i := range r.Components {
			c := &r.Components[i]
			all = append(all, tx.SaveComponent(ctx, c), tx.SaveDays(ctx, r.Days[c.ID]), tx.PutIntervals(ctx, c.ID, time.Time{}, r.Intervals[c.ID]))
		}
		for i := range r.Incidents {
			in := &r.Incidents[i]
			all = append(all, tx.SaveIncident(ctx, in))
			for j := range in.Updates {
				in.Updates[j].ID = in.ID + string(rune('a'+j))
				all = append(all, tx.SaveUpdate(ctx, in.ID, &in.Updates[j]))
			}
		}
		for i := range r.Maintenances {
			all = append(all, tx.SaveMaintenance(ctx, &r.Maintenances[i]))
		}
		return errors.Join(append(all, tx.Close(ctx, at.AddDate(0, 0, -1).Format(status.DateFormat)), tx.Raise(ctx))...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestTheRealStoreIsShown(t *testing.T) {
	db := stored(t)
	s, err := page.NewSite(db, markdown.New(), page.Options{BaseURL: "https://status.example.com", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.Handle(w, r) {
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	if err := s.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	// An hour ago it began: in the month before, when this one has just begun in Berlin.
	var month string
	if in, err := db.Incident(t.Context(), "i0"); err != nil {
		t.Fatal(err)
	} else if berlin, err := time.LoadLocation("Europe/Berlin"); err != nil {
		t.Fatal(err)
	} else {
		month = in.Started.In(berlin).Format("2006-01")
	}
	for path, want := range map[string]string{
		"/en/": "Service 49", "/en/incidents/i0": "Card payments are refused", "/en/history/" + month: "Card payments are refused",
		"/en/incidents/m": "New storage", "/api/v2/incidents.json": "Sign-in did not work", "/history.atom": "Sign-in did not work",
	} {
		if res, body := get(t, srv.URL+path, "Accept-Encoding", "identity"); res.StatusCode != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d without %q", path, res.StatusCode, want)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	var took []time.Duration
	for i := range 15 {
		title := "Title number " + string(rune('A'+i))
		err := db.ChangePage(t.Context(), "company", func(ctx context.Context, tx publish.Tx) error {
			in, err := tx.Incident(ctx, "i0")
			if err != nil {
				return err
			}
			in.Title = title
			return errors.Join(tx.SaveIncident(ctx, &in), tx.Raise(ctx))
		})
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		s.Wake() // the program does that when the database wakes it
		for {
			if _, body := get(t, srv.URL+"/en/"); strings.Contains(body, title) {
				break
			}
			if time.Since(begin) > 30*time.Second {
				t.Fatal("a change is never seen")
			}
		}
		took = append(took, time.Since(begin))
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	slices.Sort(took)
	t.Logf("a change is seen after %v in the middle, %v at most", took[len(took)/2], took[len(took)-1])
}

package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMovingStories runs what docs/moving-status-page.md shows, against servers that
// answer as Statuspage, Uptime Kuma and Cachet do.
func TestMovingStories(t *testing.T) {
	const files = "../../internal/status/transfer/testdata/"
	page := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			http.ServeFile(w, r, files+name)
		}
	}
	sp := http.NewServeMux()
	sp.HandleFunc("GET /api/v2/summary.json", page("statuspage-summary.json"))
	sp.HandleFunc("GET /api/v2/incidents.json", page("statuspage-incidents.json"))
	sp.HandleFunc("GET /api/v2/scheduled-maintenances.json", page("statuspage-maintenances.json"))
	kuma := http.NewServeMux()
	kuma.HandleFunc("GET /api/status-page/shop", page("kuma-page.json"))
	kuma.HandleFunc("GET /api/status-page/heartbeat/shop", page("kuma-heartbeat.json"))
	kuma.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<!DOCTYPE html><title>Uptime Kuma</title>")
	})
	cachet := http.NewServeMux()
	list := func(items ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			var n int
			_, _ = fmt.Sscan(r.URL.Query().Get("page"), &n)
			data := ""
			if n >= 1 && n <= len(items) {
				data = items[n-1]
			}
			fmt.Fprintf(w, `{"meta":{"pagination":{"total":%d,"count":1,"per_page":1,"current_page":%d,"total_pages":%d,"links":{"next_page":null,"previous_page":null}}},"data":[%s]}`, len(items), n, len(items), data)
		}
	}
	cachet.HandleFunc("GET /api/v1/components", list(`{"id":1,"name":"API","status":3,"order":1,"group_id":1,"enabled":true,"created_at":"2024-01-01 10:00:00"}`,
		`{"id":2,"name":"Web","status":1,"order":2,"group_id":0,"enabled":true,"created_at":"2024-01-01 10:00:00"}`))
	cachet.HandleFunc("GET /api/v1/components/groups", list(`{"id":1,"name":"Services","order":1,"collapsed":0}`))
	cachet.HandleFunc("GET /api/v1/incidents", list(`{"id":1,"component_id":1,"name":"Slow","status":4,"visible":1,"message":"It is slow","occurred_at":"2024-02-01 10:00:00","created_at":"2024-02-01 10:00:00","updated_at":"2024-02-01 12:00:00","updates":[]}`))
	cachet.HandleFunc("GET /api/v1/schedules", list(`{"id":1,"name":"Disks","message":"New ones","status":2,"scheduled_at":"2024-03-01 22:00:00","completed_at":"2024-03-01 23:00:00","created_at":"2024-02-10 10:00:00","components":[{"component_id":2}]}`))
	at := http.NewServeMux()
	answer := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, body)
		}
	}
	at.HandleFunc("GET /api/public/status/shop/components", answer(`{"components":[{"id":"comp_1","name":"API","description":"Core API services","status":"operational","group":"Infrastructure","order":1},{"id":"comp_2","name":"Website","status":"degraded","group":"Infrastructure","order":2}],"groups":[{"id":"grp_1","name":"Infrastructure","order":1}]}`))
	at.HandleFunc("GET /api/public/status/shop/incidents", answer(`{"incidents":[{"id":"inc_1","title":"API Performance Degradation","status":"resolved","impact":"minor","createdAt":"2024-01-14T10:00:00Z","resolvedAt":"2024-01-14T12:30:00Z","updates":[{"status":"resolved","message":"The issue has been resolved.","createdAt":"2024-01-14T12:30:00Z"}]}]}`))
	at.HandleFunc("GET /api/public/status/shop/maintenance", answer(`{"maintenance":[{"id":"maint_1","title":"Database Migration","status":"completed","scheduledStart":"2024-01-20T02:00:00Z","scheduledEnd":"2024-01-20T04:00:00Z","affectedComponents":["comp_1","comp_2"]}]}`))
	away := http.NewServeMux()
	away.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://login.example.com/", http.StatusFound)
	})

	testscript.Run(t, testscript.Params{Dir: "testdata/moving", Setup: func(e *testscript.Env) error {
		for name, h := range map[string]http.Handler{"STATUSPAGE": sp, "KUMA": kuma, "CACHET": cachet, "ATSTATUS": at, "AWAY": away} {
			s := httptest.NewServer(h)
			e.Defer(s.Close)
			e.Setenv(name, s.URL)
		}
		return brisk(e)
	}})
}

package dispatch_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/store"
	"tocsin/internal/trace"
)

// What a person does about an alert is a trace of its own, which says whether it was
// done.
func TestATraceSaysWhatWasNotDone(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		var spans []string
		collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			var said struct {
				ResourceSpans []struct {
					ScopeSpans []struct {
						Spans []struct {
							Name   string
							Status struct{ Message string }
						}
					}
				}
			}
			if err := json.NewDecoder(r.Body).Decode(&said); err != nil {
				t.Error(err)
			}
			for _, rs := range said.ResourceSpans {
				for _, ss := range rs.ScopeSpans {
					for _, s := range ss.Spans {
						spans = append(spans, s.Name+": "+s.Status.Message)
					}
				}
			}
		}))
		t.Cleanup(collector.Close)
		tracer := trace.New(trace.Options{URL: collector.URL, Ratio: 1, Every: time.Hour})
		r := &rig{db: db, s: run(t, db, dispatch.Options{Tracer: tracer})}
		id := r.receive(t, event(call("1")))[0].AlertID
		who := dispatch.AckRequest{Author: "Jane", Origin: alert.FromAPI}
		if _, err := r.s.Unacknowledge(t.Context(), id, who); err == nil {
			t.Error("it was not taken")
		}
		_, err := r.s.Acknowledge(t.Context(), id, who)
		must(t, err)
		ctx, end := context.WithCancel(t.Context())
		end()
		must(t, tracer.Run(ctx)) // sends what waits
		for _, want := range []string{"unacknowledge: not done", "acknowledge: ", "commit: refused", "commit: "} {
			if !slices.Contains(spans, want) {
				t.Errorf("no %q among %q", want, spans)
			}
		}
	})
}

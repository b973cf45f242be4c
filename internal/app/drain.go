package app

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// A node that is told to end first says so, by /readyz, and goes on as before until
// the balancer must have noticed. Then tabs are told to come back, which leads them
// to another node; requests are finished; what is being sent gets some seconds, and
// what was not sent is given back to the others.

// drain takes requests for a while longer, and says that others are to be asked.
func (a *App) drain() {
	a.draining.Store(true)
	a.log.Info("stopping", "taking_requests_for", a.cfg.Drain)
	if a.cfg.Drain <= 0 {
		return
	}
	enough := time.NewTimer(a.cfg.Drain)
	defer enough.Stop()
	select {
	case <-enough.C:
	case err := <-a.failed:
		a.log.Error("a part failed meanwhile", "error", err)
	}
}

// readyz is the API's, until this node is to end.
func (a *App) readyz(w http.ResponseWriter, r *http.Request) {
	if !a.draining.Load() {
		a.api.Readyz(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusServiceUnavailable)
	// A peer that left cannot be told.
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": false, "reasons": []string{"stopping: ask another node"}})
}

// farewell has each connection end with its answer while the node drains: a request
// that comes at the moment at which a connection is closed would be lost.
func (a *App) farewell(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// watchSchema ends this program when a newer version has changed the database so
// that this one would do harm, or its keys of secrets are gone.
func (a *App) watchSchema(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-a.db.Superseded():
		return a.db.Superseding() //nolint:wrapcheck // a sentence for people
	}
}

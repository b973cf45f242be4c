package cert

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"tocsin/internal/fault"
)

// challengeBelow is where the CA asks, RFC 8555, 8.3.
const challengeBelow = "/.well-known/acme-challenge/"

// Challenges answers the CA at port 80, and gives all else to next.
func (k *Keeper) Challenges(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked, ours := strings.CutPrefix(r.URL.Path, challengeBelow)
		if !ours {
			next.ServeHTTP(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead || !token(asked) {
			http.NotFound(w, r)
			return
		}
		var c Challenge
		err := k.ask(r.Context(), func(ctx context.Context, store Store) (err error) {
			c, err = store.ChallengeByToken(ctx, asked, k.o.Now())
			return err
		})
		switch {
		case errors.Is(err, fault.ErrNotFound):
			http.NotFound(w, r)
		case err != nil:
			w.Header().Set("Retry-After", "5")
			http.Error(w, "The database cannot be reached at the moment.", http.StatusServiceUnavailable)
		default:
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Cache-Control", "no-store")
			_, _ = w.Write([]byte(c.Answer))
		}
	})
}

// Door sends people who come by http to https. base is our own address,
// https://host[:port]; known says whether another host name is a page's.
//
// Only what a browser asks for by itself is sent on. A program that sends something
// is refused, so that somebody notices that its secrets go about in the open.
func Door(base string, known func(host string) bool) http.Handler {
	own := strings.TrimPrefix(base, "https://")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead || r.Header.Get("Authorization") != "" {
			http.Error(w, "This is sent by https only: "+base, http.StatusForbidden)
			return
		}
		// A request may name something else than a path, which must not become a part
		// of the host: “GET x:@elsewhere.example/”.
		if r.URL.Opaque != "" || r.URL.Path != "" && r.URL.Path[0] != '/' {
			http.Error(w, "This is answered by https only: "+base, http.StatusBadRequest)
			return
		}
		to := own
		if host := Name(r.Host); host != "" && host != hostOnly(own) && known(host) {
			to = host
		}
		http.Redirect(w, r, "https://"+to+r.URL.RequestURI(), http.StatusPermanentRedirect) //nolint:gosec // to our own name, or a page's that is known
	})
}

func hostOnly(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return hostport
}

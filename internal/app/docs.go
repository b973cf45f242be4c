package app

import (
	"net/http"
	"net/url"
	"strings"
	"sync"

	"tocsin"
	"tocsin/internal/auth"
	"tocsin/internal/site"
	"tocsin/internal/web/api"
	"tocsin/internal/web/console"
)

// Documentation is the documentation of this program; home is where its pages lead back to.
func Documentation(home string) (*site.Site, error) {
	description, err := api.Document(Version)
	if err != nil {
		return nil, err //nolint:wrapcheck // says what it was
	}
	return site.New(site.Options{Files: tocsin.Documents, API: description, Version: Version, Home: home})
}

// DocumentationHandler serves a documentation by itself, for who reads it without a hub.
func DocumentationHandler(s *site.Site) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guardHeaders(w.Header())
		s.ServeHTTP(w, r)
	})
}

// documentation shows the documentation to everybody who is signed in. It is read when
// somebody first asks for it.
func (a *App) documentation() http.Handler {
	read := sync.OnceValues(func() (*site.Site, error) { return Documentation("/console/") })
	return a.auth.Sessions(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if who, ok := auth.From(r.Context()); !ok || who.UserID == "" {
			http.Redirect(w, r, "/console/sign-in?next="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
			return
		}
		s, err := read()
		if err != nil {
			a.log.ErrorContext(r.Context(), "documentation not read", "error", err)
			http.Error(w, "The documentation cannot be read; the hub's log says why.", http.StatusInternalServerError)
			return
		}
		http.StripPrefix(strings.TrimSuffix(console.DocsPath, "/"), s).ServeHTTP(w, r)
	}))
}

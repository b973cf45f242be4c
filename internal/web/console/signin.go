package console

import (
	"errors"
	"net/http"
	"net/url"

	"tocsin/internal/auth"
	"tocsin/internal/web"
)

type signInView struct {
	Title   string
	Version string
	Name    string
	Next    string
	Problem string
	Mend    string
	NoUsers bool

	Provider string // signs people in besides us; empty: nobody does
	Passkeys bool   // they can be used
	Out      bool   // somebody just signed out who came by the provider
	End      string // where to sign out there
}

func (c *console) signInForm(w http.ResponseWriter, r *http.Request) {
	next := local(r.URL.Query().Get("next"))
	if who, ok := auth.From(r.Context()); ok && who.UserID != "" {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	view := signInView{Next: next, Out: r.URL.Query().Get("out") == "provider" && c.Auth.ProviderName() != ""}
	if view.Out && c.BaseURL != "" {
		view.End = c.Auth.ProviderEnd(c.BaseURL + signInPath)
	}
	c.showSignIn(w, r, http.StatusOK, view)
}

func (c *console) showSignIn(w http.ResponseWriter, r *http.Request, status int, v signInView) {
	v.Title, v.Version = "Sign in", c.Version
	users, err := c.Store.Users(r.Context())
	v.NoUsers = err == nil && len(users) == 0
	v.Provider, v.Passkeys = c.Auth.ProviderName(), c.Auth.PasskeysOff() == nil
	c.write(w, r, status, "sign-in", "signin", v)
}

func (c *console) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil || !web.Legible(r.PostForm) {
		c.showSignIn(w, r, http.StatusBadRequest, signInView{Next: "/console/alerts", Problem: "That form could not be read.", Mend: "Please try again."})
		return
	}
	view := signInView{Name: r.PostFormValue("name"), Next: local(r.PostFormValue("next"))}
	_, err := c.Auth.SignIn(r.Context(), view.Name, r.PostFormValue("password"), r.RemoteAddr)
	var limit *auth.LimitError
	switch {
	case err == nil:
		http.Redirect(w, r, view.Next, http.StatusSeeOther)
	case errors.Is(err, auth.ErrSecond):
		http.Redirect(w, r, secondPath+"?next="+url.QueryEscape(view.Next), http.StatusSeeOther)
	case errors.As(err, &limit):
		view.Problem = "Too many attempts that failed."
		view.Mend = "Wait " + limit.Words() + ", then try again."
		c.showSignIn(w, r, http.StatusTooManyRequests, view)
	case errors.Is(err, auth.ErrSignIn):
		view.Problem = "The name or the password is wrong."
		view.Mend = "An administrator can set a new password under Users."
		c.showSignIn(w, r, http.StatusUnauthorized, view)
	default:
		c.Log.ErrorContext(r.Context(), "sign in", "error", err)
		view.Problem = "The hub cannot check passwords just now."
		view.Mend = "Its database does not answer. Try again in a moment."
		c.showSignIn(w, r, http.StatusServiceUnavailable, view)
	}
}

func (c *console) signOut(w http.ResponseWriter, v *visit) error {
	if err := c.Auth.SignOut(v.Context()); err != nil {
		return err
	}
	to := signInPath
	if v.who.Way == auth.ByProvider {
		to += "?out=provider"
	}
	http.Redirect(w, v.Request, to, http.StatusSeeOther)
	return nil
}

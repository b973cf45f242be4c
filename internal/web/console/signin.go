package console

import (
	"errors"
	"net/http"

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
}

func (c *console) signInForm(w http.ResponseWriter, r *http.Request) {
	next := local(r.URL.Query().Get("next"))
	if who, ok := auth.From(r.Context()); ok && who.UserID != "" {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	c.showSignIn(w, r, http.StatusOK, signInView{Next: next})
}

func (c *console) showSignIn(w http.ResponseWriter, r *http.Request, status int, v signInView) {
	v.Title, v.Version = "Sign in", c.Version
	users, err := c.Store.Users(r.Context())
	v.NoUsers = err == nil && len(users) == 0
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
	case errors.As(err, &limit):
		view.Problem = "Too many attempts that failed."
		view.Mend = "Wait " + limit.Words() + ", then try again."
		c.showSignIn(w, r, http.StatusTooManyRequests, view)
	case errors.Is(err, auth.ErrSignIn):
		view.Problem = "The name or the password is wrong."
		view.Mend = "An administrator can set a new password under Users."
		c.showSignIn(w, r, http.StatusUnauthorized, view)
	default:
		c.Log.ErrorContext(r.Context(), "sign in", "err", err)
		view.Problem = "The hub cannot check passwords just now."
		view.Mend = "Its database does not answer. Try again in a moment."
		c.showSignIn(w, r, http.StatusServiceUnavailable, view)
	}
}

func (c *console) signOut(w http.ResponseWriter, v *visit) error {
	if err := c.Auth.SignOut(v.Context()); err != nil {
		return err
	}
	http.Redirect(w, v.Request, "/console/sign-in", http.StatusSeeOther)
	return nil
}

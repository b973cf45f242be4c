package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"tocsin/internal/auth"
	"tocsin/internal/web"
)

// Where people come in.
const (
	signInPath = "/console/sign-in"
	secondPath = signInPath + "/second"
	// ProviderBack is where the sign-in provider sends browsers back to.
	ProviderBack = signInPath + "/provider/back"
	// ProviderLogout is where it says by itself that somebody signed out there.
	ProviderLogout = signInPath + "/provider/logout"
)

// mostPasskey is how much of a passkey's ceremony is read.
const mostPasskey = 64 << 10

// doors are the ways in that nobody is signed in for yet.
func (c *console) doors(mux *http.ServeMux) {
	mux.HandleFunc("GET "+secondPath, c.secondForm)
	mux.HandleFunc("POST "+secondPath, c.second)
	mux.HandleFunc("POST "+secondPath+"/begin", c.begin(c.Auth.AskSecond))
	mux.HandleFunc("POST "+secondPath+"/finish", c.finishPasskey)
	mux.HandleFunc("POST "+secondPath+"/add/begin", c.begin(c.Auth.AskAdd))
	mux.HandleFunc("POST "+secondPath+"/add/finish", c.finishAdd)
	mux.HandleFunc("POST "+signInPath+"/passkey/begin", c.begin(c.Auth.AskPasskey))
	mux.HandleFunc("POST "+signInPath+"/passkey/finish", c.finishPasskey)
	mux.HandleFunc("GET "+signInPath+"/provider", c.toProvider)
	mux.HandleFunc("GET "+ProviderBack, c.fromProvider)
	mux.HandleFunc("POST "+ProviderLogout, c.providerLogout)
}

// begin answers what a browser is asked at the beginning of a ceremony.
func (c *console) begin(ask func(ctx context.Context, remote string) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		options, err := ask(r.Context(), r.RemoteAddr)
		if err != nil {
			c.refuseStep(w, r, err)
			return
		}
		answer(w, http.StatusOK, said{PublicKey: options})
	}
}

type secondView struct {
	Title, Version string
	Name           string
	Next           string
	Problem, Mend  string
	Enrol          bool
	Off            string // why no passkey can be used
	Codes          int
}

func (c *console) secondForm(w http.ResponseWriter, r *http.Request) {
	c.showSecond(w, r, http.StatusOK, secondView{Next: local(r.URL.Query().Get("next"))})
}

func (c *console) showSecond(w http.ResponseWriter, r *http.Request, status int, v secondView) {
	p, err := c.Auth.Pending(r.Context())
	if errors.Is(err, auth.ErrStep) {
		http.Redirect(w, r, signInPath+"?next="+url.QueryEscape(v.Next), http.StatusSeeOther)
		return
	}
	if err != nil {
		c.noDatabase(w, r, v.Next, err)
		return
	}
	v.Title, v.Version, v.Name, v.Enrol, v.Codes = "One more step", c.Version, p.User.Label(), p.Enrol, p.Codes
	if why := c.Auth.PasskeysOff(); why != nil {
		v.Off = why.Error()
	}
	c.write(w, r, status, "second", "second", v)
}

func (c *console) noDatabase(w http.ResponseWriter, r *http.Request, next string, err error) {
	c.Log.ErrorContext(r.Context(), "sign in", "error", err)
	c.showSignIn(w, r, http.StatusServiceUnavailable, signInView{Next: next, Problem: "The hub cannot sign anybody in just now.", Mend: "Its database does not answer. Try again in a moment."})
}

// second takes a recovery code.
func (c *console) second(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
	if err := r.ParseForm(); err != nil || !web.Legible(r.PostForm) {
		c.showSecond(w, r, http.StatusBadRequest, secondView{Next: "/console/alerts", Problem: "That form could not be read.", Mend: "Please try again."})
		return
	}
	view := secondView{Next: local(r.PostFormValue("next"))}
	_, err := c.Auth.SignInCode(r.Context(), r.PostFormValue("code"), r.RemoteAddr)
	var limit *auth.LimitError
	switch {
	case err == nil:
		http.Redirect(w, r, view.Next, http.StatusSeeOther)
	case errors.As(err, &limit):
		view.Problem, view.Mend = "Too many attempts that failed.", "Wait "+limit.Words()+", then try again."
		c.showSecond(w, r, http.StatusTooManyRequests, view)
	case errors.Is(err, auth.ErrFactor):
		view.Problem, view.Mend = "This recovery code is wrong, or was used before.", "Each works once. An administrator can reset your passkeys under Users."
		c.showSecond(w, r, http.StatusUnauthorized, view)
	case errors.Is(err, auth.ErrStep):
		http.Redirect(w, r, signInPath+"?next="+url.QueryEscape(view.Next), http.StatusSeeOther)
	default:
		c.noDatabase(w, r, view.Next, err)
	}
}

// said is what a ceremony answers to the page's script.
type said struct {
	PublicKey json.RawMessage `json:"publicKey,omitempty"` // what the browser is asked
	To        string          `json:"to,omitempty"`        // where it leads
	Codes     []string        `json:"codes,omitempty"`     // recovery codes, this once
	Problem   string          `json:"problem,omitempty"`
	Mend      string          `json:"mend,omitempty"`
}

func answer(w http.ResponseWriter, status int, s said) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(s)
}

// refuseStep gives an error of a ceremony its words.
func (c *console) refuseStep(w http.ResponseWriter, r *http.Request, err error) {
	var limit *auth.LimitError
	var field *auth.FieldError
	switch {
	case errors.As(err, &limit):
		answer(w, http.StatusTooManyRequests, said{Problem: "Too many attempts.", Mend: "Wait " + limit.Words() + ", then try again."})
	case errors.As(err, &field):
		answer(w, http.StatusUnprocessableEntity, said{Problem: sentence(field.Field + " " + field.Problem), Mend: sentence(field.Mend)})
	case errors.Is(err, auth.ErrStep):
		answer(w, http.StatusConflict, said{Problem: "This took too long, or was begun elsewhere.", Mend: "Begin again."})
	case errors.Is(err, auth.ErrConfirm):
		answer(w, http.StatusForbidden, said{Problem: "Your password is asked for first.", Mend: "It is a while since you gave it.", To: confirmPath})
	case errors.Is(err, auth.ErrFactor):
		answer(w, http.StatusUnauthorized, said{Problem: "This passkey was refused.", Mend: "It may be of another hub, or was removed here. Try another one, or sign in with your password."})
	case c.Auth.PasskeysOff() != nil:
		answer(w, http.StatusConflict, said{Problem: c.Auth.PasskeysOff().Error()})
	default:
		c.Log.ErrorContext(r.Context(), "passkey", "error", err)
		answer(w, http.StatusServiceUnavailable, said{Problem: "The hub cannot do this just now.", Mend: "Try again in a moment; its log says more."})
	}
}

// finished is what the script sends at the end of a ceremony.
type finished struct {
	Response json.RawMessage `json:"response"`
	Next     string          `json:"next"`
	Name     string          `json:"name"`
}

func readFinished(w http.ResponseWriter, r *http.Request) (f finished, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostPasskey))
	if err == nil {
		err = json.Unmarshal(body, &f)
	}
	if err != nil || len(f.Response) == 0 || !web.Legible(url.Values{"name": {f.Name}, "next": {f.Next}}) {
		answer(w, http.StatusBadRequest, said{Problem: "What the browser sent could not be read.", Mend: "Load the page anew and try again."})
		return f, false
	}
	return f, true
}

func (c *console) finishPasskey(w http.ResponseWriter, r *http.Request) {
	f, ok := readFinished(w, r)
	if !ok {
		return
	}
	if _, err := c.Auth.SignInPasskey(r.Context(), f.Response, r.RemoteAddr); err != nil {
		c.refuseStep(w, r, err)
		return
	}
	answer(w, http.StatusOK, said{To: local(f.Next)})
}

// finishAdd is of who must make a passkey to get in.
func (c *console) finishAdd(w http.ResponseWriter, r *http.Request) {
	f, ok := readFinished(w, r)
	if !ok {
		return
	}
	_, codes, err := c.Auth.AddPasskey(r.Context(), f.Name, f.Response, r.RemoteAddr)
	if err != nil {
		c.refuseStep(w, r, err)
		return
	}
	answer(w, http.StatusOK, said{To: local(f.Next), Codes: codes})
}

func (c *console) toProvider(w http.ResponseWriter, r *http.Request) {
	next := local(r.URL.Query().Get("next"))
	to, err := c.Auth.BeginProvider(r.Context(), next, false, r.RemoteAddr)
	if err != nil {
		c.refuseProvider(w, r, next, err)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // an address of the provider, from its discovery
}

func (c *console) fromProvider(w http.ResponseWriter, r *http.Request) {
	came, err := c.Auth.FinishProvider(r.Context(), r.URL.Query(), r.RemoteAddr)
	switch {
	case err != nil:
		c.refuseProvider(w, r, "/console/alerts", err)
	case came.Link != "":
		http.Redirect(w, r, linkedPath, http.StatusSeeOther)
	default:
		// The address holds a code, used up as it is: it is left behind at once.
		http.Redirect(w, r, local(came.Next), http.StatusSeeOther)
	}
}

func (c *console) refuseProvider(w http.ResponseWriter, r *http.Request, next string, err error) {
	view := signInView{Next: next}
	status := http.StatusForbidden
	var limit *auth.LimitError
	var p *auth.ProviderError
	switch {
	case errors.As(err, &limit):
		status, view.Problem, view.Mend = http.StatusTooManyRequests, "Too many attempts.", "Wait "+limit.Words()+", then try again."
	case errors.As(err, &p):
		view.Problem, view.Mend = p.Problem, p.Mend
		if p.Away {
			status = http.StatusBadGateway
		}
	default:
		c.noDatabase(w, r, next, err)
		return
	}
	c.showSignIn(w, r, status, view)
}

// providerLogout takes a logout token of the provider's (OpenID Connect Back-Channel
// Logout 1.0, 2.8). No browser is behind it.
func (c *console) providerLogout(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, mostPasskey)
	err := r.ParseForm()
	if err == nil {
		_, err = c.Auth.ProviderLogout(r.Context(), r.PostForm.Get("logout_token"), r.RemoteAddr)
	}
	var limit *auth.LimitError
	var p *auth.ProviderError
	status := http.StatusOK
	switch {
	case errors.As(err, &limit):
		status = http.StatusTooManyRequests
	case errors.As(err, &p) && p.Away:
		status = http.StatusBadGateway
	case errors.As(err, &p):
		status = http.StatusBadRequest
	case err != nil:
		c.Log.ErrorContext(r.Context(), "sign-out by the provider", "error", err)
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if status == http.StatusBadRequest {
		_, _ = io.WriteString(w, `{"error":"invalid_request"}`)
	}
}

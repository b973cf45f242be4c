package console

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/auth/passkey"
	"tocsin/internal/fault"
)

// The pages of somebody's own account.
const (
	accountPath = "/console/account"
	confirmPath = accountPath + "/confirm"
	linkedPath  = accountPath + "/linked"
)

func (c *console) accountRoutes() []routing {
	return []routing{
		{"GET " + accountPath, "", c.account},
		{"POST " + accountPath + "/password", "", c.changePassword},
		{"GET " + confirmPath, "", c.confirmForm},
		{"POST " + confirmPath, "", c.confirmSelf},
		{"POST " + accountPath + "/passkeys/begin", "", c.addPasskeyBegin},
		{"POST " + accountPath + "/passkeys/finish", "", c.addPasskeyFinish},
		{"POST " + accountPath + "/passkeys/{id}", "", c.renamePasskey},
		{"GET " + accountPath + "/passkeys/{id}/remove", "", c.askRemovePasskey},
		{"POST " + accountPath + "/passkeys/{id}/remove", "", c.removePasskey},
		{"POST " + accountPath + "/codes", "", c.newCodes},
		{"GET " + accountPath + "/link", "", c.linkAccount},
		{"GET " + linkedPath, "", c.askLinked},
		{"POST " + linkedPath, "", c.takeLinked},
		{"POST " + accountPath + "/unlink", "", c.unlinkOwn},
		{"POST " + accountPath + "/sessions/end", "", c.endOthers},
		{"POST " + accountPath + "/sessions/{id}/end", "", c.endOwn},

		{"POST /console/users/{id}/sessions/end", auth.Administer, c.endAllOf},
		{"POST /console/users/{id}/sessions/{session}/end", auth.Administer, c.endOf},
		{"GET /console/users/{id}/reset", auth.Administer, c.askReset},
		{"POST /console/users/{id}/reset", auth.Administer, c.resetFactors},
		{"POST /console/users/{id}/link", auth.Administer, c.linkUser},
		{"POST /console/users/{id}/unlink", auth.Administer, c.unlinkUser},
	}
}

type passkeyRow struct {
	auth.Passkey
	passkey.About
}

// ways are somebody's ways in, and where they are signed in.
type ways struct {
	Passkeys []passkeyRow
	Codes    int
	Made     time.Time
	Accounts []auth.Identity
	Sessions []auth.Active
	Provider string // empty: there is none
	Of       string // whose, in an address: "" one's own, else the user's page
}

func (c *console) waysOf(v *visit, userID, of string) (ways, error) {
	f, err := c.Auth.FactorsOf(v.Context(), userID)
	if err != nil {
		return ways{}, err
	}
	out := ways{Codes: f.Codes, Made: f.Made, Accounts: f.Accounts, Provider: c.Auth.ProviderName(), Of: of}
	for _, p := range f.Passkeys {
		out.Passkeys = append(out.Passkeys, passkeyRow{p, passkey.Tell(p.Body)})
	}
	out.Sessions, err = c.Auth.SessionsOf(v.Context(), userID)
	return out, err
}

// Others is how many sessions there are besides the one that asks.
func (w ways) Others() int {
	n := 0
	for _, s := range w.Sessions {
		if !s.This {
			n++
		}
	}
	return n
}

type accountView struct {
	shell
	ways
	User     auth.User
	Password form
	Off      string   // why no passkey can be used here
	Fresh    []string // recovery codes just made
	Must     bool     // the role asks for a passkey
	Confirm  bool     // changes ask for the password first
}

func (c *console) account(w http.ResponseWriter, v *visit) error {
	return c.showAccount(w, v, http.StatusOK, nil, nil)
}

func (c *console) showAccount(w http.ResponseWriter, v *visit, status int, codes []string, why error) error {
	u, err := c.Store.UserByID(v.Context(), v.who.UserID)
	if err != nil {
		return err
	}
	of, err := c.waysOf(v, u.ID, "")
	if err != nil {
		return err
	}
	set, err := c.Store.Settings(v.Context())
	if err != nil {
		return err
	}
	view := accountView{ways: of, User: u, Fresh: codes, Must: set.NeedsPasskey(string(u.Role)), Confirm: !c.Auth.Recently(v.who), Password: form{
		Action: accountPath + "/password", Submit: "Change password", Sections: []section{{Fields: []field{
			{Name: "current", Label: "Password now", Kind: "password", Required: true, Half: true, Auto: "current-password"},
			{Name: "password", Label: "New password", Kind: "password", Required: true, Half: true, Auto: "new-password", Hint: "At least 10 characters. You sign in again with it."},
		}}}}}
	if why != nil && !view.Password.refused(why) {
		return why
	}
	if off := c.Auth.PasskeysOff(); off != nil {
		view.Off = off.Error()
	}
	view.shell = c.shell(w, v, accountPath, "Your account")
	c.write(w, v.Request, status, "account", "shell", view)
	return nil
}

func (c *console) changePassword(w http.ResponseWriter, v *visit) error {
	err := c.Auth.Confirm(v.Context(), v.who.UserID, v.PostFormValue("current"), v.RemoteAddr)
	if status, why := wrongPassword(err); why != nil {
		return c.showAccount(w, v, status, nil, why)
	}
	if err != nil {
		return err
	}
	password := v.PostFormValue("password")
	if _, err := c.Auth.ChangeUser(v.Context(), v.who.UserID, auth.UserChange{Password: &password}); err != nil {
		return c.showAccount(w, v, http.StatusUnprocessableEntity, nil, err)
	}
	http.Redirect(w, v.Request, signInPath, http.StatusSeeOther)
	return nil
}

// wrongPassword gives the errors of a password that was asked for once more their words.
func wrongPassword(err error) (status int, why error) {
	var limit *auth.LimitError
	switch {
	case errors.As(err, &limit):
		return http.StatusTooManyRequests, &auth.FieldError{Field: "current", Problem: "there were too many attempts", Mend: "wait " + limit.Words() + ", then try again"}
	case errors.Is(err, auth.ErrSignIn):
		return http.StatusUnprocessableEntity, &auth.FieldError{Field: "current", Problem: "this is not your password", Mend: "type the one that you signed in with"}
	}
	return 0, nil
}

func (c *console) confirmForm(w http.ResponseWriter, v *visit) error {
	return c.showConfirm(w, v, http.StatusOK, nil)
}

// showConfirm asks somebody who is signed in to prove to be there, before their ways in
// are changed.
func (c *console) showConfirm(w http.ResponseWriter, v *visit, status int, why error) error {
	u, err := c.Store.UserByID(v.Context(), v.who.UserID)
	if err != nil {
		return err
	}
	f := form{Action: confirmPath, Submit: "Go on", Cancel: accountPath, Sections: []section{{Fields: []field{
		{Name: "current", Label: "Your password", Kind: "password", Required: true, Half: true, Auto: "current-password"},
	}}}}
	intro := "It is a while since you signed in. Whoever finds this browser open shall not get a way in of their own."
	if u.PasswordHash == "" {
		f.Sections, f.Locked = nil, true
		intro = "You have no password here, and it is a while since you signed in. Sign out and in again, then go on."
	}
	if why != nil && !f.refused(why) {
		return why
	}
	return c.showForm(w, v, status, formView{shell: c.shell(w, v, accountPath, "Is it you?"), Heading: "Is it you?", Intro: intro, Form: f})
}

func (c *console) confirmSelf(w http.ResponseWriter, v *visit) error {
	err := c.Auth.Confirm(v.Context(), v.who.UserID, v.PostFormValue("current"), v.RemoteAddr)
	if status, why := wrongPassword(err); why != nil {
		return c.showConfirm(w, v, status, why)
	}
	if err != nil {
		return err
	}
	return done(w, v, accountPath, "Thank you. For 15 minutes you can change how you sign in.")
}

// sure says whether the ways in may be changed now, and else leads to the question.
func (c *console) sure(w http.ResponseWriter, v *visit) bool {
	if c.Auth.Recently(v.who) {
		return true
	}
	http.Redirect(w, v.Request, confirmPath, http.StatusSeeOther)
	return false
}

func (c *console) addPasskeyBegin(w http.ResponseWriter, v *visit) error {
	c.begin(c.Auth.AskAdd)(w, v.Request)
	return nil
}

func (c *console) addPasskeyFinish(w http.ResponseWriter, v *visit) error {
	f, ok := readFinished(w, v.Request)
	if !ok {
		return nil
	}
	p, codes, err := c.Auth.AddPasskey(v.Context(), f.Name, f.Response, v.RemoteAddr)
	if err != nil {
		c.refuseStep(w, v.Request, err)
		return nil
	}
	if len(codes) == 0 {
		say(w, "good", "Added the passkey "+p.Name+".")
	}
	answer(w, http.StatusOK, said{To: accountPath, Codes: codes})
	return nil
}

func (c *console) renamePasskey(w http.ResponseWriter, v *visit) error {
	name := text(v.PostForm, "name")
	err := c.Auth.RenamePasskey(v.Context(), v.who.UserID, v.PathValue("id"), name)
	return c.toldOr(w, v, err, accountPath+"#passkeys", "The passkey is called "+name+" now.")
}

// toldOr ends a small form: with what was done, or with what is wrong with it.
func (c *console) toldOr(w http.ResponseWriter, v *visit, err error, to, good string) error {
	var f *auth.FieldError
	if errors.As(err, &f) {
		say(w, "bad", "Nothing was changed: "+f.Field+" "+f.Problem+". "+sentence(f.Mend))
		http.Redirect(w, v.Request, to, http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	return done(w, v, to, good)
}

func (c *console) askRemovePasskey(w http.ResponseWriter, v *visit) error {
	of, err := c.waysOf(v, v.who.UserID, "")
	if err != nil {
		return err
	}
	name := ""
	for _, p := range of.Passkeys {
		if p.ID == v.PathValue("id") {
			name = p.Name
		}
	}
	if name == "" {
		return fault.ErrNotFound
	}
	view := confirmView{Heading: "Remove the passkey " + name + "?", Action: accountPath + "/passkeys/" + v.PathValue("id") + "/remove", Back: accountPath, Button: "Remove passkey",
		Effects: []string{"It does not sign you in any more. On the device it stays until you remove it there."}}
	if len(of.Passkeys) == 1 {
		view.Effects = append(view.Effects, "It is your last one: your password alone signs you in then, and the recovery codes go with it.")
	}
	return c.confirm(w, v, accountPath, view)
}

func (c *console) removePasskey(w http.ResponseWriter, v *visit) error {
	if !c.sure(w, v) {
		return nil
	}
	err := c.Auth.RemovePasskey(v.Context(), v.who.UserID, v.PathValue("id"))
	return c.toldOr(w, v, err, accountPath, "The passkey is removed.")
}

func (c *console) newCodes(w http.ResponseWriter, v *visit) error {
	if !c.sure(w, v) {
		return nil
	}
	codes, err := c.Auth.NewCodes(v.Context(), v.who.UserID)
	var f *auth.FieldError
	if errors.As(err, &f) {
		return c.toldOr(w, v, err, accountPath, "")
	}
	if err != nil {
		return err
	}
	return c.showAccount(w, v, http.StatusOK, codes, nil)
}

func (c *console) linkAccount(w http.ResponseWriter, v *visit) error {
	to, err := c.Auth.BeginProvider(v.Context(), accountPath, true, v.RemoteAddr)
	var p *auth.ProviderError
	var limit *auth.LimitError
	switch {
	case errors.Is(err, auth.ErrConfirm):
		to = confirmPath
	case errors.As(err, &p):
		say(w, "bad", p.Problem+" "+p.Mend)
		to = accountPath
	case errors.As(err, &limit):
		say(w, "bad", "Too many attempts. Wait "+limit.Words()+", then try again.")
		to = accountPath
	case err != nil:
		return err
	}
	http.Redirect(w, v.Request, to, http.StatusSeeOther)
	return nil
}

func (c *console) askLinked(w http.ResponseWriter, v *visit) error {
	name, err := c.Auth.LinkOffered(v.Context(), v.who.UserID)
	if errors.Is(err, auth.ErrStep) {
		say(w, "bad", "This took too long. Begin again.")
		http.Redirect(w, v.Request, accountPath, http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	at := c.Auth.ProviderName()
	return c.confirm(w, v, accountPath, confirmView{Heading: "Sign in as " + name + " at " + at + "?", Action: linkedPath, Back: accountPath, Button: "Link this account",
		Effects: []string{"Whoever signs in at " + at + " as " + name + " is " + v.who.Label() + " here from then on.", "Where groups at " + at + " say who is what, they say what you are, at each sign-in."}})
}

func (c *console) takeLinked(w http.ResponseWriter, v *visit) error {
	err := c.Auth.TakeLink(v.Context(), v.who.UserID)
	if errors.Is(err, auth.ErrStep) {
		err = &auth.FieldError{Field: "this", Problem: "took too long", Mend: "begin again"}
	}
	return c.toldOr(w, v, err, accountPath, "The account is linked.")
}

func (c *console) unlinkOwn(w http.ResponseWriter, v *visit) error {
	if !c.sure(w, v) {
		return nil
	}
	err := c.Auth.Unlink(v.Context(), v.who.UserID, v.PostFormValue("issuer"), v.PostFormValue("subject"), false)
	return c.toldOr(w, v, err, accountPath, "The account is not linked any more.")
}

func (c *console) endOwn(w http.ResponseWriter, v *visit) error {
	err := c.Auth.EndSession(v.Context(), v.who.UserID, v.PathValue("id"))
	return c.toldOr(w, v, err, accountPath+"#sessions", "That session is ended.")
}

func (c *console) endOthers(w http.ResponseWriter, v *visit) error {
	n, err := c.Auth.EndOthers(v.Context(), v.who.UserID)
	return c.toldOr(w, v, err, accountPath+"#sessions", "Ended "+count(n, "other session", "other sessions")+".")
}

// The same by administrators, of others.

func (c *console) endOf(w http.ResponseWriter, v *visit) error {
	err := c.Auth.EndSession(v.Context(), v.PathValue("id"), v.PathValue("session"))
	return c.toldOr(w, v, err, userPath(v), "That session is ended.")
}

func (c *console) endAllOf(w http.ResponseWriter, v *visit) error {
	n, err := c.Auth.EndOthers(v.Context(), v.PathValue("id"))
	return c.toldOr(w, v, err, userPath(v), "Ended "+count(n, "session", "sessions")+".")
}

func userPath(v *visit) string { return "/console/users/" + url.PathEscape(v.PathValue("id")) }

func (c *console) askReset(w http.ResponseWriter, v *visit) error {
	u, err := c.Store.UserByID(v.Context(), v.PathValue("id"))
	if err != nil {
		return err
	}
	return c.confirm(w, v, "/console/users", confirmView{Heading: "Remove all passkeys of " + u.Label() + "?", Action: userPath(v) + "/reset", Back: userPath(v), Button: "Remove all",
		Effects: []string{"All passkeys and recovery codes are removed, for somebody who lost them.", "The password alone signs in then: be sure who asks for it.", "The user is signed out everywhere."}})
}

func (c *console) resetFactors(w http.ResponseWriter, v *visit) error {
	n, err := c.Auth.ResetFactors(v.Context(), v.PathValue("id"))
	return c.toldOr(w, v, err, userPath(v), "Removed "+count(n, "passkey", "passkeys")+" and all recovery codes.")
}

func (c *console) linkUser(w http.ResponseWriter, v *visit) error {
	err := c.Auth.LinkSubject(v.Context(), v.PathValue("id"), v.PostFormValue("subject"))
	return c.toldOr(w, v, err, userPath(v), "The account is linked.")
}

func (c *console) unlinkUser(w http.ResponseWriter, v *visit) error {
	err := c.Auth.Unlink(v.Context(), v.PathValue("id"), v.PostFormValue("issuer"), v.PostFormValue("subject"), true)
	return c.toldOr(w, v, err, userPath(v), "The account is not linked any more.")
}

package console

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/health"
)

type keysView struct {
	shell
	Rows  []keyRow
	Fresh string // the key just made, shown once
	Name  string // its name
	Base  string
}

type keyRow struct {
	auth.APIKey
	Scope []string
}

// Look is whether the key lets anybody in.
func (r keyRow) look(now time.Time) look {
	switch {
	case !r.RevokedAt.IsZero():
		return look{"Revoked", "no", "dim"}
	case !r.Live(now):
		return look{"Expired", "warn", "warn"}
	}
	if left := r.ExpiresAt.Sub(now); !r.ExpiresAt.IsZero() && left < health.KeySoon {
		return look{"Expires in " + length(left), "warn", "warn"}
	}
	return look{"In force", "ok", "good"}
}

type keyLine struct {
	keyRow
	Look look
}

type keyListView struct {
	keysView
	Lines []keyLine
}

func (c *console) keys(w http.ResponseWriter, v *visit) error {
	return c.showKeys(w, v, "", "")
}

func (c *console) showKeys(w http.ResponseWriter, v *visit, fresh, name string) error {
	all, err := c.Store.APIKeys(v.Context())
	if err != nil {
		return err
	}
	view := keyListView{keysView: keysView{shell: c.shell(w, v, "/console/keys", "API keys"), Fresh: fresh, Name: name, Base: c.base(v)}}
	for _, k := range all {
		r := keyRow{APIKey: k}
		for _, s := range k.Scopes {
			r.Scope = append(r.Scope, scopeWord(s))
		}
		view.Lines = append(view.Lines, keyLine{r, r.look(v.now)})
	}
	return c.show(w, v, "keys", view)
}

func scopeWord(s auth.Scope) string {
	switch s {
	case auth.ReadAlerts:
		return "Read alerts"
	case auth.AckAlerts:
		return "Acknowledge"
	case auth.Downtime:
		return "Schedule downtimes"
	case auth.ReadConfig:
		return "Read contacts, rules, sources"
	case auth.WriteConfig:
		return "Change contacts, groups, rules, periods"
	case auth.Publish:
		return "Publish on status pages"
	case auth.Bounces:
		return "Say which letters came back (tocsin bounce)"
	case auth.Administer:
		return "Everything"
	}
	return string(s)
}

func (c *console) newKey(w http.ResponseWriter, v *visit) error {
	return c.showKeyForm(w, v, http.StatusOK, "", []string{string(auth.ReadAlerts)}, "-", "", nil)
}

// keyDays are the usual lives of a key.
func keyDays() []int { return []int{7, 30, 90, 365} }

// showKeyForm draws the form; preset is what was chosen of the usual lives, "-" for a
// form that nobody filled in yet.
func (c *console) showKeyForm(w http.ResponseWriter, v *visit, status int, name string, scopes []string, preset, expires string, why error) error {
	var options []option
	for _, s := range auth.AllScopes() {
		options = append(options, option{string(s), scopeWord(s), slices.Contains(scopes, string(s))})
	}
	lasts := []option{{"day", "Until the day given beside", false}}
	for _, days := range keyDays() {
		lasts = append(lasts, option{strconv.Itoa(days), count(days, "day", "days"), days == 90})
	}
	lasts = append(lasts, option{"never", "Until it is revoked", false})
	for i := range lasts {
		if preset != "-" {
			lasts[i].Selected = lasts[i].Value == preset
		}
	}
	f := form{Action: "/console/keys/new", Submit: "Create key and show it", Cancel: "/console/keys", Sections: []section{{Fields: []field{
		{Name: "name", Label: "Name", Kind: "text", Value: name, Required: true, Half: true, Hint: "What program it is for.", Auto: "off"},
		{Name: "lasts", Label: "Valid for", Kind: "select", Options: lasts, Half: true, Hint: "System health warns before a key that is used expires."},
		{Name: "expires_at", Label: "Valid until", Kind: "date", Value: expires, Half: true, Hint: "The end of that day, UTC.", When: "lasts=day"},
		{Name: "scopes", Label: "May", Kind: "checks", Options: options},
	}}}}
	if why != nil && !f.refused(why) {
		return why
	}
	return c.showForm(w, v, status, formView{shell: c.shell(w, v, "/console/keys", "New API key"), Heading: "New API key", Intro: "Lets a program in. The key is shown once.", Form: f})
}

func (c *console) createKey(w http.ResponseWriter, v *visit) error {
	name, scopes, day := text(v.PostForm, "name"), chosen(v.PostForm, "scopes"), text(v.PostForm, "expires_at")
	preset := text(v.PostForm, "lasts")
	expires, err := keyEnd(v.now, preset, day)
	if err != nil {
		return c.showKeyForm(w, v, http.StatusUnprocessableEntity, name, scopes, preset, day, err)
	}
	var of []auth.Scope
	for _, s := range scopes {
		of = append(of, auth.Scope(s))
	}
	k, token, err := c.Auth.AddKey(v.Context(), name, of, expires)
	if err != nil {
		return c.showKeyForm(w, v, http.StatusUnprocessableEntity, name, scopes, preset, day, err)
	}
	return c.showKeys(w, v, token, k.Name)
}

// keyEnd is when a key of this life ends; zero: never.
func keyEnd(now time.Time, preset, day string) (time.Time, error) {
	if preset == "never" {
		return time.Time{}, nil
	}
	if days, err := strconv.Atoi(preset); err == nil && slices.Contains(keyDays(), days) {
		return now.AddDate(0, 0, days), nil
	}
	switch {
	case preset != "" && preset != "day":
		return time.Time{}, &auth.FieldError{Field: "lasts", Problem: "this is not offered", Mend: "choose one"}
	case preset == "" && day == "": // as scripts send it that know of no presets
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return time.Time{}, &auth.FieldError{Field: "expires_at", Problem: "this is no date", Mend: "write it as 2027-12-31"}
	}
	return t.AddDate(0, 0, 1), nil
}

func (c *console) keyOf(v *visit) (auth.APIKey, error) {
	all, err := c.Store.APIKeys(v.Context())
	if err != nil {
		return auth.APIKey{}, err
	}
	for _, k := range all {
		if k.ID == v.PathValue("id") {
			return k, nil
		}
	}
	return auth.APIKey{}, fault.ErrNotFound
}

func (c *console) askRevokeKey(w http.ResponseWriter, v *visit) error {
	k, err := c.keyOf(v)
	if err != nil {
		return err
	}
	view := confirmView{Heading: "Revoke the API key " + k.Name + "?", Action: "/console/keys/" + k.ID + "/delete", Back: "/console/keys", Button: "Revoke key",
		Effects: []string{"Programs that use it are refused at once.", "It stays in the list as revoked."}}
	return c.confirm(w, v, "/console/keys", view)
}

func (c *console) revokeKey(w http.ResponseWriter, v *visit) error {
	if err := c.Auth.RevokeKey(v.Context(), v.PathValue("id")); err != nil {
		return err
	}
	return done(w, v, "/console/keys", "The key is revoked.")
}

package console

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/status"
	"tocsin/internal/status/words"
)

// pageRoutes are how public pages are made up: pages, groups, components, what they are bound to.
func (c *console) pageRoutes() []routing {
	one, part, group := statusPagesPath+"/{id}", componentsPath+"/{id}", componentGroupsPath+"/{id}"
	return []routing{
		{"GET " + statusPagesPath, auth.ReadConfig, c.statusPages},
		{"GET " + one, auth.ReadConfig, c.statusPage},
		{"POST " + one, auth.WriteConfig, c.saveStatusPage},
		{"GET " + one + "/logo", auth.ReadConfig, c.statusLogo},
		{"POST " + one + "/logo", auth.WriteConfig, c.saveStatusLogo},
		{"POST " + one + "/logo/remove", auth.WriteConfig, c.removeStatusLogo},
		{"GET " + one + "/delete", auth.Administer, c.askDeleteStatusPage},
		{"POST " + one + "/delete", auth.Administer, c.deleteStatusPage},

		{"GET " + componentsPath, auth.ReadConfig, c.components},
		{"POST " + componentsPath + "/order", auth.WriteConfig, c.orderComponents},
		{"POST " + componentsPath + "/matches", auth.ReadConfig, c.matches},
		{"GET " + part, auth.ReadConfig, c.component},
		{"POST " + part, auth.WriteConfig, c.saveComponent},
		{"POST " + part + "/bindings", auth.WriteConfig, c.redrawBindings},
		{"POST " + part + "/move", auth.WriteConfig, c.moveComponent},
		{"POST " + part + "/hide", auth.WriteConfig, c.hideComponent},
		{"GET " + part + "/state", auth.Publish, c.askState},
		{"POST " + part + "/state", auth.Publish, c.setState},
		{"POST " + part + "/follow", auth.Publish, c.followAlerts},
		{"GET " + part + "/delete", auth.WriteConfig, c.askDeleteComponent},
		{"POST " + part + "/delete", auth.WriteConfig, c.deleteComponent},

		{"GET " + group, auth.ReadConfig, c.partGroup},
		{"POST " + group, auth.WriteConfig, c.savePartGroup},
		{"POST " + group + "/move", auth.WriteConfig, c.movePartGroup},
		{"GET " + group + "/delete", auth.WriteConfig, c.askDeletePartGroup},
		{"POST " + group + "/delete", auth.WriteConfig, c.deletePartGroup},
	}
}

type statusPagesView struct {
	shell
	Rows []statusPageRow
}

type statusPageRow struct {
	status.Page
	Address    string // where visitors find it
	State      status.State
	Components int
	Devices    int // that are told by Web Push
	Speaks     string
	Who        look // who may see it
	Ways       []string
}

func (c *console) statusPages(w http.ResponseWriter, v *visit) error {
	pages, err := c.Store.StatusPages(v.Context())
	if err != nil {
		return err
	}
	languages, err := words.Load()
	if err != nil {
		return err
	}
	view := statusPagesView{shell: c.shell(w, v, statusPagesPath, "Status pages")}
	for _, p := range mainFirst(pages) {
		row := statusPageRow{Page: p, Address: c.pageAddress(v, &p), Speaks: languages.For(p.Language, "").Name}
		tree, err := c.tree(v, p.ID)
		if err != nil {
			return err
		}
		row.State, row.Components = tree.State, tree.Count
		if row.Devices, err = c.Store.CountSubscriptions(v.Context(), p.ID); err != nil {
			return err
		}
		row.Who, row.Ways = audience(&p.Private)
		view.Rows = append(view.Rows, row)
	}
	return c.show(w, v, "statuspages", view)
}

// mainFirst is the main page, then the others by name.
func mainFirst(pages []status.Page) []status.Page {
	pages = slices.Clone(pages)
	slices.SortStableFunc(pages, func(a, b status.Page) int {
		if a.Main != b.Main {
			if a.Main {
				return -1
			}
			return 1
		}
		return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
	})
	return pages
}

// audience is who may see a page, and the ways in of one that is private.
func audience(p *status.Private) (look, []string) {
	var ways []string
	if p.PasswordHash != "" {
		ways = append(ways, "with the password")
	}
	if p.SignedIn {
		ways = append(ways, "who is signed in here")
	}
	if n := len(p.Networks); n > 0 {
		ways = append(ways, "from "+count(n, "network", "networks"))
	}
	if len(ways) == 0 {
		return look{"Everybody", "globe", "good"}, nil
	}
	return look{"Private", "lock", "info"}, ways
}

// pageAddress is where visitors find a page, in full.
func (c *console) pageAddress(v *visit, p *status.Page) string {
	scheme, _, _ := strings.Cut(c.base(v), "://")
	switch {
	case p.Host != "":
		return scheme + "://" + p.Host + "/"
	case p.Main:
		return c.base(v) + "/"
	}
	return c.base(v) + "/s/" + p.Slug + "/"
}

// pageByID is a page; fault.ErrNotFound if there is none.
func (c *console) pageByID(v *visit, id string) (status.Page, error) {
	pages, err := c.Store.StatusPages(v.Context())
	if err != nil {
		return status.Page{}, err
	}
	if i := slices.IndexFunc(pages, func(p status.Page) bool { return p.ID == id }); i >= 0 {
		return pages[i], nil
	}
	return status.Page{}, fmt.Errorf("page %q: %w", id, fault.ErrNotFound)
}

// formPage is the page that a form is about: a stored one, or a new one.
func (c *console) formPage(v *visit) (status.Page, error) {
	if id := v.PathValue("id"); id != "new" {
		return c.pageByID(v, id)
	}
	return status.Page{Language: words.Default, Zone: "UTC"}, nil
}

func (c *console) statusPage(w http.ResponseWriter, v *visit) error {
	p, err := c.formPage(v)
	if err != nil {
		return err
	}
	return c.showStatusPage(w, v, http.StatusOK, p, pageTexts(&p), nil)
}

// restricted is the value of the field that says that a page is not for everybody.
const restricted = "some"

func pageTexts(p *status.Page) url.Values {
	in := url.Values{
		"name": {p.Name}, "about": {p.About}, "support": {p.Support}, "accent": {p.Accent}, "slug": {p.Slug}, "host": {p.Host},
		"language": {p.Language}, "zone": {p.Zone}, "networks": {strings.Join(p.Private.Networks, "\n")},
	}
	if _, ways := audience(&p.Private); len(ways) > 0 {
		in.Set("seen_by", restricted)
	}
	if p.Private.SignedIn {
		in.Set("signed_in", "on")
	}
	if p.Main {
		in.Set("main", "on")
	}
	return in
}

// pageSeen is what the form of a page shows of it.
func pageSeen(p *status.Page) url.Values {
	in := pageTexts(p)
	in.Set("password", p.Private.PasswordHash)
	return in
}

type statusPageView struct {
	shell
	Page    status.Page
	New     bool
	Form    form
	Address string
	Logo    string // address of the picture here; empty: none
	Said    *flash // what became of a logo that was sent
	Kept    int    // bytes that a logo may have, in KiB
}

// showStatusPage draws the form of a page; in is what its fields hold and why the
// error that refused it.
func (c *console) showStatusPage(w http.ResponseWriter, v *visit, code int, p status.Page, in url.Values, why error) error {
	id, heading := v.PathValue("id"), "New status page"
	view := statusPageView{Page: p, New: id == "new", Kept: maxLogo >> 10}
	f, err := c.statusPageForm(v, &p, in)
	if err != nil {
		return err
	}
	if !view.New {
		heading, view.Address = p.Name, c.pageAddress(v, &p)
		if v.may(auth.Administer) {
			f.Delete = statusPagesPath + "/" + id + "/delete"
		}
		if p.Logo != "" {
			view.Logo = statusPagesPath + "/" + id + "/logo?v=" + url.QueryEscape(p.Logo)
		}
	}
	if why != nil && !blamePage(&f, why) {
		return why
	}
	f.Seen = seenFrom(v, pageSeen(&p), why)
	view.Form = f
	view.shell = c.shell(w, v, statusPagesPath, heading)
	if view.Flash != nil && view.Flash.About == "logo" {
		view.Said, view.Flash = view.Flash, nil
	}
	c.write(w, v.Request, code, "statuspage", "shell", view)
	return nil
}

// blamePage puts what a page was refused for to the field that it is about.
func blamePage(f *form, why error) bool {
	var field *status.FieldError
	if errors.As(why, &field) {
		if rest, ok := strings.CutPrefix(field.Field, "private."); ok {
			f.blame(rest, field.Problem, field.Mend)
			return true
		}
	}
	return f.refused(why)
}

func (c *console) statusPageForm(v *visit, p *status.Page, in url.Values) (form, error) {
	languages, err := words.Load()
	if err != nil {
		return form{}, err
	}
	var spoken []option
	for _, tag := range languages.Tags() {
		spoken = append(spoken, option{tag, languages[tag].Name, tag == languages.For(in.Get("language"), "").Tag})
	}
	id := v.PathValue("id")
	here := strings.TrimPrefix(strings.TrimPrefix(c.base(v), "https://"), "http://")
	main := field{Name: "main", Label: "The main page, at " + here + "/", Kind: "checkbox", Checked: in.Get("main") != "",
		Hint: "There is one; the page that was it before keeps its other address."}
	if pages, err := c.Store.StatusPages(v.Context()); err != nil {
		return form{}, err
	} else if len(pages) == 0 {
		main = field{Name: "main", Label: "Main page", Kind: "static", Look: &look{"Yes", "ok", "good"}, Value: here + "/", Hint: "The first page is. Another one can be made it later."}
	}
	if p.Main {
		main = field{Name: "main", Label: "Main page", Kind: "static", Look: &look{"Yes", "ok", "good"}, Value: here + "/", Hint: "To change that, make another page the main one."}
	}
	private := "seen_by=" + restricted
	return form{
		Action: statusPagesPath + "/" + id, Submit: "Save page", Cancel: statusPagesPath, Locked: !v.may(auth.WriteConfig),
		Sections: []section{
			{Title: "What visitors read", Fields: []field{
				{Name: "name", Label: "Name", Kind: "text", Value: in.Get("name"), Required: true, Half: true, Sample: "Example Cloud", Hint: "Of the company or the service, as visitors know it."},
				{Name: "support", Label: "Where they get help", Kind: "text", Value: in.Get("support"), Half: true, Sample: "mailto:help@example.com", Hint: "An https: or mailto: address, or nothing."},
				{Name: "about", Label: "About", Kind: "textarea", Value: in.Get("about"), Rows: 3, Hint: "Stands above the components, in Markdown. May be empty."},
			}},
			{Title: "Where it is", Fields: []field{
				{Name: "slug", Label: "Short name in its address", Kind: "text", Value: in.Get("slug"), Mono: true, Half: true, Sample: "example", Hint: here + "/s/… Small letters, digits and hyphens. Empty: made of the name."},
				{Name: "host", Label: "Host name of its own", Kind: "text", Value: in.Get("host"), Mono: true, Half: true, Sample: "status.example.com", Hint: "Its name in the DNS must lead to this hub, or to the proxy in front of it. May be empty."},
				main,
			}},
			{Title: "How it looks and speaks", Fields: []field{
				{Name: "language", Label: "Language", Kind: "select", Options: spoken, Half: true, Hint: "For visitors whose own we do not have, and for what is sent to them."},
				{Name: "zone", Label: "Time zone", Kind: "text", Value: in.Get("zone"), List: "zones", Half: true, Required: true, Hint: "Days begin and end by it. Visitors see times in their own."},
				{Name: "accent", Label: "Accent colour", Kind: "text", Value: in.Get("accent"), Mono: true, Half: true, Sample: "#1d5fd1", Hint: "Empty: ours. Made lighter or darker where it could not be read."},
			}},
			{Title: "Who may see it", Hint: "One gate for all of it: the page, its feeds, JSON and badges, and who may be told.", Fields: []field{
				{Name: "seen_by", Label: "Open to", Kind: "select", Half: true, Options: []option{
					{"", "Everybody", in.Get("seen_by") == ""}, {restricted, "Only those who pass one of these", in.Get("seen_by") == restricted}}},
				{Name: "password", Label: "A password", Kind: "password", Secret: true, Stored: p.Private.PasswordHash != "", Auto: "new-password", Half: true, When: private, Hint: "The same for all visitors. Another one ends what the old one opened."},
				{Name: "signed_in", Label: "Whoever is signed in to this hub", Kind: "checkbox", Checked: in.Get("signed_in") != "", When: private},
				{Name: "networks", Label: "Networks", Kind: "textarea", Value: in.Get("networks"), Rows: 3, Mono: true, When: private, Sample: "10.0.0.0/8", Hint: "One a line, such as 192.0.2.0/24 or 2001:db8::/32. Behind a proxy, set which ones are trusted, or all visitors seem to come from it."},
			}},
		},
	}, nil
}

// slugOf is a short name made of a name, such as an address can have.
func slugOf(name string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(name) {
		plain, ok := map[rune]string{'ä': "ae", 'ö': "oe", 'ü': "ue", 'ß': "ss", 'é': "e", 'è': "e", 'ê': "e", 'à': "a", 'á': "a", 'ç': "c", 'ñ': "n", 'ó': "o", 'í': "i", 'ú': "u"}[r]
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			plain, ok = string(r), true
		}
		if !ok {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		b.WriteString(plain)
		if b.Len() > 40 {
			break
		}
	}
	return b.String()
}

// readPage puts a form into a page.
func (c *console) readPage(p status.Page, in url.Values) (status.Page, error) {
	p.Name, p.About, p.Support = text(in, "name"), text(in, "about"), text(in, "support")
	p.Slug, p.Host = strings.ToLower(text(in, "slug")), strings.ToLower(text(in, "host"))
	p.Language, p.Zone, p.Accent = text(in, "language"), text(in, "zone"), text(in, "accent")
	p.Main = p.Main || in.Get("main") != ""
	if p.Slug == "" {
		if p.Slug = slugOf(p.Name); p.Slug == "" && p.Name != "" {
			p.Slug = "status"
		}
	}
	if u, err := url.Parse(c.BaseURL); err == nil && p.Host != "" && strings.EqualFold(u.Hostname(), p.Host) {
		return p, &status.FieldError{Field: "host", Problem: "is this hub's own", Mend: "leave it empty, and make the page the main one to have it there"}
	}
	if in.Get("seen_by") != restricted {
		p.Private = status.Private{}
		return p, nil
	}
	p.Private.SignedIn, p.Private.Networks = in.Get("signed_in") != "", networks(in.Get("networks"))
	if in.Get("password_clear") != "" {
		p.Private.PasswordHash = ""
	}
	if password := in.Get("password"); password != "" {
		if err := auth.CheckPassword("", password); err != nil {
			return p, err
		}
		hash, err := auth.HashPassword(password)
		if err != nil {
			return p, err
		}
		p.Private.PasswordHash = hash
	}
	if _, ways := audience(&p.Private); len(ways) == 0 {
		return p, &status.FieldError{Field: "seen_by", Problem: "there is no way in", Mend: "set a password, let in who is signed in, or name a network"}
	}
	return p, nil
}

// networks are those of a text, one address for itself as a network of one.
func networks(s string) []string {
	out := lines(s)
	for i, n := range out {
		if a, err := netip.ParseAddr(n); err == nil && a.Zone() == "" {
			out[i] = netip.PrefixFrom(a, a.BitLen()).String()
		}
	}
	return out
}

func (c *console) saveStatusPage(w http.ResponseWriter, v *visit) error {
	stored, err := c.formPage(v)
	if err != nil {
		return err
	}
	isNew := stored.ID == ""
	p, err := c.readPage(stored, v.PostForm)
	if err == nil {
		err = c.meanwhile(v, stored.ID, stored.ID, pageSeen(&stored), pageSeen(&p))
	}
	if err == nil {
		if p, err = c.Desk.SavePage(v.Context(), v.author(), p); errors.Is(err, fault.ErrTaken) {
			err = c.takenBy(v, &p)
		}
	}
	if err != nil {
		return c.showStatusPage(w, v, http.StatusUnprocessableEntity, stored, v.PostForm, err)
	}
	if isNew {
		return done(w, v, componentsPath+"?page="+url.QueryEscape(p.ID), "The page “"+p.Name+"” is there. Now say what is on it.")
	}
	return done(w, v, statusPagesPath+"/"+p.ID, "Saved. Visitors see it with their next look.")
}

// takenBy says which of a page's addresses another one has.
func (c *console) takenBy(v *visit, p *status.Page) error {
	pages, err := c.Store.StatusPages(v.Context())
	if err != nil {
		return err
	}
	for _, o := range pages {
		switch {
		case o.ID == p.ID:
		case o.Slug == p.Slug:
			return &status.FieldError{Field: "slug", Problem: "is that of the page “" + o.Name + "”", Mend: "take another one"}
		case o.Host != "" && o.Host == p.Host:
			return &status.FieldError{Field: "host", Problem: "is that of the page “" + o.Name + "”", Mend: "take another one"}
		}
	}
	return &status.FieldError{Field: "slug", Problem: "was taken a moment ago", Mend: "take another one"}
}

func (c *console) askDeleteStatusPage(w http.ResponseWriter, v *visit) error {
	p, err := c.pageByID(v, v.PathValue("id"))
	if err != nil {
		return err
	}
	pages, err := c.Store.StatusPages(v.Context())
	if err != nil {
		return err
	}
	tree, err := c.tree(v, p.ID)
	if err != nil {
		return err
	}
	told, err := c.Store.CountSubscriptions(v.Context(), p.ID)
	if err != nil {
		return err
	}
	view := confirmView{Heading: "Delete the page “" + p.Name + "”?", Action: statusPagesPath + "/" + p.ID + "/delete", Back: statusPagesPath + "/" + p.ID, Button: "Delete page",
		Effects: []string{
			"Its address answers no more: " + c.pageAddress(v, &p),
			count(tree.Count, "component goes", "components go") + " with all that was recorded, and so do its incidents and its maintenance.",
			count(told, "device", "devices") + " of visitors that follow it are told nothing more of it.",
			"This cannot be taken back. Its audit trail stays.",
		}}
	if p.Main && len(pages) > 1 {
		view.Refused = "This is the main page, and there are others. Make another page the main one first."
	}
	return c.confirm(w, v, statusPagesPath, view)
}

func (c *console) deleteStatusPage(w http.ResponseWriter, v *visit) error {
	err := c.Desk.DeletePage(v.Context(), v.author(), v.PathValue("id"))
	return c.deleted(w, v, err, statusPagesPath, "The page is deleted.", "This is the main page, and there are others. Make another page the main one first.")
}

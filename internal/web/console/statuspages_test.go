package console_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"tocsin/internal/auth"
	"tocsin/internal/publish"
	"tocsin/internal/status"
)

// firm is a hub with a page, and somebody who makes it up.
type firm struct {
	*hub
	page status.Page
	who  publish.Who
}

func newFirm(t *testing.T) *firm {
	t.Helper()
	h := newHub(t)
	f := &firm{hub: h, who: publish.Who{Name: "Mira Sand"}}
	var err error
	if f.page, err = h.desk.SavePage(t.Context(), f.who, status.Page{Slug: "main", Name: "Sandbank", Zone: "Europe/Berlin", Language: "en"}); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *firm) group(name, parent string) string {
	f.t.Helper()
	g, err := f.desk.SaveGroup(f.t.Context(), f.who, status.Group{PageID: f.page.ID, Name: name, ParentID: parent})
	if err != nil {
		f.t.Fatal(err)
	}
	return g.ID
}

func (f *firm) part(name, group string, bindings ...status.Binding) string {
	f.t.Helper()
	c, err := f.desk.SaveComponent(f.t.Context(), f.who, status.Component{PageID: f.page.ID, Name: name, GroupID: group, Bindings: bindings})
	if err != nil {
		f.t.Fatal(err)
	}
	return c.ID
}

func (f *firm) stored(id string) status.Component {
	f.t.Helper()
	b, err := f.db.StatusComponent(f.t.Context(), id)
	if err != nil {
		f.t.Fatal(err)
	}
	return b.Component
}

func (f *firm) pages() map[string]status.Page {
	f.t.Helper()
	list, err := f.db.StatusPages(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	byName := map[string]status.Page{}
	for _, p := range list {
		byName[p.Name] = p
	}
	return byName
}

// wants checks an answer: its status and what is on it.
func wants(t *testing.T, res *http.Response, body string, code int, texts ...string) {
	t.Helper()
	if res.StatusCode != code {
		t.Fatalf("%s %s answered %d:\n%s", res.Request.Method, res.Request.URL.Path, res.StatusCode, body)
	}
	for _, want := range texts {
		if !strings.Contains(body, want) {
			t.Errorf("%s lacks %q", res.Request.URL.Path, want)
		}
	}
}

func TestWithoutAPageItIsSaidHowToMakeOne(t *testing.T) {
	h := newHub(t)
	admin := h.as("admin")
	for _, path := range []string{"/console/pages", "/console/components"} {
		res, body := admin.get(path)
		wants(t, res, body, http.StatusOK, `href="/console/pages/new"`)
	}
	if _, body := h.as("viewer").get("/console/pages"); strings.Contains(body, "/console/pages/new") {
		t.Error("who may only look is offered to make a page")
	}
	res, _ := admin.get("/console/components/new")
	if res.StatusCode != http.StatusNotFound {
		t.Errorf("a component of no page: %d", res.StatusCode)
	}
}

func TestAPageIsMadeChangedAndDeleted(t *testing.T) {
	h := newHub(t)
	f := &firm{hub: h}
	admin := h.as("admin")
	form := url.Values{"name": {"Käse & Söhne"}, "zone": {"Europe/Berlin"}, "language": {"de"}}
	res, _ := admin.post("/console/pages/new", form)
	p := f.pages()["Käse & Söhne"]
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != "/console/components?page="+p.ID {
		t.Fatalf("%d, led to %q", res.StatusCode, res.Header.Get("Location"))
	}
	if p.Slug != "kaese-soehne" || !p.Main || p.Language != "de" {
		t.Errorf("made %+v", p)
	}
	t.Run("what it was before stays where the form does not have it", func(t *testing.T) {
		p.Triggers = map[string]bool{"component_down": true}
		if _, err := h.desk.SavePage(t.Context(), publish.Who{}, p); err != nil {
			t.Fatal(err)
		}
		form.Set("accent", "#0b7285")
		form.Set("slug", "kaese")
		admin.post("/console/pages/"+p.ID, form)
		got := f.pages()["Käse & Söhne"]
		if got.Accent != "#0b7285" || got.Slug != "kaese" || !got.Main || !got.Triggers["component_down"] {
			t.Errorf("it is %+v", got)
		}
	})
	t.Run("a second one can become the main page", func(t *testing.T) {
		admin.post("/console/pages/new", url.Values{"name": {"Inside"}, "zone": {"UTC"}, "main": {"on"}})
		if all := f.pages(); !all["Inside"].Main || all["Käse & Söhne"].Main {
			t.Errorf("main is %+v", all)
		}
		res, body := admin.get("/console/pages")
		wants(t, res, body, http.StatusOK, "Inside", "main page", "Käse &amp; Söhne", "/s/kaese/", "Everybody")
	})
	t.Run("the main page is not deleted while there are others", func(t *testing.T) {
		in := f.pages()["Inside"]
		_, body := admin.get("/console/pages/" + in.ID + "/delete")
		if !strings.Contains(body, "Make another page the main one first") || strings.Contains(body, "danger-solid") {
			t.Error("it is offered")
		}
		admin.post("/console/pages/"+in.ID+"/delete", nil)
		if len(f.pages()) != 2 {
			t.Error("it is gone")
		}
	})
	t.Run("another one is, once it was asked for", func(t *testing.T) {
		res, body := admin.get("/console/pages/" + p.ID + "/delete")
		wants(t, res, body, http.StatusOK, "0 components go", "This cannot be taken back")
		admin.post("/console/pages/"+p.ID+"/delete", nil)
		if len(f.pages()) != 1 {
			t.Error("it is still there")
		}
	})
}

func TestAPageThatCannotBeIsRefusedAtItsField(t *testing.T) {
	f := newFirm(t)
	admin := f.as("admin")
	other, err := f.desk.SavePage(t.Context(), f.who, status.Page{Slug: "other", Host: "status.example.com", Name: "Other", Zone: "UTC"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, field, value, want string }{
		{"no name", "name", "", "name"},
		{"a slug that is none", "slug", "Ab c!", "slug"},
		{"a slug that is taken", "slug", "other", "slug"},
		{"a host that is none", "host", "http://x", "host"},
		{"a host that is taken", "host", "STATUS.example.com", "host"},
		{"a zone that does not exist", "zone", "Mars/Olympus", "zone"},
		{"a colour that is none", "accent", "red", "accent"},
		{"help that leads nowhere", "support", "javascript:alert(1)", "support"},
		{"a name that turns the writing", "name", "Sand\u202ebank", "name"},
		{"a megabyte of text", "about", strings.Repeat("x", 100_000), "about"},
		{"private without a way in", "seen_by", "some", "seen_by"},
		{"a network that is none", "networks", "10.0.0.0/99", "networks"},
		{"a short password", "password", "abc", "password"},
	} {
		t.Run(c.name, func(t *testing.T) {
			form := url.Values{"name": {"New"}, "slug": {"new"}, "zone": {"UTC"}, "language": {"en"}}
			if c.field == "networks" || c.field == "password" {
				form.Set("seen_by", "some")
			}
			form.Set(c.field, c.value)
			res, body := admin.post("/console/pages/new", form)
			wants(t, res, body, http.StatusUnprocessableEntity, `id="f-`+c.want+`-problem"`)
			if strings.Contains(body, "javascript:alert(1)\"") && c.field != "support" {
				t.Error("it is shown as an address")
			}
		})
	}
	if n := len(f.pages()); n != 2 {
		t.Errorf("there are %d pages", n)
	}
	if got := f.pages()["Other"]; got.ID != other.ID {
		t.Error("the other page was changed")
	}
}

func TestAPrivatePage(t *testing.T) {
	f := newFirm(t)
	admin := f.as("admin")
	at := "/console/pages/" + f.page.ID
	form := url.Values{"name": {"Sandbank"}, "slug": {"main"}, "zone": {"UTC"}, "language": {"en"}, "seen_by": {"some"},
		"password": {"a good sentence"}, "networks": {"10.0.0.0/8\n192.0.2.7"}, "signed_in": {"on"}}
	admin.post(at, form)
	p := f.pages()["Sandbank"].Private
	if ok, err := auth.VerifyPassword(p.PasswordHash, "a good sentence"); !ok || err != nil || !p.SignedIn || !slices.Equal(p.Networks, []string{"10.0.0.0/8", "192.0.2.7/32"}) {
		t.Fatalf("it is %+v, %v", p, err)
	}
	t.Run("its password is never shown again, and kept where none is typed", func(t *testing.T) {
		_, body := admin.get(at)
		if strings.Contains(body, "a good sentence") || strings.Contains(body, "argon2id") || !strings.Contains(body, "Stored.") {
			t.Error("the form shows it, or does not say that it is kept")
		}
		form.Del("password")
		admin.post(at, form)
		if got := f.pages()["Sandbank"].Private.PasswordHash; got != p.PasswordHash {
			t.Error("it is another one")
		}
		_, body = admin.get("/console/pages")
		for _, want := range []string{"Private", "with the password", "who is signed in here", "from 2 networks"} {
			if !strings.Contains(body, want) {
				t.Errorf("the list lacks %q", want)
			}
		}
	})
	t.Run("it can be removed", func(t *testing.T) {
		form.Set("password_clear", "on")
		admin.post(at, form)
		if got := f.pages()["Sandbank"].Private; got.PasswordHash != "" || !got.SignedIn {
			t.Errorf("it is %+v", got)
		}
	})
	t.Run("open to everybody, nothing of it is left", func(t *testing.T) {
		form.Set("seen_by", "")
		admin.post(at, form)
		if got := f.pages()["Sandbank"].Private; got.SignedIn || len(got.Networks) > 0 {
			t.Errorf("it is %+v", got)
		}
	})
}

// upload sends a file as a browser does.
func (v *visitor) upload(path, name string, body []byte) (*http.Response, string) {
	v.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	w, err := m.CreateFormFile(name, "logo.png")
	if err != nil {
		v.t.Fatal(err)
	}
	_, _ = w.Write(body)
	_ = m.Close()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodPost, v.server.URL+path, &b)
	if err != nil {
		v.t.Fatal(err)
	}
	r.Header.Set("Content-Type", m.FormDataContentType())
	return v.do(r)
}

// told is what a redirect says on the next page.
func (v *visitor) told(res *http.Response) string {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.server.URL+strings.SplitN(res.Header.Get("Location"), "#", 2)[0], nil)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range res.Cookies() {
		r.AddCookie(c)
	}
	_, body := v.do(r)
	return body
}

func TestALogoIsSentShownAndRemoved(t *testing.T) {
	f := newFirm(t)
	operator := f.as("operator")
	at := "/console/pages/" + f.page.ID
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 200, 50))); err != nil {
		t.Fatal(err)
	}
	res, _ := operator.upload(at+"/logo", "logo", picture.Bytes())
	if res.StatusCode != http.StatusSeeOther || f.pages()["Sandbank"].Logo == "" {
		t.Fatalf("answered %d", res.StatusCode)
	}
	if body := operator.told(res); !strings.Contains(body, "Visitors see this logo now") || !strings.Contains(body, at+"/logo?v=") {
		t.Error("the page does not show it")
	}
	res, body := operator.get(at + "/logo")
	if res.Header.Get("Content-Type") != "image/png" || body != picture.String() {
		t.Errorf("it is %s with %d bytes", res.Header.Get("Content-Type"), len(body))
	}
	was := f.pages()["Sandbank"].Logo
	for name, sent := range map[string][]byte{
		"neither PNG nor JPEG":  []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`),
		"larger than 256 KiB":   append(slices.Clone(picture.Bytes()), make([]byte, 300<<10)...),
		"larger than 256 KiB ":  make([]byte, 3<<20),
		"is empty":              {},
		"did not come with the": nil,
	} {
		t.Run("a file that "+name+" is refused beside it", func(t *testing.T) {
			var res *http.Response
			if sent == nil {
				res, _ = operator.upload(at+"/logo", "other", picture.Bytes())
			} else {
				res, _ = operator.upload(at+"/logo", "logo", sent)
			}
			if body := operator.told(res); !strings.Contains(body, strings.TrimSpace(name)) || !strings.Contains(body, `role="alert"`) {
				t.Error("it is not said")
			}
			if f.pages()["Sandbank"].Logo != was {
				t.Error("the logo is another one")
			}
		})
	}
	if res, _ := f.as("viewer").upload(at+"/logo", "logo", picture.Bytes()); res.StatusCode != http.StatusForbidden {
		t.Errorf("who may only look answered %d", res.StatusCode)
	}
	operator.post(at+"/logo/remove", nil)
	if f.pages()["Sandbank"].Logo != "" {
		t.Error("it is still there")
	}
	if res, _ := operator.get(at + "/logo"); res.StatusCode != http.StatusNotFound {
		t.Errorf("its picture answers %d", res.StatusCode)
	}
}

func TestWhoMayMakeUpPages(t *testing.T) {
	f := newFirm(t)
	part, group := f.part("Web", ""), f.group("Shop", "")
	visitors := map[string]*visitor{"viewer": f.as("viewer"), "operator": f.as("operator"), "admin": f.as("admin")}
	for _, c := range []struct{ method, path, allowed string }{
		{"GET", "/console/pages", "viewer operator admin"},
		{"GET", "/console/pages/" + f.page.ID, "viewer operator admin"},
		{"POST", "/console/pages/" + f.page.ID, "operator admin"},
		{"GET", "/console/pages/" + f.page.ID + "/delete", "admin"},
		{"POST", "/console/pages/none/delete", "admin"},
		{"GET", "/console/components", "viewer operator admin"},
		{"GET", "/console/components/" + part, "viewer operator admin"},
		{"POST", "/console/components/" + part, "operator admin"},
		{"POST", "/console/components/order", "operator admin"},
		{"POST", "/console/components/" + part + "/move", "operator admin"},
		{"GET", "/console/components/" + part + "/state", "operator admin"},
		{"POST", "/console/components/" + part + "/state", "operator admin"},
		{"POST", "/console/components/" + part + "/follow", "operator admin"},
		{"GET", "/console/component-groups/" + group, "viewer operator admin"},
		{"POST", "/console/component-groups/" + group, "operator admin"},
		{"GET", "/console/component-groups/" + group + "/delete", "operator admin"},
	} {
		for role, v := range visitors {
			var res *http.Response
			if c.method == "GET" {
				res, _ = v.get(c.path)
			} else {
				res, _ = v.post(c.path, url.Values{})
			}
			if may := strings.Contains(c.allowed, role); may == (res.StatusCode == http.StatusForbidden) {
				t.Errorf("%s %s as %s: %d", c.method, c.path, role, res.StatusCode)
			}
		}
	}
	if _, body := visitors["viewer"].get("/console/components"); strings.Contains(body, "data-grip") || strings.Contains(body, "Set state") {
		t.Error("who may only look is offered to move things, or to set states")
	}
	for _, path := range []string{"/console/pages/" + f.page.ID, "/console/components/" + part, "/console/components?page=" + f.page.ID} {
		if _, body := visitors["admin"].get(path); strings.Contains(body, fmt.Sprintf("style=%q", "")) {
			t.Errorf("%s has inline style", path)
		}
	}
}

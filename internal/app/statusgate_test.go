package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"tocsin/internal/auth"
)

// One gate for everything: each way that a page can be private, and each thing that
// it has.
func TestAPrivatePageTellsNothing(t *testing.T) {
	h := startHub(t)
	h.user("vera", auth.Viewer)
	key, cookie := h.key(auth.ReadConfig, auth.WriteConfig, auth.Publish), h.cookie("vera")
	h.publicPage("main", "Web")
	const secret = "Payroll is late"
	for name, private := range map[string]string{
		"password": `{"password":"a long enough one"}`, "signed-in": `{"signed_in":true}`, "networks": `{"networks":["203.0.113.0/24"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			made := h.call("POST", "/api/v1/status/pages", key, `{"slug":"`+name+`","name":"Inner `+name+`","zone":"UTC","private":`+private+`}`)
			made.want(t, "page", http.StatusCreated, "")
			page := made.field(t, "id")
			c := h.call("POST", "/api/v1/status/components", key, `{"page":"`+name+`","name":"Payroll"}`)
			c.want(t, "component", http.StatusCreated, "")
			part := c.field(t, "id")
			i := h.call("POST", "/api/v1/status/incidents", key, `{"page":"`+name+`","title":"`+secret+`","impact":"major","body":"The bank is slow.","components":["`+part+`"]}`)
			i.want(t, "incident", http.StatusCreated, "")
			incident := i.field(t, "id")
			h.call("POST", "/api/v1/status/maintenance", key, `{"page":"`+name+`","title":"`+secret+` again","body":"b","components":["`+part+`"],"start":"`+
				time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`","end":"`+time.Now().Add(2*time.Hour).UTC().Format(time.RFC3339)+`"}`).want(t, "maintenance", http.StatusCreated, "")
			base := "/s/" + name
			h.eventually("the gate", func() answer { return h.call("GET", base, nil, "") }, func(a answer) bool { return a.status == http.StatusUnauthorized })
			for _, path := range []string{"", "/", "/de/", "/subscribe", "/history", "/uptime", "/uptime/" + part, "/embed", "/incidents/" + incident, "/badge.svg", "/badge/" + part + ".svg", "/logo",
				"/history.atom", "/history.rss", "/history.json", "/maintenance.ics", "/live.json", "/status.webmanifest", "/api/v2/summary.json", "/api/v2/status.json", "/api/v2/components.json",
				"/api/v2/incidents.json", "/api/v2/incidents/unresolved.json", "/api/v2/scheduled-maintenances.json", "/nothing"} {
				for _, method := range []string{"GET", "HEAD"} {
					got := h.call(method, base+path, nil, "")
					if got.status != http.StatusUnauthorized || strings.Contains(got.body, "Payroll") || strings.Contains(got.body, "Inner") || got.header.Get("Etag") != "" ||
						!strings.Contains(got.header.Get("Cache-Control"), "no-store") {
						t.Errorf("%s %s: %d %v %.200s", method, path, got.status, got.header, got.body)
					}
				}
			}
			t.Run("what is told says nothing either", func(t *testing.T) {
				list := h.call("GET", "/api/v1/publications?limit=50", key, "")
				if !strings.Contains(list.body, page) || strings.Contains(list.body, secret) {
					t.Errorf("publications %s", list.body)
				}
			})
			t.Run("subscribing is refused as of a page that there is not", func(t *testing.T) {
				for _, path := range []string{"/subscribe/webhook", "/subscribe/email"} {
					got := h.call("POST", base+path, nil, "url=https%3A%2F%2Fexample.com%2Fhook&address=a%40example.com", "Content-Type", "application/x-www-form-urlencoded")
					if got.status < 400 || strings.Contains(got.body, "Payroll") || strings.Contains(got.body, "Inner") {
						t.Errorf("%s: %d %.200s", path, got.status, got.body)
					}
				}
			})
			var who any
			open := []string{}
			switch name {
			case "password":
				wrong := h.unlock(base, "another")
				if wrong.status != http.StatusUnauthorized || len(wrong.header.Values("Set-Cookie")) != 0 {
					t.Errorf("a wrong password: %d", wrong.status)
				}
				in := h.unlock(base, "a long enough one")
				if in.status != http.StatusSeeOther || !strings.Contains(in.header.Get("Set-Cookie"), "HttpOnly") || !strings.Contains(in.header.Get("Set-Cookie"), "SameSite=Lax") {
					t.Fatalf("the password: %d %v", in.status, in.header)
				}
				value, _, _ := strings.Cut(in.header.Get("Set-Cookie"), ";")
				open = []string{"Cookie", value}
			case "signed-in":
				who = cookie
			default:
				return // this machine is not in that network
			}
			for _, path := range []string{"", "/history.atom", "/api/v2/summary.json", "/badge.svg", "/incidents/" + incident} {
				got := h.call("GET", base+path, who, "", open...)
				if got.status != http.StatusOK || !strings.Contains(got.header.Get("Cache-Control"), "private") && !strings.Contains(got.header.Get("Cache-Control"), "no-store") {
					t.Errorf("%s, opened: %d %s", path, got.status, got.header.Get("Cache-Control"))
				}
			}
			if got := h.call("GET", "/s/networks", who, "", open...); name == "password" && got.status == http.StatusOK {
				t.Error("one page's password opens another")
			}
		})
	}
}

func TestAnAddressRangeOpensAPage(t *testing.T) {
	h := startHub(t, "TOCSIN_TRUSTED_PROXIES=127.0.0.0/8")
	key := h.key(auth.WriteConfig)
	h.call("POST", "/api/v1/status/pages", key, `{"slug":"main","name":"Inner","zone":"UTC","private":{"networks":["203.0.113.0/24","2001:db8::/32"]}}`).want(t, "page", http.StatusCreated, "")
	from := func(address string) answer { return h.call("GET", "/", nil, "", "X-Forwarded-For", address) }
	h.eventually("the page", func() answer { return from("203.0.113.7") }, func(a answer) bool { return a.status == http.StatusOK && strings.Contains(a.body, "Inner") })
	for _, address := range []string{"198.51.100.1", "203.0.113.7, 198.51.100.1", "2001:db9::1", "nonsense", ""} {
		if got := from(address); got.status != http.StatusUnauthorized {
			t.Errorf("from %q: %d", address, got.status)
		}
	}
	if got := from("2001:db8::7"); got.status != http.StatusOK {
		t.Errorf("from the other network: %d", got.status)
	}
}

// unlock says a page's password, and goes nowhere else.
func (h *hub) unlock(base, password string) answer {
	h.Helper()
	client := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(h.Context(), http.MethodPost, h.url+base+"/unlock", strings.NewReader(url.Values{"password": {password}}.Encode()))
	if err != nil {
		h.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		h.Fatal(err)
	}
	defer resp.Body.Close()
	return answer{status: resp.StatusCode, header: resp.Header}
}

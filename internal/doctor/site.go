package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"tocsin/internal/health"
)

// Site is where the hub is reached.
type Site struct {
	Listen  string // host:port
	BaseURL string
	TLS     bool // the hub itself speaks TLS
	Now     func() time.Time
	Way     Way // to the base URL
}

// Checks are those of a site.
func (s Site) Checks() []Check {
	if s.Now == nil {
		s.Now = time.Now
	}
	return []Check{
		{ID: "hub", Group: GroupSite, Title: "The hub here", Look: s.hub, Slow: "look at the hub's log and at the database: it takes a request, and does not answer it"},
		{ID: "base-url", Group: GroupSite, Title: "The hub's address", Look: s.base, Slow: "look at the proxy in front of the hub, and at the firewall"},
	}
}

// door is the hub's own address on this machine.
func (s Site) door() string {
	host, port, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return ""
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip.Is6() {
			host = "::1"
		}
	}
	scheme := "http"
	if s.TLS {
		scheme = "https"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// readiness is what /readyz of a hub answers.
type readiness struct {
	Ready   *bool    `json:"ready"`
	Reasons []string `json:"reasons"`
}

// isHub says whether an answer is a hub's, and what it says.
func isHub(a *Answer) (readiness, bool) {
	var r readiness
	ok := json.Unmarshal(a.Body, &r) == nil && r.Ready != nil
	return r, ok
}

// hub asks the one on this machine.
func (s Site) hub(ctx context.Context) Verdict {
	w := Way{Blind: true}
	a, err := w.Ask(ctx, http.MethodGet, s.door()+"/readyz")
	switch {
	case errors.Is(err, ErrRefused):
		return Bad("no hub serves on "+s.Listen, "start it: systemctl start tocsin, or tocsin serve; if it ends at once, its log says why: journalctl -u tocsin -n 50")
	case err != nil:
		return Bad("the hub on "+s.Listen+" cannot be asked: "+err.Error(), "look at its log: journalctl -u tocsin -n 50")
	}
	r, ok := isHub(a)
	switch {
	case !ok:
		return Bad("another program than Tocsin answers on "+s.Listen, "choose another address with TOCSIN_LISTEN, or stop that program: ss -ltnp says which one it is")
	case !*r.Ready:
		why := "it does not say why"
		if len(r.Reasons) > 0 {
			why = r.Reasons[0]
		}
		return Bad("it serves, but is not ready: "+why, "look at its log: journalctl -u tocsin -n 50; what failed below may be the reason")
	}
	return Good("it serves on %s, and is ready", s.Listen)
}

// base asks the hub by the address that people use.
func (s Site) base(ctx context.Context) Verdict {
	u, err := url.Parse(s.BaseURL)
	if err != nil {
		return Bad(s.BaseURL+" is no address", "write how browsers reach the hub into TOCSIN_BASE_URL, like https://alerts.example.com")
	}
	if isLocal(u.Hostname()) {
		return Worry(s.BaseURL+" leads to this machine only: links in messages go there, and no other machine gets notifications",
			"set TOCSIN_BASE_URL to how browsers reach the hub, like https://alerts.example.com")
	}
	a, err := s.Way.Ask(ctx, http.MethodGet, s.BaseURL+"/readyz")
	if err != nil {
		v := Bad(s.BaseURL+" cannot be reached from here: "+err.Error(), MendOf(err))
		if errors.Is(err, ErrExpired) || errors.Is(err, ErrRefused) || errors.Is(err, ErrNotTLS) || errors.Is(err, ErrUnknownCA) || errors.Is(err, ErrOtherName) {
			return v
		}
		v.Result = Warning // a network whose outside is not reached from inside is nothing rare
		v.Detail += "; people outside may reach it all the same"
		return v
	}
	if _, ok := isHub(a); !ok {
		return s.notHub(a)
	}
	if u.Scheme == "http" {
		return Worry(s.BaseURL+" is reached, without encryption: browsers give notifications to https only, and passwords travel readable", "put a proxy with a certificate in front, and write https:// into TOCSIN_BASE_URL")
	}
	if v := Expiry(a.Expires, s.Now()); v.Result != OK {
		v.Detail = s.BaseURL + " is reached, but " + v.Detail
		return v
	}
	if off, ok := apart(a, s.Now()); ok {
		return Worry(fmt.Sprintf("%s is reached; the clock of the machine that answers differs by %s", s.BaseURL, health.Age(off)), "let both machines set their clocks by NTP")
	}
	return Good("%s is reached, and its certificate is good until %s", s.BaseURL, a.Expires.UTC().Format("2 January 2006"))
}

func (s Site) notHub(a *Answer) Verdict {
	switch {
	case a.Status == http.StatusBadGateway || a.Status == http.StatusServiceUnavailable || a.Status == http.StatusGatewayTimeout:
		return Bad(fmt.Sprintf("a proxy answers at %s, but does not reach the hub (%d)", s.BaseURL, a.Status), "let the proxy pass to "+s.Listen+", and look whether the hub serves")
	case a.Status >= 300 && a.Status < 400:
		return Bad(fmt.Sprintf("%s leads somewhere else (%d), and the hub does not do that", s.BaseURL, a.Status), "write the address that it leads to into TOCSIN_BASE_URL, or let the proxy pass all paths to the hub")
	}
	return Bad(fmt.Sprintf("something else than this hub answers at %s (%d)", s.BaseURL, a.Status), "let the proxy pass all paths to "+s.Listen+", and compare TOCSIN_BASE_URL")
}

// apart says by how much the clock of who answered differs from ours, where it is worth
// a word: the header has whole seconds, and the answer took its time.
func apart(a *Answer, now time.Time) (time.Duration, bool) {
	theirs, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil {
		return 0, false
	}
	off := now.Sub(theirs).Abs()
	return off, off > 5*time.Second+a.Took
}

// OutsideClock judges this machine's clock by that of somebody outside who answered.
func OutsideClock(a *Answer, who string, now time.Time) Verdict {
	if off, ok := apart(a, now); ok {
		return Worry(fmt.Sprintf("this machine's clock and that of %s differ by %s", who, health.Age(off)), "let this machine set its clock by NTP: push services refuse what is signed for another time")
	}
	return Good("")
}

func isLocal(host string) bool {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback()
	}
	return host == "localhost"
}

package health

import (
	"fmt"
	"strconv"
	"time"
)

// Ping is how telling an address outside that all is well goes.
type Ping struct {
	Host     string // empty: nothing is pinged
	Other    bool   // another node does it
	Every    time.Duration
	Last     time.Time // when the last answer came
	Status   int       // what it was; 0: there was none
	Well     bool      // what was told last
	LastOK   time.Time
	Failing  time.Time // since when it is not taken; zero: it is
	Problem  string
	Told     int64 // pings since the start that were taken
	FromFile bool  // the address is TOCSIN_PING_URL
}

func (r *Report) ping(f Facts) {
	g := f.Ping
	if g.Host == "" {
		return
	}
	p := Part{Name: "ping", Title: "Ping to the outside", OK: true, Last: g.LastOK, Detail: "begins in a moment"}
	from := "Settings"
	if g.FromFile {
		from = "TOCSIN_PING_URL"
	}
	p.Figures = []Figure{{"host", g.Host}, {"from", from}, {"taken", strconv.FormatInt(g.Told, 10)}}
	if g.Status != 0 {
		p.Figures = append(p.Figures, Figure{"last answer", strconv.Itoa(g.Status)})
	}
	told := "all is well"
	if !g.Well {
		told = "the hub does not do its work"
	}
	switch {
	case g.Other:
		p.Detail = "another node does it"
	case !g.Failing.IsZero():
		p.Detail = "is not taken for " + Age(f.Now.Sub(g.Failing))
	case !g.Last.IsZero():
		p.Detail = "told that " + told + " " + Age(f.Now.Sub(g.Last)) + " ago"
	}
	r.Add(p)
	// One that is lost now and then is what such services reckon with.
	if !g.Failing.IsZero() && f.Now.Sub(g.Failing) >= max(2*g.Every, failingFor) {
		r.Warn("ping", fmt.Sprintf("The ping that says all is well is not taken for %s: %s", Age(f.Now.Sub(g.Failing)), sentence(g.Problem)),
			"Compare its address in Settings with what the service shows, and look whether this machine reaches it.")
	}
}

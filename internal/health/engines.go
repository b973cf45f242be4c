package health

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Engine is a source's engine as it is told what was done here.
type Engine struct {
	Source  string    // its name
	LastOK  time.Time // when it last took or showed something; zero: not since the start
	Failing time.Time // since when it does not; zero: it does
	Problem string
	Waiting int // what it has neither confirmed nor refused yet
}

// failingFor is how long an engine may be away before anybody is warned: one that
// reloads its configuration is back before that.
const failingFor = time.Minute

func (r *Report) engines(f Facts) {
	if len(f.Engines) == 0 {
		return
	}
	p := Part{Name: "engines", Title: "Write-back to engines", OK: true}
	waiting, failing := 0, 0
	for _, e := range f.Engines {
		waiting += e.Waiting
		if e.LastOK.After(p.Last) {
			p.Last = e.LastOK
		}
		value := "answers"
		switch {
		case !e.Failing.IsZero():
			failing++
			value = "fails for " + Age(f.Now.Sub(e.Failing))
		case e.LastOK.IsZero():
			value = "nothing to tell yet"
		}
		p.Figures = append(p.Figures, Figure{e.Source, value})
	}
	p.Figures = append(p.Figures, Figure{"waiting for a confirmation", strconv.Itoa(waiting)})
	p.Detail = Count(len(f.Engines), "engine is", "engines are") + " told what is done here"
	if failing > 0 {
		p.Detail += ", " + strconv.Itoa(failing) + " cannot be reached"
	}
	r.Add(p)
	for _, e := range f.Engines {
		if e.Failing.IsZero() || f.Now.Sub(e.Failing) < failingFor {
			continue
		}
		r.Warn("engines", fmt.Sprintf("Source %s could not be told what was done here for %s: %s", e.Source, Age(f.Now.Sub(e.Failing)), sentence(e.Problem)),
			"Try it on the source's page; what waits is handed over as soon as the engine answers, for a day.")
	}
}

// Chat is how Mattermost fares.
type Chat struct {
	TwoWay bool
	Key    bool // the API key in whose name buttons act is good
	KeyErr error
	Rooms  []Room
}

// Room is a place in Mattermost where alerts are posted.
type Room struct {
	Name      string
	LastPost  time.Time
	Problem   string // since then, with its mend; empty: none
	ProblemAt time.Time
}

func (r *Report) chat(f Facts) {
	c := f.Chat
	if c == nil {
		return
	}
	p := Part{Name: "mattermost", Title: "Mattermost", OK: true, Detail: "no room yet"}
	if n := len(c.Rooms); n > 0 {
		p.Detail = Count(n, "room", "rooms")
	}
	troubled := slices.DeleteFunc(slices.Clone(c.Rooms), func(m Room) bool { return m.Problem == "" })
	if len(troubled) > 0 {
		p.Detail += ", " + strconv.Itoa(len(troubled)) + " with a problem"
	}
	for _, m := range c.Rooms {
		if m.LastPost.After(p.Last) {
			p.Last = m.LastPost
		}
	}
	two := "off"
	if c.TwoWay {
		two = "on"
	}
	p.Figures = append(p.Figures, Figure{"two-way integration", two})
	r.Add(p)
	if c.TwoWay && !c.Key && c.KeyErr == nil {
		r.Warn("mattermost", "Buttons in Mattermost do nothing: the API key in whose name they act is missing, revoked or expired.", "Make a new key under Mattermost in the console.")
	}
	for i, m := range troubled {
		if i == mostRooms {
			r.Warn("mattermost", fmt.Sprintf("%d more rooms have a problem.", len(troubled)-i), "The page of Mattermost in the console lists them.")
			break
		}
		r.Warn("mattermost", fmt.Sprintf("Nothing could be posted to %s: %s", m.Name, sentence(m.Problem)), "Test the room under Mattermost in the console once that is mended.")
	}
}

// mostRooms is how many rooms are warned of one by one.
const mostRooms = 10

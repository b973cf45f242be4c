package health

import (
	"strconv"
	"time"
)

// Push is Web Push: the worker that sends publications, and the push services.
type Push struct {
	Enabled bool
	Stopped bool      // the fan-out has ended
	Last    time.Time // the last time it looked for something to do
	Err     string    // the last thing that went wrong in it, of the storage for instance
	ErrAt   time.Time
	Overdue time.Time // since when a message to a visitor should have been sent; zero: none

	// Reach says whether it is known how push services reach who runs this:
	// without, nothing is sent. Devices says whether there is any to send to, a
	// contact's or a visitor's, and Given whether the key is kept outside of the
	// database too.
	Reach, Devices, Given bool
	KeySince              time.Time // of the current key
	Services              []PushService
}

// PushService is one push service, by its origin.
type PushService struct {
	Origin      string
	Refuses     bool      // our key: nothing is sent to it
	Paused      bool      // it asked for a pause, or does not answer
	Until       time.Time // when it is tried again
	Why         string    // of one of them, with the mend
	LastFailure time.Time
}

const (
	// A pause that was asked for is nothing to tell; a long one is.
	longPause = time.Minute
	// Publications and what is tried again are looked at every few seconds.
	pushLag = 5 * time.Minute
)

func (r *Report) push(f Facts) {
	p := f.Push
	if p == nil {
		return
	}
	part := Part{Name: "push", Title: "Web Push", OK: true, Last: p.Last, Detail: "running"}
	if !p.Enabled {
		part.Detail = "switched off in the settings"
	}
	key := "kept in the database only: back it up"
	if p.Given {
		key = "given in the configuration"
	}
	part.Figures = append(part.Figures, Figure{"key", key})
	if !p.KeySince.IsZero() {
		part.Figures = append(part.Figures, Figure{"key in use for", Age(max(0, f.Now.Sub(p.KeySince)))})
	}
	reach := "told to push services"
	if !p.Reach {
		reach = "not known: nothing is sent without a subject"
	}
	part.Figures = append(part.Figures, Figure{"who runs this", reach}, Figure{"push services met", strconv.Itoa(len(p.Services))})
	r.Add(part)
	r.pushWorker(f, p)
	if p.Enabled && p.Devices && !p.Reach {
		r.Warn("push", "Nothing is sent by Web Push, because push services want to know how to reach who runs this, and no subject is set.", "Set a subject under Settings → Notifications, or give VAPID_SUBJECT=mailto:… and start Tocsin again.")
	}
	for _, s := range p.Services {
		switch {
		case s.Refuses:
			r.Warn("push", "Nothing is sent to "+s.Origin+" at present, because it refuses our key: "+sentence(s.Why), "Compare key and subject in Settings → Notifications with those that devices subscribed with; Tocsin tries again by itself, and no device is forgotten.")
		case s.Paused && s.Until.Sub(f.Now) > time.Second && s.Until.Sub(s.LastFailure) > longPause:
			r.Warn("push", "Nothing is sent to "+s.Origin+" for "+Age(s.Until.Sub(f.Now))+": "+sentence(s.Why), "Look whether this machine reaches it, and at the outgoing proxy in Settings → Notifications; messages wait, and are sent when it answers.")
		}
	}
}

// pushWorker warns of a fan-out that does not go on.
func (r *Report) pushWorker(f Facts, p *Push) {
	last := p.Last
	if last.IsZero() {
		last = f.Started
	}
	switch {
	case p.Stopped:
		r.Part("push").Detail = "stopped"
		r.Fail("push", "The worker that tells visitors has stopped.", "Start Tocsin again; its log says why it stopped.")
	case f.Now.Sub(last) > stuckAfter:
		r.Part("push").Detail = "no sign of life for " + Age(f.Now.Sub(last))
		r.Fail("push", "The worker that tells visitors has not shown a sign of life for "+Age(f.Now.Sub(last))+".", "Look at the database first, then start Tocsin again.")
	case p.Err != "" && f.Now.Sub(p.ErrAt) < stuckAfter:
		r.Fail("push", "The worker that tells visitors met an error: "+sentence(p.Err), "Tocsin tries again by itself; its log has more.")
	case p.Enabled && !p.Overdue.IsZero() && f.Now.Sub(p.Overdue) > pushLag:
		r.Fail("push", "Messages to visitors have been due for "+Age(f.Now.Sub(p.Overdue))+".", "Look at the load of this machine and of the database.")
	}
}

// sentence is text with one full stop at its end.
func sentence(text string) string {
	for len(text) > 0 && (text[len(text)-1] == '.' || text[len(text)-1] == ' ') {
		text = text[:len(text)-1]
	}
	if text == "" {
		return "it gave no reason."
	}
	return text + "."
}

package health

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Facts are what the parts of the program say of themselves.
type Facts struct {
	Now     time.Time
	Started time.Time
	Node    string
	Version string

	Database  Database
	Committer Worker
	Delivery  []Worker // one for each channel or worker
	Live      Live
	Queue     Queue
	Disk      *Disk // nil where it cannot be told
	Push      *Push // nil: there is none
	Engines   []Engine
	Chat      *Chat     // nil: Mattermost is not used
	Mail      *Mail     // nil: not known
	Planning  *Planning // nil: not known
	Ping      Ping
	Hooks     []Hook // webhooks that are on
	HTTPS     *HTTPS // nil: not known
	Sources   []Source
	Keys      []Key         // API keys that have an end and are not revoked
	Quiet     time.Duration // a source silent for longer is warned of; 0: never
}

// Database is the store's state.
type Database struct {
	Engine  string // "sqlite" or "postgres"
	Err     error  // of the last ping
	Size    int64  // in bytes, 0 where unknown
	Schema  int64
	Latency time.Duration // of the ping
	Now     time.Time     // the database's clock, zero where it has none of its own
	Full    time.Time     // since when it has no room for changes; zero: it has
	Sealed  bool          // secrets in it are sealed with a key
}

// Worker is one loop.
type Worker struct {
	Name    string
	Title   string
	Last    time.Time     // the last time round
	Every   time.Duration // 0: it comes round only when there is work
	Busy    time.Time     // since when it has been at the same piece of work; zero when it is at none, or not known
	Stopped bool
	Err     error
	ErrAt   time.Time // zero: now
	Figures []Figure
}

// Live is the hub of event streams.
type Live struct {
	Streams, Users int
	LastTail       time.Time
	Stopped        bool
}

// Queue is the outbox.
type Queue struct {
	Waiting, Handed        int
	Oldest                 time.Time // of those that wait or are handed over
	Ends                   time.Time // when the first of those ends
	Sent, Expired, DeadDay int
	Err                    error
}

// Disk is the room left where the data lies.
type Disk struct {
	Path        string
	Free, Total uint64 // in bytes
}

// Source is one monitoring engine.
type Source struct {
	Name        string
	Title       string
	Disabled    bool
	LastEvent   time.Time
	LastSign    time.Time     // of life, without an event
	SilentAfter time.Duration // its silence is an alert after so long; 0: never
	SilentSince time.Time     // while it is one
	LastError   string
	LastErrorAt time.Time
	Stranger    bool // the last error is a wrong token's: it may have been anybody
	Spooled     int
	SpooledAt   time.Time
}

// What is too long. A loop that did not come round for stuckAfter, or three
// times its own period, is taken for stuck.
const (
	stuckAfter   = 15 * time.Second
	oldNews      = 5 * time.Minute
	slowDatabase = 2 * time.Second
	clockSlack   = 2 * time.Second
	expiryLag    = 10 * time.Minute
	lowDisk      = 500 << 20
)

// Assess makes the report of what the parts say.
func Assess(f Facts) Report {
	r := Report{At: f.Now, Node: f.Node, Version: f.Version, OK: true, Ready: true}
	r.database(f)
	r.worker(f, f.Committer)
	for _, w := range f.Delivery {
		r.worker(f, w)
	}
	r.live(f)
	r.queue(f)
	r.push(f)
	r.engines(f)
	r.chat(f)
	r.mail(f)
	r.hooks(f)
	r.https(f)
	r.planning(f)
	r.keys(f)
	r.ping(f)
	if f.Disk != nil {
		r.disk(*f.Disk)
	}
	for _, s := range f.Sources {
		r.source(f, s)
	}
	return r
}

func (r *Report) database(f Facts) {
	d := f.Database
	title := map[string]string{"sqlite": "SQLite", "postgres": "PostgreSQL"}[d.Engine]
	p := Part{Name: "database", Title: "Database", OK: true, Detail: title + " answers", Last: f.Now}
	p.Figures = append(p.Figures, Figure{"engine", title}, Figure{"answers within", Took(d.Latency)})
	if d.Size > 0 {
		p.Figures = append(p.Figures, Figure{"size", Bytes(uint64(d.Size))})
	}
	if d.Schema > 0 {
		p.Figures = append(p.Figures, Figure{"schema", strconv.FormatInt(d.Schema, 10)})
	}
	kept := "stand plain: give every node TOCSIN_SECRET_KEY"
	if d.Sealed {
		kept = "sealed"
	}
	p.Figures = append(p.Figures, Figure{"secrets", kept})
	if d.Err != nil {
		p.Detail, p.Last = title+" does not answer", time.Time{}
	}
	if d.Err == nil && !d.Full.IsZero() {
		p.Detail += " questions, and has no room for changes"
	}
	r.Add(p)
	if !d.Full.IsZero() {
		r.Fail("database", fmt.Sprintf("The disk of the database is full, for %s: nothing can be written. Events are answered with 503, so that they wait where they come from; what there is can be read.", Age(f.Now.Sub(d.Full))),
			"Make room on the disk of the database; Tocsin goes on by itself within seconds.")
	}
	switch {
	case d.Err != nil:
		r.Ready = false
		r.Fail("database", "The database does not answer: "+d.Err.Error()+".", "Look whether it runs and whether its disk is full; Tocsin goes on by itself when it is back.")
	case d.Latency > slowDatabase:
		r.Warn("database", "The database took "+Took(d.Latency)+" to answer.", "Look at the load of its machine and of its disk.")
	}
	if !d.Now.IsZero() {
		if off := d.Now.Sub(f.Now).Abs(); off > clockSlack {
			r.Warn("database", fmt.Sprintf("The clocks of the database and of this machine differ by %s.", Age(off)), "Let both machines set their clocks by NTP.")
		}
	}
}

func (r *Report) worker(f Facts, w Worker) {
	if !w.ErrAt.IsZero() && f.Now.Sub(w.ErrAt) > oldNews {
		w.Err = nil // whoever met it tries again; nobody did, or it would be newer
	}
	p := Part{Name: w.Name, Title: w.Title, OK: true, Detail: "running", Last: w.Last, Figures: w.Figures}
	limit := max(stuckAfter, 3*w.Every)
	last := w.Last
	if last.IsZero() {
		last = f.Started
	}
	stuck := w.Every > 0 && f.Now.Sub(last) > limit
	if !w.Busy.IsZero() && f.Now.Sub(w.Busy) > limit {
		stuck, last = true, w.Busy
	}
	switch {
	case w.Stopped:
		p.Detail = "stopped"
	case stuck:
		p.Detail = "no sign of life for " + Age(f.Now.Sub(last))
	case w.Err != nil:
		p.Detail = "running, with an error"
	}
	r.Add(p)
	switch {
	case w.Stopped:
		r.Ready = false
		r.Fail(w.Name, w.Title+" has stopped.", "Start Tocsin again; its log says why it stopped.")
	case stuck:
		r.Ready = false
		r.Fail(w.Name, w.Title+" has not shown a sign of life for "+Age(f.Now.Sub(last))+".", "Look at the database first, then start Tocsin again.")
	case w.Err != nil:
		r.Fail(w.Name, w.Title+" cannot do its work: "+w.Err.Error()+".", "Tocsin tries again by itself; its log has more.")
	}
}

func (r *Report) live(f Facts) {
	l := f.Live
	r.worker(f, Worker{
		Name: "live", Title: "Live channel", Last: l.LastTail, Every: 5 * time.Second, Stopped: l.Stopped,
		Figures: []Figure{{"streams", strconv.Itoa(l.Streams)}, {"users", strconv.Itoa(l.Users)}},
	})
	if p := r.Part("live"); p.OK {
		p.Detail = Count(l.Streams, "open tab", "open tabs") + " of " + Count(l.Users, "user", "users")
	}
}

func (r *Report) queue(f Facts) {
	q := f.Queue
	p := Part{Name: "queue", Title: "Deliveries", OK: true, Detail: "nothing waits", Figures: []Figure{
		{"waiting", strconv.Itoa(q.Waiting)}, {"handed over", strconv.Itoa(q.Handed)},
		{"sent in 24 h", strconv.Itoa(q.Sent)}, {"expired in 24 h", strconv.Itoa(q.Expired)}, {"undeliverable in 24 h", strconv.Itoa(q.DeadDay)},
	}}
	if !q.Oldest.IsZero() {
		age := f.Now.Sub(q.Oldest)
		p.Detail = Count(q.Waiting+q.Handed, "delivery waits", "deliveries wait") + ", the oldest for " + Age(age)
		p.Figures = append(p.Figures, Figure{"oldest", Age(age)})
	}
	r.Add(p)
	switch {
	case q.Err != nil:
		r.Fail("queue", "The figures of the deliveries cannot be read: "+q.Err.Error()+".", "Look at the database.")
	case !q.Ends.IsZero() && f.Now.Sub(q.Ends) > expiryLag:
		// That a delivery waits for its contact to open a tab, or for a device to
		// be reached, is no fault; that it waits past its end is. Each channel has
		// its own, and a reminder one of its own.
		r.Fail("queue", "A delivery still waits whose time ran out "+Age(f.Now.Sub(q.Ends))+" ago.", "Look at the delivery worker here, and at the clock of this machine.")
	}
	if q.DeadDay > 0 {
		r.Warn("queue", Count(q.DeadDay, "delivery", "deliveries")+" of the last 24 hours could not be delivered.", "The list of deliveries says which, and why.")
	}
}

func (r *Report) disk(d Disk) {
	p := Part{Name: "disk", Title: "Disk of the data folder", OK: true, Detail: Bytes(d.Free) + " free of " + Bytes(d.Total)}
	r.Add(p)
	if d.Free < lowDisk || (d.Total > 0 && float64(d.Free)/float64(d.Total) < 0.05) {
		r.Warn("disk", "The disk of "+d.Path+" is almost full: "+Bytes(d.Free)+" left.", "Make room there, or move the data folder; when it is full, no event can be taken.")
	}
}

func (r *Report) source(f Facts, s Source) {
	name := "source:" + s.Name
	p := Part{Name: name, Title: s.Title + " “" + s.Name + "”", OK: true, Last: s.LastEvent, Detail: "no event yet"}
	if !s.LastEvent.IsZero() {
		p.Detail = "last event " + Age(f.Now.Sub(s.LastEvent)) + " ago"
	}
	heard := s.LastEvent
	if s.LastSign.After(heard) {
		heard = s.LastSign
		p.Detail += "; last heartbeat " + Age(f.Now.Sub(heard)) + " ago"
	}
	p.Last = heard
	if s.LastError != "" && s.Stranger {
		p.Detail += "; a call with a wrong token was refused " + Age(f.Now.Sub(s.LastErrorAt)) + " ago"
	}
	if s.Disabled {
		p.Detail = "disabled"
	}
	p.Figures = []Figure{{"in its spool", strconv.Itoa(s.Spooled)}}
	r.Add(p)
	if s.Disabled {
		return
	}
	if s.LastError != "" && !s.Stranger {
		r.Warn(name, fmt.Sprintf("The last call of source %s was refused %s ago: %s.", s.Name, Age(f.Now.Sub(s.LastErrorAt)), strings.TrimRight(s.LastError, ". ")), "Compare the notification command's token and arguments with the source's page.")
	}
	if s.Spooled > 0 {
		r.Warn(name, fmt.Sprintf("%s in the spool of source %s.", Count(s.Spooled, "event waits", "events wait"), s.Name), "Run tocsin notify --flush on the engine's machine; the next notification hands them in as well.")
	}
	switch {
	case !s.SilentSince.IsZero():
		r.Warn(name, fmt.Sprintf("Source %s is silent for %s, and is to be heard of every %s; there is an alert of it.", s.Name, Age(f.Now.Sub(s.SilentSince)), Age(s.SilentAfter)), "Look whether it runs, whether it reaches this hub, and whether its notifications are enabled.")
	case f.Quiet > 0 && !heard.IsZero() && f.Now.Sub(heard) > f.Quiet:
		r.Warn(name, fmt.Sprintf("Source %s has said nothing for %s.", s.Name, Age(f.Now.Sub(heard))), "Look whether the engine runs and whether its notifications are enabled.")
	}
}

// Count is a number with its noun: "1 delivery", "3 deliveries".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// Age is a duration for people: "3 minutes".
func Age(d time.Duration) string {
	switch {
	case d < time.Second:
		return "a moment"
	case d < 2*time.Minute:
		return Count(int(d.Seconds()), "second", "seconds")
	case d < 2*time.Hour:
		return Count(int(d.Minutes()), "minute", "minutes")
	case d < 48*time.Hour:
		return Count(int(d.Hours()), "hour", "hours")
	}
	return Count(int(d.Hours()/24), "day", "days")
}

// Took is how long something took, for people: "less than a millisecond",
// "38 milliseconds".
func Took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "less than a millisecond"
	case d < time.Second:
		return Count(int(d.Milliseconds()), "millisecond", "milliseconds")
	}
	return Age(d)
}

// Bytes is a size for people: "1.2 GB".
func Bytes(n uint64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	v, i := float64(n), 0
	for v >= 1000 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	if i == 0 || v >= 100 {
		return fmt.Sprintf("%.0f %s", v, units[i])
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// Package doctor looks at an installation and says what is well, what is not, and the
// mend. It is what `tocsin doctor` runs, often at night and by somebody who did not
// set it up: so it works beside a hub that serves, and where the hub cannot start.
//
//	checks := append(doctor.Machine(), doctor.Folder(dir, 0)...)
//	report := doctor.Run(ctx, checks, doctor.Limits{})
//	report.Print(os.Stdout, doctor.Style{Colour: true})
//	os.Exit(report.Code())
//
// Nothing is changed by looking, and nobody is told anything. What a check finds out
// names no secret: it ends up in tickets.
package doctor

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Result is how a thing was found.
type Result string

// The results. Skipped counts for nothing: what is in the way has a finding of its own.
const (
	OK      Result = "ok"
	Warning Result = "warning" // it works, or nobody uses it yet, and somebody should look
	Failed  Result = "failed"
	Skipped Result = "skipped" // it could not be looked at
)

// Verdict is what a look found.
type Verdict struct {
	Result Result
	Detail string // one sentence without its full stop
	Mend   string // what to do, one sentence without its full stop; empty where it is ok
}

// Good is a verdict on what is well.
func Good(format string, args ...any) Verdict {
	return Verdict{Result: OK, Detail: fmt.Sprintf(format, args...)}
}

// Worry is a verdict on what works but should be looked at.
func Worry(detail, mend string) Verdict { return Verdict{Warning, detail, mend} }

// Bad is a verdict on what does not work.
func Bad(detail, mend string) Verdict { return Verdict{Failed, detail, mend} }

// Unseen is a verdict on what could not be looked at.
func Unseen(detail string) Verdict { return Verdict{Result: Skipped, Detail: detail} }

// Check is one thing to look at.
type Check struct {
	ID    string // "database", "source:nagios"; unique, for programs
	Group string // the heading it stands under
	Title string // for people
	// Slow is the mend when looking takes too long.
	Slow string
	// Look must end soon after ctx does. It may be called from any goroutine.
	Look func(ctx context.Context) Verdict
}

// Known is a check whose verdict is there already.
func Known(id, group, title string, v Verdict) Check {
	return Check{ID: id, Group: group, Title: title, Look: func(context.Context) Verdict { return v }}
}

// Finding is what came of a check.
type Finding struct {
	ID     string `json:"id"`
	Group  string `json:"group"`
	Title  string `json:"title"`
	Result Result `json:"result"`
	Detail string `json:"detail"`
	Mend   string `json:"mend,omitempty"`
	TookMS int64  `json:"took_ms"`
}

// Report is what was found.
type Report struct {
	At       time.Time `json:"at"`
	Host     string    `json:"host"`
	Version  string    `json:"version"`
	Result   Result    `json:"result"` // the worst of all
	OK       int       `json:"ok"`
	Warnings int       `json:"warnings"`
	Failed   int       `json:"failed"`
	Skipped  int       `json:"skipped"`
	TookMS   int64     `json:"took_ms"`
	Findings []Finding `json:"checks"` // in the order of the checks
}

// Code is the exit code: 0 when all is well, 1 with warnings, 2 when something failed.
// Monitoring engines take these for OK, WARNING and CRITICAL.
func (r *Report) Code() int {
	switch r.Result {
	case Failed:
		return 2
	case Warning:
		return 1
	}
	return 0
}

// Limits bound a run. The zero value of each is its default.
type Limits struct {
	Each    time.Duration // for one check; 5 s
	All     time.Duration // for all of them; 20 s
	Abreast int           // checks at the same time; 64
}

// grace is how long a check may take to notice that its time is over: after that
// nobody waits for it any more.
const grace = 300 * time.Millisecond

// Run looks at everything, side by side.
func Run(ctx context.Context, checks []Check, l Limits) *Report {
	if l.Each <= 0 {
		l.Each = 5 * time.Second
	}
	if l.All <= 0 {
		l.All = 20 * time.Second
	}
	if l.Abreast <= 0 {
		l.Abreast = 64
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, l.All)
	defer cancel()
	r := &Report{At: begin.UTC().Truncate(time.Second), Result: OK, Findings: make([]Finding, len(checks))}
	room := make(chan struct{}, l.Abreast)
	var running sync.WaitGroup
	for i := range checks {
		running.Go(func() {
			select {
			case room <- struct{}{}:
				defer func() { <-room }()
				r.Findings[i] = look(ctx, &checks[i], l.Each)
			case <-ctx.Done():
				r.Findings[i] = found(&checks[i], Unseen("there was no time left to look"), 0)
			}
		})
	}
	running.Wait()
	r.TookMS = time.Since(begin).Milliseconds()
	r.count()
	return r
}

func (r *Report) count() {
	for _, f := range r.Findings {
		switch f.Result {
		case OK:
			r.OK++
		case Warning:
			r.Warnings++
		case Failed:
			r.Failed++
		case Skipped:
			r.Skipped++
		}
	}
	switch {
	case r.Failed > 0:
		r.Result = Failed
	case r.Warnings > 0:
		r.Result = Warning
	}
}

func found(c *Check, v Verdict, took time.Duration) Finding {
	return Finding{ID: c.ID, Group: c.Group, Title: c.Title, Result: v.Result, Detail: oneLine(v.Detail), Mend: oneLine(v.Mend), TookMS: took.Milliseconds()}
}

// look waits for a check no longer than it may take: some ask the system for what a
// network file system does not answer, and cannot be called back.
func look(ctx context.Context, c *Check, within time.Duration) Finding {
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	answer := make(chan Verdict, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				answer <- Bad(fmt.Sprintf("looking at it went wrong: %v", p), "tell the developers of Tocsin; the other checks count all the same")
			}
		}()
		answer <- c.Look(ctx)
	}()
	var v Verdict
	select {
	case v = <-answer:
	case <-time.After(within + grace):
		v = Bad("did not answer within "+seconds(within), c.Slow)
		if v.Mend == "" {
			v.Mend = "look at the load of this machine and of its disks"
		}
	}
	return found(c, v, time.Since(begin))
}

func seconds(d time.Duration) string {
	if d == time.Second {
		return "1 second"
	}
	return fmt.Sprintf("%g seconds", d.Seconds())
}

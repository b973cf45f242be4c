package health_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/health"
)

// well are the facts of a program that has nothing to complain of.
func well() health.Facts {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	return health.Facts{
		Now: now, Started: now.Add(-time.Hour),
		Database:  health.Database{Engine: "sqlite", Latency: time.Millisecond, Size: 4 << 20, Schema: 1},
		Committer: health.Worker{Name: "committer", Title: "Committer", Last: now.Add(-time.Minute)},
		Delivery:  []health.Worker{{Name: "delivery", Title: "Delivery worker", Last: now, Every: time.Second}},
		Live:      health.Live{Streams: 3, Users: 2, LastTail: now},
		Push: &health.Push{Enabled: true, Last: now, Reach: true, Devices: true, KeySince: now.Add(-48 * time.Hour),
			Services: []health.PushService{{Origin: "https://push.example.com", LastFailure: now.Add(-time.Hour)}}},
		Disk:    &health.Disk{Path: "/data", Free: 90 << 30, Total: 100 << 30},
		Sources: []health.Source{{Name: "lab", Title: "Nagios", LastEvent: now.Add(-time.Hour)}},
		Engines: []health.Engine{{Source: "lab", LastOK: now.Add(-time.Minute), Waiting: 1}, {Source: "new"}},
		Mail:    &health.Mail{Enabled: true, Subscribers: 2, LastOK: now.Add(-time.Minute)},
		Chat:    &health.Chat{TwoWay: true, Key: true, Rooms: []health.Room{{Name: "Operations", LastPost: now.Add(-time.Minute)}}},
	}
}

func TestAssess(t *testing.T) {
	t.Run("nothing to complain of is well and ready", func(t *testing.T) {
		r := health.Assess(well())
		if !r.OK || !r.Ready || len(r.Warnings) != 0 {
			t.Errorf("report %+v", r)
		}
		if p := r.Part("live"); p == nil || p.Detail != "3 open tabs of 2 users" {
			t.Errorf("live %+v", p)
		}
	})
	// Vital is that the hub does not take, store or tell; nothing that others have to mend.
	vital := []string{"database away", "no room in the database", "committer stopped", "commits fail", "delivery worker stuck", "live channel never looked",
		"a delivery past its end", "fan-out stopped", "fan-out stuck", "fan-out met an error", "visitors wait"}
	for name, row := range map[string]struct {
		change func(*health.Facts)
		part   string
		says   string
		ready  bool
	}{
		"database away":             {func(f *health.Facts) { f.Database.Err = errors.New("refused") }, "database", "does not answer: refused", false},
		"database slow":             {func(f *health.Facts) { f.Database.Latency = 3 * time.Second }, "database", "took 3 seconds", true},
		"clocks apart":              {func(f *health.Facts) { f.Database.Now = f.Now.Add(-time.Minute) }, "database", "differ by 60 seconds", true},
		"committer stopped":         {func(f *health.Facts) { f.Committer.Stopped = true }, "committer", "has stopped", false},
		"commits fail":              {func(f *health.Facts) { f.Committer.Err = errors.New("disk full") }, "committer", "disk full", true},
		"delivery worker stuck":     {func(f *health.Facts) { f.Delivery[0].Last = f.Now.Add(-time.Minute) }, "delivery", "sign of life for 60 seconds", false},
		"live channel never looked": {func(f *health.Facts) { f.Live.LastTail = time.Time{} }, "live", "sign of life", false},
		"a delivery past its end":   {func(f *health.Facts) { f.Queue.Waiting, f.Queue.Ends = 1, f.Now.Add(-15*time.Minute) }, "queue", "whose time ran out 15 minutes ago", true},
		"no letter gets through":    {func(f *health.Facts) { f.Mail.Failing, f.Mail.Problem = f.Now.Add(-time.Hour), "it refuses" }, "email", "No letter got through for 60 minutes: it refuses.", true},
		"undeliverable":             {func(f *health.Facts) { f.Queue.DeadDay = 2 }, "queue", "2 deliveries", true},
		"no room in the database":   {func(f *health.Facts) { f.Database.Full = f.Now.Add(-3 * time.Minute) }, "database", "is full, for 3 minutes: nothing can be written", true},
		"disk almost full":          {func(f *health.Facts) { f.Disk.Free = 4 << 30 }, "disk", "almost full", true},
		"little room on a big disk": {func(f *health.Facts) { f.Disk.Free, f.Disk.Total = 400<<20, 1<<30 }, "disk", "419 MB left", true},
		"calls are refused":         {func(f *health.Facts) { f.Sources[0].LastError = "no token."; f.Sources[0].LastErrorAt = f.Now }, "source:lab", "refused a moment ago: no token.", true},
		"a spool waits":             {func(f *health.Facts) { f.Sources[0].Spooled = 1 }, "source:lab", "1 event waits", true},
		"an engine is away": {func(f *health.Facts) {
			f.Engines[0].Failing, f.Engines[0].Problem = f.Now.Add(-10*time.Minute), "dial: connection refused."
		}, "engines", "lab could not be told what was done here for 10 minutes: dial: connection refused.", true},
		"buttons without a key":     {func(f *health.Facts) { f.Chat.Key = false }, "mattermost", "key in whose name they act is missing", true},
		"a room that is gone":       {func(f *health.Facts) { f.Chat.Rooms[0].Problem = "the channel is archived" }, "mattermost", "posted to Operations: the channel is archived.", true},
		"fan-out stopped":           {func(f *health.Facts) { f.Push.Stopped = true }, "push", "has stopped", true},
		"fan-out stuck":             {func(f *health.Facts) { f.Push.Last = f.Now.Add(-time.Minute) }, "push", "sign of life for 60 seconds", true},
		"fan-out met an error":      {func(f *health.Facts) { f.Push.Err, f.Push.ErrAt = "disk full.", f.Now }, "push", "an error: disk full.", true},
		"visitors wait":             {func(f *health.Facts) { f.Push.Overdue = f.Now.Add(-10 * time.Minute) }, "push", "due for 10 minutes", true},
		"nobody to reach":           {func(f *health.Facts) { f.Push.Reach = false }, "push", "Nothing is sent by Web Push, because", true},
		"a service refuses our key": {func(f *health.Facts) { f.Push.Services[0].Refuses, f.Push.Services[0].Why = true, "BadJwtToken" }, "push", "Nothing is sent to https://push.example.com at present, because it refuses our key: BadJwtToken.", true},
		"a service is silent": {func(f *health.Facts) {
			f.Push.Services[0] = health.PushService{Origin: "https://push.example.com", Paused: true, LastFailure: f.Now, Until: f.Now.Add(5 * time.Minute), Why: "no answer"}
		}, "push", "Nothing is sent to https://push.example.com for 5 minutes: no answer.", true},
		"a source is quiet": {func(f *health.Facts) { f.Quiet = 10 * time.Minute }, "source:lab", "said nothing for 60 minutes", true},
	} {
		t.Run(name+" is warned of with a mend", func(t *testing.T) {
			f := well()
			row.change(&f)
			r := health.Assess(f)
			if r.OK || len(r.Warnings) != 1 || r.Ready != row.ready {
				t.Fatalf("ok %v, ready %v, warnings %+v", r.OK, r.Ready, r.Warnings)
			}
			w := r.Warnings[0]
			if w.Vital != slices.Contains(vital, name) {
				t.Errorf("vital is %v", w.Vital)
			}
			if w.Part != row.part || !strings.Contains(w.Problem, row.says) || strings.Contains(w.Problem, "..") || w.Mend == "" {
				t.Errorf("warning %+v", w)
			}
			if p := r.Part(row.part); p == nil || p.OK {
				t.Errorf("part %+v", p)
			}
		})
	}
	t.Run("a committer that has nothing to do is well, one that hangs is not", func(t *testing.T) {
		f := well()
		f.Committer.Last, f.Committer.Busy = f.Now.Add(-time.Hour), f.Now.Add(-time.Second)
		if r := health.Assess(f); !r.OK {
			t.Errorf("at work for a second: %+v", r.Warnings)
		}
		f.Committer.Busy = f.Now.Add(-time.Minute)
		r := health.Assess(f)
		if r.OK || r.Ready || r.Warnings[0].Part != "committer" || !strings.Contains(r.Warnings[0].Problem, "for 60 seconds") {
			t.Errorf("at work for a minute: ready %v, %+v", r.Ready, r.Warnings)
		}
	})
	t.Run("a commit that failed long ago is past", func(t *testing.T) {
		f := well()
		f.Committer.Err, f.Committer.ErrAt = errors.New("disk full"), f.Now.Add(-time.Minute)
		if r := health.Assess(f); r.OK {
			t.Error("a minute ago, and all is well")
		}
		f.Committer.ErrAt = f.Now.Add(-time.Hour)
		if r := health.Assess(f); !r.OK {
			t.Errorf("an hour ago, and still %+v", r.Warnings)
		}
	})
	t.Run("a call with a wrong token is told, but no fault of the source", func(t *testing.T) {
		f := well()
		f.Sources[0].LastError, f.Sources[0].LastErrorAt, f.Sources[0].Stranger = "wrong token", f.Now.Add(-3*time.Minute), true
		r := health.Assess(f)
		if p := r.Part("source:lab"); !r.OK || p.Detail != "last event 60 minutes ago; a call with a wrong token was refused 3 minutes ago" {
			t.Errorf("ok %v, part %+v", r.OK, p)
		}
	})
	t.Run("durations are words", func(t *testing.T) {
		for d, want := range map[time.Duration]string{
			300 * time.Microsecond: "less than a millisecond", time.Millisecond: "1 millisecond", 38 * time.Millisecond: "38 milliseconds",
			1900 * time.Millisecond: "1 second", 3 * time.Minute: "3 minutes",
		} {
			if got := health.Took(d); got != want {
				t.Errorf("Took(%d ns) is %q, not %q", d, got, want)
			}
		}
	})
	t.Run("a push service that asks for a moment's pause is nothing to tell", func(t *testing.T) {
		f := well()
		f.Push.Services[0] = health.PushService{Origin: "https://push.example.com", Paused: true, LastFailure: f.Now, Until: f.Now.Add(20 * time.Second), Why: "too many requests"}
		if r := health.Assess(f); !r.OK {
			t.Errorf("warnings %+v", r.Warnings)
		}
	})
	t.Run("that no subject is known is nothing to tell before the first device, and when Web Push is off", func(t *testing.T) {
		for _, change := range []func(*health.Push){func(p *health.Push) { p.Devices = false }, func(p *health.Push) { p.Enabled = false }} {
			f := well()
			f.Push.Reach = false
			change(f.Push)
			if r := health.Assess(f); !r.OK {
				t.Errorf("warnings %+v", r.Warnings)
			}
		}
	})
	t.Run("a key that is in the database only is hinted at, and no warning", func(t *testing.T) {
		r := health.Assess(well())
		p := r.Part("push")
		if !r.OK || p == nil || p.Figures[0].Value != "kept in the database only: back it up" || p.Figures[1].Value != "2 days" {
			t.Errorf("part %+v", p)
		}
	})
	t.Run("a disabled source is not complained of", func(t *testing.T) {
		f := well()
		f.Sources[0].Disabled, f.Sources[0].LastError, f.Sources[0].Spooled = true, "no token", 4
		if r := health.Assess(f); !r.OK {
			t.Errorf("warnings %+v", r.Warnings)
		}
	})
	t.Run("waiting for somebody to open a tab is no fault", func(t *testing.T) {
		f := well()
		f.Queue.Waiting, f.Queue.Oldest, f.Queue.Ends = 5, f.Now.Add(-27*24*time.Hour), f.Now.Add(time.Hour)
		if r := health.Assess(f); !r.OK {
			t.Errorf("warnings %+v", r.Warnings)
		}
	})
}

func TestEnginesAndMattermost(t *testing.T) {
	t.Run("an engine that reloads its configuration warns nobody", func(t *testing.T) {
		f := well()
		f.Engines[0].Failing, f.Engines[0].Problem = f.Now.Add(-30*time.Second), "it is reloading"
		if r := health.Assess(f); !r.OK {
			t.Errorf("warnings %+v", r.Warnings)
		}
	})
	t.Run("where no engine is told and no room is there, no part tells of it", func(t *testing.T) {
		f := well()
		f.Engines, f.Chat = nil, nil
		if r := health.Assess(f); r.Part("engines") != nil || r.Part("mattermost") != nil {
			t.Errorf("parts %+v", r.Parts)
		}
	})
	t.Run("an unknown state of the key is not said to be a bad one", func(t *testing.T) {
		f := well()
		f.Chat.Key, f.Chat.KeyErr = false, errors.New("the database is away")
		if r := health.Assess(f); !r.OK {
			t.Errorf("warnings %+v", r.Warnings)
		}
	})
	t.Run("many rooms with a problem do not fill the page", func(t *testing.T) {
		f := well()
		for range 200 {
			f.Chat.Rooms = append(f.Chat.Rooms, health.Room{Name: "x", Problem: "gone"})
		}
		r := health.Assess(f)
		if n := len(r.Warnings); n != 11 || !strings.Contains(r.Warnings[10].Problem, "190 more rooms") {
			t.Errorf("%d warnings, the last %+v", n, r.Warnings[n-1])
		}
	})
}

func TestWhichCertificateIsVital(t *testing.T) {
	for name, row := range map[string]struct {
		acme  bool
		c     health.Certificate
		vital bool
	}{
		"the hub's own is over":              {true, health.Certificate{Name: "alerts.example.com"}, true},
		"a status page's is over":            {true, health.Certificate{Name: "status.example.com", Hosts: []string{"status.example.com"}}, false},
		"one of several names, over":         {true, health.Certificate{Name: "status.example.com", Hosts: []string{"status.example.com", "alerts.example.com"}}, true},
		"the files' is over":                 {false, health.Certificate{Name: "/etc/ssl/t.pem"}, true},
		"the hub's own is over, not renewed": {true, health.Certificate{Name: "alerts.example.com", Problem: "the CA does not answer"}, true},
		"the hub's own is missing":           {true, health.Certificate{Name: "alerts.example.com", Problem: "alerts.example.com: the CA does not answer"}, true},
		"a status page's is missing":         {true, health.Certificate{Name: "status.example.com", Problem: "status.example.com: the name leads nowhere"}, false},
		"the hub's own ends soon, unrenewed": {true, health.Certificate{Name: "alerts.example.com", Problem: "the CA does not answer"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := well()
			switch {
			case strings.Contains(name, "over"):
				row.c.Since, row.c.Until = f.Now.Add(-90*24*time.Hour), f.Now.Add(-time.Hour)
			case strings.Contains(name, "soon"):
				row.c.Since, row.c.Until = f.Now.Add(-80*24*time.Hour), f.Now.Add(10*24*time.Hour)
			}
			f.HTTPS = &health.HTTPS{Own: "alerts.example.com", Spoken: true, Secure: true, ACME: row.acme, Certificates: []health.Certificate{row.c}}
			r := health.Assess(f)
			if len(r.Warnings) != 1 || r.Warnings[0].Vital != row.vital {
				t.Errorf("warns %+v", r.Warnings)
			}
		})
	}
}

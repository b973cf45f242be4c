package nagios_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
	"tocsin/internal/source/nagios"
)

// status is a status.dat with one service in a state, and blocks of its own.
func status(created time.Time, state int, acked bool, blocks ...string) string {
	a := 0
	if acked {
		a = 1
	}
	return fmt.Sprintf(`########################################
#          NAGIOS STATUS FILE
########################################

info {
	created=%d
	version=4.4.6
	}

programstatus {
	nagios_pid=1
	enable_notifications=1
	}

hoststatus {
	host_name=web01
	current_state=0
	plugin_output=PING OK
	problem_has_been_acknowledged=0
	scheduled_downtime_depth=0
	}

servicestatus {
	host_name=web01
	service_description=Disk
	current_state=2
	plugin_output=problem_has_been_acknowledged=1
	problem_has_been_acknowledged=0
	}

servicestatus {
	host_name=web01
	service_description=HTTP Check
	current_state=%d
	plugin_output=CRITICAL %s
	problem_has_been_acknowledged=%d
	acknowledgement_type=2
	}

%s`, created.Unix(), state, strings.Repeat("x", 100<<10), a, strings.Join(blocks, "\n"))
}

func ackComment(at time.Time, author, text string, kind int) string {
	return fmt.Sprintf("servicecomment {\n\thost_name=web01\n\tservice_description=HTTP Check\n\tentry_type=%d\n\tcomment_id=7\n\tsource=1\n\tpersistent=1\n\tentry_time=%d\n\texpires=0\n\tauthor=%s\n\tcomment_data=%s\n\t}\n", kind, at.Unix(), author, text)
}

func downtimeBlock(start time.Time, comment string) string {
	return fmt.Sprintf("servicedowntime {\n\thost_name=web01\n\tservice_description=HTTP Check\n\tdowntime_id=1\n\tentry_time=%d\n\tstart_time=%d\n\tend_time=%d\n\tfixed=1\n\tauthor=jane.doe\n\tcomment=%s\n\t}\n", start.Unix(), start.Unix(), start.Unix()+3600, comment)
}

// written puts a status file there and answers its path.
func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "status.dat")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhatStatusDatShows(t *testing.T) {
	ours := ackComment(noon, "jane.doe", "Looking into it", 4)
	theirs := ackComment(noon.Add(-time.Hour), "ben", "Mine", 4)
	unack, comment, schedule, cancel := ack, ack, ack, ack
	unack.Verb, comment.Verb, schedule.Verb, cancel.Verb = source.Unacknowledge, source.Comment, source.ScheduleDowntime, source.CancelDowntime
	schedule.Until = noon.Add(time.Hour)
	host, unknown := ack, ack
	host.Object = alert.Object{Host: "web01"}
	unknown.Object = alert.Object{Host: "web99"}
	late := ack
	late.From, late.Note = noon.Add(-time.Hour), fmt.Sprint(noon.Unix())
	ahead := ack
	ahead.Since = noon.Add(time.Minute)
	const pending, yes, no = alert.Pending, alert.Confirmed, alert.Refused
	soon, then := noon.Add(time.Second), noon.Add(20*time.Second)
	for _, c := range []struct {
		name   string
		cmd    source.Command
		status string
		want   alert.Confirmation // empty: not to be seen yet
		words  string
	}{
		{"our comment beside the acknowledgement", ack, status(soon, 2, true, ours), yes, "shows it"},
		{"and in the second in which it was asked for", ack, status(noon, 2, true, ours), yes, "shows it"},
		{"not acknowledged", ack, status(soon, 2, false), pending, "does not show it"},
		{"not acknowledged any more, our comment is left", ack, status(soon, 2, false, ours), pending, "does not show it"},
		{"a file older than the command", ack, status(noon.Add(-time.Second), 2, false), "", "not to be seen yet"},
		{"a file of the same second", ack, status(noon, 2, false), "", "not to be seen yet"},
		{"a file older than the second handing over", late, status(noon.Add(-time.Minute), 2, false), "", "not to be seen yet"},
		{"acknowledged by somebody else before", ack, status(soon, 2, true, theirs), pending, "does not show it"},
		{"acknowledged by somebody else, and ours does not come", ack, status(then, 2, true, theirs), yes, "shows it as acknowledged by ben"},
		{"an old comment of ours with the same words", ack, status(soon, 2, true, ackComment(noon.Add(-time.Hour), "jane.doe", "Looking into it", 4)), pending, "does not show it"},
		{"a user's comment is no acknowledgement", ack, status(soon, 2, true, ackComment(noon, "jane.doe", "Looking into it", 1)), pending, "does not show it"},
		{"recovered a moment ago: the RECOVERY is on its way", ack, status(soon, 0, false), pending, "does not show it"},
		{"recovered", ack, status(then, 0, false), no, "shows HTTP Check on web01 as OK, so there is nothing to acknowledge"},
		{"a host that is up", host, status(then, 2, false), no, "shows web01 as up"},
		{"an object it does not know", unknown, status(then, 2, false), no, "does not know web99"},
		{"taken back", unack, status(soon, 2, false), yes, "not acknowledged"},
		{"not taken back yet", unack, status(soon, 2, true, ours), pending, "still shows it as acknowledged"},
		{"taken back, and acknowledged by somebody else since", unack, status(then, 2, true, ackComment(soon, "ben", "Mine", 4)), yes, "anew by ben"},
		{"a comment", comment, status(soon, 2, false, ackComment(noon, "jane.doe", "Looking into it", 1)), yes, "shows it"},
		{"a comment, by a clock that is behind", comment, status(soon, 2, false, ackComment(noon.Add(-time.Minute), "jane.doe", "Looking into it", 1)), yes, "shows it"},
		{"an old comment with the same words", comment, status(soon, 2, false, ackComment(noon.Add(-time.Hour), "jane.doe", "Looking into it", 1)), pending, "does not show it"},
		{"well by a clock that is ahead, before the problem was there", ahead, status(then, 0, false), pending, "does not show it"},
		{"well by a clock that is ahead, after the problem was there", ahead, status(then.Add(time.Minute), 0, false), no, "as OK"},
		{"no comment", comment, status(soon, 2, false, ours), pending, "does not show it"},
		{"a downtime", schedule, status(soon, 2, false, downtimeBlock(noon, "Looking into it (Tocsin 0198)")), yes, "shows it"},
		{"a downtime of another time", schedule, status(soon, 2, false, downtimeBlock(noon.Add(-time.Hour), "Looking into it (Tocsin 0198)")), pending, "does not show it"},
		{"a downtime that is over", cancel, status(soon, 2, false, downtimeBlock(noon, "somebody's")), yes, "no downtime that was scheduled here"},
		{"a downtime that is not over", cancel, status(soon, 2, false, downtimeBlock(noon, "x (Tocsin 0198)")), pending, "still shows the downtime"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := commandFile(t, "/nowhere/nagios.cmd", written(t, c.status))
			reply, err := e.Check(t.Context(), c.cmd)
			said := reply.Words
			if err != nil {
				said = err.Error()
			}
			if reply.Confirmation != c.want || (c.want == "") != errors.Is(err, source.ErrNotYet) || !strings.Contains(said, c.words) {
				t.Errorf("%q %q, %v", reply.Confirmation, reply.Words, err)
			}
		})
	}
}

func TestWatchLooksOnceForAll(t *testing.T) {
	e := commandFile(t, "/nowhere/nagios.cmd", written(t, status(noon.Add(time.Minute), 2, true)))
	disk, host, gone, newer := ack, ack, ack, ack
	disk.Object.Service, host.Object.Service, gone.Object.Host = "Disk", "", "web99"
	newer.Object.Service, newer.From = "Disk", noon.Add(time.Hour)
	replies, err := e.(source.Watcher).Watch(t.Context(), []source.Command{ack, disk, host, gone, newer})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		c         alert.Confirmation
		recovered bool
		words     string
	}{
		{alert.Confirmed, false, "shows it"},
		{alert.Refused, false, "was taken back there"},
		{alert.Refused, true, "shows web01 as up"},
		{alert.Refused, false, "does not know HTTP Check on web99"},
		{alert.Pending, false, "older than it"},
	} {
		if r := replies[i]; r.Confirmation != want.c || r.Recovered != want.recovered || !strings.Contains(r.Words, want.words) {
			t.Errorf("%d: %+v", i, r)
		}
	}
}

func TestWhatIsNoStatusFile(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, want string
		make       func(path string) error
	}{
		{"missing", "there is no status file", func(string) error { return nil }},
		{"empty", "is no status.dat", func(p string) error { return os.WriteFile(p, nil, 0o600) }},
		{"page", "is no status.dat", func(p string) error { return os.WriteFile(p, []byte("<html>\n"), 0o600) }},
		{"half", "ends in the middle", func(p string) error {
			return os.WriteFile(p, []byte("info {\n\tcreated=1795299457\n\t}\nhoststatus {\n\thost_name=web01\n"), 0o600)
		}},
		{"folder", "is no regular file", func(p string) error { return os.Mkdir(p, 0o700) }},
		{"fifo", "is no regular file", func(p string) error { return syscall.Mkfifo(p, 0o600) }},
		{"huge", "at most 256 are read: choose Livestatus", func(p string) error {
			f, err := os.Create(p)
			if err != nil {
				return err
			}
			return errors.Join(f.Truncate(257<<20), f.Close())
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.name)
			if err := c.make(path); err != nil {
				t.Fatal(err)
			}
			soon(t, func() {
				_, err := commandFile(t, "/nowhere/nagios.cmd", path).Check(t.Context(), ack)
				if err == nil || errors.Is(err, source.ErrNotYet) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

func TestProbeSaysThatAStatusFileIsOld(t *testing.T) {
	path := fifo(t, filepath.Join(t.TempDir(), "nagios.cmd"))
	reader(t, path)
	for want, created := range map[string]time.Time{"": time.Now(), "was written": time.Now().Add(-time.Hour)} {
		err := commandFile(t, path, written(t, status(created, 0, false))).(source.Prober).Probe(t.Context())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// Many who look at the same time see what each of them asked for.
func TestManyLookAtTheSameTime(t *testing.T) {
	var b strings.Builder
	b.WriteString(status(noon.Add(time.Minute), 2, false))
	for n := range 200 {
		fmt.Fprintf(&b, "servicestatus {\n\thost_name=h%d\n\tservice_description=s\n\tcurrent_state=2\n\tproblem_has_been_acknowledged=%d\n\t}\n", n, n%2)
	}
	e := commandFile(t, "/nowhere/nagios.cmd", written(t, b.String()))
	var all sync.WaitGroup
	for n := range 200 {
		all.Go(func() {
			c := ack
			c.Verb, c.Object = source.Unacknowledge, alert.Object{Host: fmt.Sprint("h", n), Service: "s"}
			reply, err := e.Check(t.Context(), c)
			if want := []alert.Confirmation{alert.Confirmed, alert.Pending}[n%2]; err != nil || reply.Confirmation != want {
				t.Errorf("%d: %+v, %v", n, reply, err)
			}
		})
	}
	all.Wait()
}

// What a downtime that was scheduled here is called, the engine says.
// A large engine's file has hundreds of megabytes, is written every ten seconds, and
// looked at several times a second.
func TestAStatusFileThatIsTheSameIsReadOnce(t *testing.T) {
	ours := ackComment(noon, "jane.doe", "Looking into it", 4)
	before, after := status(noon.Add(time.Second), 2, false, ours), status(noon.Add(time.Second), 2, true, ours)
	path := written(t, before)
	put := func(text string, changed time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	e := commandFile(t, "/nowhere/nagios.cmd", path)
	shows := func(c source.Command, want alert.Confirmation) {
		t.Helper()
		if r, err := e.Check(t.Context(), c); err != nil || r.Confirmation != want {
			t.Errorf("%s of %s: %+v, %v", c.Verb, c.Object.Name(), r, err)
		}
	}
	old := time.Now().Add(-time.Minute)
	put(before, old)
	shows(ack, alert.Pending)
	put(after, old) // as if it were the same
	shows(ack, alert.Pending)
	another := ack
	another.Object = alert.Object{Host: "web01"}
	shows(another, alert.Pending)
	shows(ack, alert.Confirmed) // the other one was not looked for before
	put(before, old.Add(time.Millisecond))
	shows(ack, alert.Pending)
	// One that was changed a moment ago may be changed again at what counts as the
	// same moment.
	now := time.Now().Add(time.Hour)
	put(before, now)
	shows(ack, alert.Pending)
	put(after, now)
	shows(ack, alert.Confirmed)
}

func TestCancelEndsThoseThatAreSeen(t *testing.T) {
	path := fifo(t, filepath.Join(t.TempDir(), "nagios.cmd"))
	r := reader(t, path)
	cancel := ack
	cancel.Verb = source.CancelDowntime
	shown := status(noon.Add(-time.Minute), 2, false,
		downtimeBlock(noon.Add(-time.Hour), "first (Tocsin 0198)"), downtimeBlock(noon.Add(-time.Hour), "somebody's"), downtimeBlock(noon.Add(-2*time.Hour), "second (Tocsin 0198)"))
	reply, err := commandFile(t, path, written(t, shown)).Do(t.Context(), cancel)
	if err != nil || reply.Confirmation != alert.Pending {
		t.Fatalf("%+v, %v", reply, err)
	}
	buf := make([]byte, 8192)
	n, err := r.Read(buf)
	if want := "[1795299457] DEL_DOWNTIME_BY_HOST_NAME;web01;HTTP Check;1795295857;first (Tocsin 0198)\n" +
		"[1795299457] DEL_DOWNTIME_BY_HOST_NAME;web01;HTTP Check;1795292257;second (Tocsin 0198)\n"; err != nil || string(buf[:n]) != want {
		t.Errorf("%v\n%s", err, buf[:n])
	}
	if _, err := commandFile(t, path, written(t, status(noon.Add(-time.Minute), 2, false))).Do(t.Context(), cancel); !errors.Is(err, source.ErrNotYet) {
		t.Errorf("one that is not to be seen yet: %v", err)
	}
	if reply, err := commandFile(t, path, written(t, status(noon.Add(time.Minute), 2, false))).Do(t.Context(), cancel); err != nil || reply.Confirmation != alert.Confirmed {
		t.Errorf("none is there: %+v, %v", reply, err)
	}
}

func TestWhatIsOverIsNotHandedOver(t *testing.T) {
	for _, verb := range []source.Verb{source.Acknowledge, source.ScheduleDowntime} {
		c := ack
		c.Verb, c.Until = verb, noon
		if reply, err := commandFile(t, "/nowhere/nagios.cmd", "").Do(t.Context(), c); err != nil || reply.Confirmation != alert.Refused || !strings.Contains(reply.Words, "its time was over") {
			t.Errorf("%+v, %v", reply, err)
		}
	}
	bad := ack
	bad.Object.Host = "web01\nx"
	if reply, err := commandFile(t, "/nowhere/nagios.cmd", "").Do(t.Context(), bad); err != nil || reply.Confirmation != alert.Refused || !strings.Contains(reply.Words, "control character") {
		t.Errorf("%+v, %v", reply, err)
	}
	release := ack
	release.Verb = source.Release
	if reply, err := commandFile(t, "/nowhere/nagios.cmd", "").Do(t.Context(), release); err != nil || reply.Confirmation != alert.Confirmed {
		t.Errorf("%+v, %v", reply, err)
	}
}

func FuzzStatus(f *testing.F) {
	f.Add(status(noon, 2, true, ackComment(noon, "jane.doe", "Looking into it", 4), downtimeBlock(noon, "x"))[:2000])
	f.Add("info {\n\tcreated=1795299457\n\t}\nservicestatus {\n\thost_name=web01\n\tservice_description=HTTP Check\n\tcurrent_state=2\n\t}\n")
	f.Add("info {\ncreated=-1\n}\n}\n{\n = {\n")
	path := filepath.Join(f.TempDir(), "status.dat")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		reply, err := commandFile(t, "/nowhere/nagios.cmd", path).Check(t.Context(), ack)
		if err == nil && reply.Confirmation == alert.Confirmed && !strings.Contains(text, "problem_has_been_acknowledged=") {
			t.Errorf("confirmed by %q", text)
		}
	})
}

func TestSettings(t *testing.T) {
	for _, c := range []struct {
		kind  source.WriteBackKind
		w     source.WriteBack
		field string // that is wrong; empty: none is
	}{
		{nagios.CommandFile(), source.WriteBack{CommandFile: "/a/nagios.cmd"}, ""},
		{nagios.CommandFile(), source.WriteBack{}, "write_back.command_file"},
		{nagios.CommandFile(), source.WriteBack{CommandFile: "nagios.cmd"}, "write_back.command_file"},
		{nagios.CommandFile(), source.WriteBack{CommandFile: "/a/\n"}, "write_back.command_file"},
		{nagios.CommandFile(), source.WriteBack{CommandFile: "/a/"}, "write_back.command_file"},
		{nagios.CommandFile(), source.WriteBack{CommandFile: "/a", StatusFile: "b"}, "write_back.status_file"},
		{nagios.CommandFile(), source.WriteBack{CommandFile: "/a", ConfirmSeconds: -1}, "write_back.confirm_seconds"},
		{nagios.Livestatus(), source.WriteBack{Livestatus: "unix:/run/live"}, ""},
		{nagios.Livestatus(), source.WriteBack{Livestatus: "tcp:naemon.example.com:6557"}, ""},
		{nagios.Livestatus(), source.WriteBack{}, "write_back.livestatus"},
		{nagios.Livestatus(), source.WriteBack{Livestatus: "/run/live"}, "write_back.livestatus"},
		{nagios.Livestatus(), source.WriteBack{Livestatus: "unix:run/live"}, "write_back.livestatus"},
		{nagios.Livestatus(), source.WriteBack{Livestatus: "unix:/" + strings.Repeat("x", 200)}, "write_back.livestatus"},
		{nagios.Livestatus(), source.WriteBack{Livestatus: "tcp:naemon.example.com"}, "write_back.livestatus"},
		{nagios.Livestatus(), source.WriteBack{Livestatus: "tcp:a b:1"}, "write_back.livestatus"},
	} {
		_, err := c.kind.Open(c.w, source.EngineOptions{})
		var f *source.FieldError
		if (err == nil) != (c.field == "") || err != nil && (!errors.As(err, &f) || f.Field != c.field || f.Mend == "") {
			t.Errorf("%+v: %v", c.w, err)
		}
	}
}

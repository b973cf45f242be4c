package station_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/demo/station"
)

// started is a station that runs, with one problem each of a service and a host.
func started(t *testing.T) (s *station.Station, told chan string) {
	t.Helper()
	s, err := station.New(filepath.Join(t.TempDir(), "engine"))
	if err != nil {
		t.Fatal(err)
	}
	told = make(chan string, 10)
	s.Every = 5 * time.Millisecond
	s.Told = func(kind, host, service, author, comment string) {
		told <- strings.Join([]string{kind, host, service, author, comment}, "|")
	}
	s.See("PROBLEM", "web01", "HTTP", "CRITICAL", "", "")
	s.See("PROBLEM", "db01", "", "DOWN", "", "")
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, told
}

// command writes a line into the command file, as Tocsin does.
func command(t *testing.T, s *station.Station, line string) {
	t.Helper()
	f, err := os.OpenFile(s.Commands, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "[%d] %s\n", time.Now().Unix(), line); err != nil {
		t.Fatal(err)
	}
}

// shows waits until status.dat is so.
func shows(t *testing.T, s *station.Station, what string, fits func(status string) bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); ; <-tick.C {
		b, err := os.ReadFile(s.Status)
		if err != nil {
			t.Fatal(err)
		}
		if fits(string(b)) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("status.dat does not show %s:\n%s", what, b)
		}
	}
}

func has(parts ...string) func(string) bool {
	return func(status string) bool {
		for _, p := range parts {
			if !strings.Contains(status, p) {
				return false
			}
		}
		return true
	}
}

func not(fits func(string) bool) func(string) bool {
	return func(s string) bool { return !fits(s) }
}

func TestStation(t *testing.T) {
	s, told := started(t)
	acked := has("problem_has_been_acknowledged=1")
	t.Run("an acknowledgement is shown with its comment, and can be removed", func(t *testing.T) {
		command(t, s, "ACKNOWLEDGE_SVC_PROBLEM;web01;HTTP;2;0;1;Jane;on it; really")
		shows(t, s, "the acknowledgement", has("problem_has_been_acknowledged=1", "author=Jane", "comment_data=on it; really", "entry_type=4"))
		command(t, s, "REMOVE_SVC_ACKNOWLEDGEMENT;web01;HTTP")
		shows(t, s, "that it is removed", not(acked))
	})
	t.Run("of a host, too, until it is up again", func(t *testing.T) {
		command(t, s, "ACKNOWLEDGE_HOST_PROBLEM;db01;2;0;1;Jane;looking")
		shows(t, s, "the acknowledgement", has("problem_has_been_acknowledged=1", "comment_data=looking"))
		s.See("RECOVERY", "db01", "", "UP", "", "")
		shows(t, s, "that it is over", not(acked))
		command(t, s, "ACKNOWLEDGE_HOST_PROBLEM;db01;2;0;1;Jane;too late")
		command(t, s, "ADD_HOST_COMMENT;db01;1;Jane;all is well")
		shows(t, s, "the comment", has("comment_data=all is well", "entry_type=1"))
		shows(t, s, "no acknowledgement of what is up", not(acked))
	})
	t.Run("a downtime is told and shown, and ends by a command or by itself", func(t *testing.T) {
		now := time.Now().Unix()
		schedule := func(end int64, comment string) {
			t.Helper()
			command(t, s, fmt.Sprintf("SCHEDULE_SVC_DOWNTIME;web01;HTTP;%d;%d;1;0;60;Jane;%s", now, end, comment))
			if got := <-told; got != "DOWNTIMESTART|web01|HTTP|Jane|"+comment {
				t.Error(got)
			}
		}
		schedule(now+600, "new disk")
		shows(t, s, "the downtime", has("servicedowntime {", "comment=new disk", fmt.Sprint("end_time=", now+600)))
		command(t, s, fmt.Sprintf("DEL_DOWNTIME_BY_HOST_NAME;web01;HTTP;%d;new disk", now))
		if got := <-told; !strings.HasPrefix(got, "DOWNTIMECANCELLED|web01|HTTP|") {
			t.Error(got)
		}
		schedule(now, "over at once")
		if got := <-told; !strings.HasPrefix(got, "DOWNTIMEEND|web01|HTTP|") {
			t.Error(got)
		}
	})
	t.Run("what it does not know it passes over", func(t *testing.T) {
		for _, line := range []string{"DISABLE_NOTIFICATIONS", "ACKNOWLEDGE_SVC_PROBLEM;nobody;x;2;0;1;Jane;x", "ACKNOWLEDGE_SVC_PROBLEM", "DEL_DOWNTIME_BY_HOST_NAME", ";;;;;;"} {
			command(t, s, line)
		}
		command(t, s, "ADD_SVC_COMMENT;web01;HTTP;1;Jane;still there")
		shows(t, s, "the comment", has("comment_data=still there"))
	})
}

package nagios_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/internal/source"
	kind "tocsin/internal/source/nagios"
	"tocsin/test/nagios"
)

// TestThePastedCommandsRun goes with the very text that the console shows, and
// with texts of a check and of a person that a shell would like to obey.
func TestThePastedCommandsRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	told, obeyed, script := filepath.Join(dir, "told"), filepath.Join(dir, "obeyed"), filepath.Join(dir, "tocsin")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n{ for a; do printf '%s\\n' \"$a\"; done; echo END; } >> "+told+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	lines := map[string]string{}
	for _, s := range kind.New().Snippets(source.Setup{BaseURL: "https://tocsin.example.com", Source: "berlin", Token: "ts_secret"}) {
		for part := range strings.SplitSeq(s.Text, "define command {") {
			var name, line string
			for row := range strings.SplitSeq(part, "\n") {
				key, value, _ := strings.Cut(strings.TrimSpace(row), " ")
				switch key {
				case "command_name":
					name = strings.TrimSpace(value)
				case "command_line":
					line = strings.ReplaceAll(strings.TrimSpace(value), "/usr/local/bin/tocsin", script)
				}
			}
			lines[name] = line
		}
	}
	n, err := nagios.Start(ctx, nagios.Config{Dir: dir, Contacts: []string{"ops"}, Hosts: []string{"web01"},
		Services: []nagios.Service{{Host: "web01", Name: "HTTP Check"}}, HostCommand: lines["tocsin-host"], ServiceCommand: lines["tocsin-service"]})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	run := "x $(touch " + obeyed + ") `touch " + obeyed + "` \"; touch " + obeyed + "; ' & | \\"
	const mark = "--longoutput="
	// step waits for the call of an event that has the first of the arguments.
	step := func(what string, do error, first string, want ...string) {
		t.Helper()
		if do != nil {
			t.Fatal(do)
		}
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			text, _ := os.ReadFile(told)
			if calls := strings.Split(string(text), "END\n"); len(calls) > 1 && strings.HasSuffix(string(text), "END\n") {
				argv := strings.Split(strings.TrimSuffix(calls[len(calls)-2], "\n"), "\n")
				if slices.Contains(argv, "--notificationtype="+what) && slices.Contains(argv, first) {
					for _, w := range append(want, "notify", "--hostname=web01", "--hostdisplayname=web01", "--contact=ops") {
						if !slices.ContainsFunc(argv, func(a string) bool {
							return a == w || strings.HasSuffix(w, "=…") && strings.HasPrefix(a, strings.TrimSuffix(w, "…"))
						}) {
							t.Errorf("%s: %q is not in %q", what, w, argv)
						}
					}
					return
				}
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				_, err := os.Stat(obeyed)
				t.Fatalf("no %s as it was sent; obeyed: %v; %s", what, err == nil, text)
			}
		}
	}
	step("PROBLEM", n.Service("web01", "HTTP Check", 2, run), "--type=Service", "--service=HTTP Check", "--servicedisplayname=HTTP Check", "--state=2", "--output=…", mark+"…")
	step("ACKNOWLEDGEMENT", n.Command("ACKNOWLEDGE_SVC_PROBLEM", "web01", "HTTP Check", "2", "1", "1", "Jane $(touch "+obeyed+")", run), "--type=Service", "--ackauthor=…", "--ackcomment=…")
	step("CUSTOM", n.Command("SEND_CUSTOM_SVC_NOTIFICATION", "web01", "HTTP Check", "0", "Jane `touch "+obeyed+"`", run), "--type=Service", "--ackcomment=…")
	step("RECOVERY", n.Service("web01", "HTTP Check", 0, "fine"), "--state=0", "--output=fine")
	// A backslash at the end of one text would join it with the next, which then
	// stood before the shell as it is.
	step("PROBLEM", n.Service("web01", "HTTP Check", 1, `x \\\\\n; touch `+obeyed+`; : \\\\`), "--state=1", "--output=…", mark+"…")
	step("PROBLEM", n.Host("web01", 1, run), "--type=Host", "--state=1")
	if _, err := os.Stat(obeyed); err == nil {
		t.Errorf("a shell obeyed what a check or a person wrote")
	}
}

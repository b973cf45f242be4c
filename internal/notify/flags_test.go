package notify_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCallsOfRealEnginesArrive(t *testing.T) {
	for _, file := range []string{"nagios-4.4.6-notify-argv.json", "icinga2-2.13-notify-argv.json"} {
		body, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		var calls []struct{ Argv []string }
		if err := json.Unmarshal(body, &calls); err != nil {
			t.Fatal(err)
		}
		if len(calls) == 0 {
			t.Fatal("no calls in " + file)
		}
		for _, call := range calls {
			want := make(map[string]string)
			for i := 0; i < len(call.Argv); i += 2 {
				want[call.Argv[i]] = call.Argv[i+1]
			}
			t.Run(file+" "+want["--type"]+" "+want["--notificationtype"], func(t *testing.T) {
				h := newHub(t)
				c := newCaller(t, h.URL)
				if got := c.run(call.Argv...); got.code != 0 || got.err != "" {
					t.Fatalf("ended with %+v", got)
				}
				e := h.events[0]
				first, _, _ := strings.Cut(want["--output"], "\n")
				got := map[string]string{"--notificationtype": e.Type, "--hostname": e.Host, "--service": e.Service, "--output": e.Output,
					"--ackauthor": e.Author, "--ackcomment": e.Comment, "--contact": e.Contact}
				want["--output"] = first
				for k, v := range got {
					if v != want[k] {
						t.Errorf("%s arrived as %q, sent %q", k, v, want[k])
					}
				}
				if s, _ := json.Marshal(e.State); string(s) != want["--state"] {
					t.Errorf("state %s, sent %s", s, want["--state"])
				}
				if file[0] == 'i' && want["--notificationtype"] != "RECOVERY" && e.LongOutput != "second" {
					t.Errorf("the second line of the output became %q", e.LongOutput)
				}
			})
		}
	}
}

func TestFlagsBecomeAnEvent(t *testing.T) {
	tests := []struct {
		name string
		args string // divided at |
		want sent
		warn string
	}{
		{"openITCOCKPIT's browser command for a service", "--type|Service|--notificationtype|PROBLEM|--hostuuid|h-uuid|--serviceuuid|s-uuid|--state|2|--output|bad|--ackauthor||--ackcomment||--user-id|7",
			sent{Type: "PROBLEM", Host: "h-uuid", Service: "s-uuid", State: 2.0, Output: "bad", UserID: "7"}, ""},
		{"openITCOCKPIT's newer browser command, one hyphen each", "-t|service|-notificationtype|PROBLEM|-hostuuid|h-uuid|-serviceuuid|s-uuid|-state|2|-output|bad|-ackauthor||-ackcomment||-user-id|7",
			sent{Type: "PROBLEM", Host: "h-uuid", Service: "s-uuid", State: 2.0, Output: "bad", UserID: "7"}, ""},
		{"one hyphen, and the shell dropped empty macros", "-type|Host|-notificationtype|PROBLEM|-hostuuid|h-uuid|-state|1|-output|-ackauthor|-ackcomment|-user-id|7",
			sent{Type: "PROBLEM", Host: "h-uuid", State: 1.0, UserID: "7"}, ""},
		{"an output that looks like a flag with one hyphen stays one", "--type|Host|--notificationtype|PROBLEM|--hostname|w|--state|1|--output|-contact|--contact|ops",
			sent{Type: "PROBLEM", Host: "w", State: 1.0, Output: "-contact", Contact: "ops"}, ""},
		{"openITCOCKPIT's Mattermost command for a host", "-t|host|--notificationtype|RECOVERY|--hostuuid|h-uuid|--state|0|--output|up|--no-emoji",
			sent{Type: "RECOVERY", Host: "h-uuid", State: 0.0, Output: "up", NoEmoji: true}, ""},
		{"a name beside a UUID is for people", "--type=Service|--notificationtype=PROBLEM|--hostuuid=u|--hostname=web01|--serviceuuid=v|--service=HTTP|--state=1",
			sent{Type: "PROBLEM", Host: "u", HostDisplay: "web01", Service: "v", ServiceDisplay: "HTTP", State: 1.0}, ""},
		{"the shell dropped empty macros", "--type|Service|--notificationtype|PROBLEM|--hostname|w|--service|s|--state|--output|--ackauthor|--ackcomment|--contact|ops",
			sent{Type: "PROBLEM", Host: "w", Service: "s", Contact: "ops"}, ""},
		{"the shell dropped the last macro", "--type|Host|--notificationtype|PROBLEM|--hostname|w|--state|1|--ackcomment",
			sent{Type: "PROBLEM", Host: "w", State: 1.0}, ""},
		{"a value may start with hyphens", "--type|Host|--notificationtype|PROBLEM|--hostname|w|--state|1|--output|--- CRITICAL --",
			sent{Type: "PROBLEM", Host: "w", State: 1.0, Output: "--- CRITICAL --"}, ""},
		{"an output that looks like a setting stays an output", "--type|Host|--notificationtype|PROBLEM|--hostname|w|--state|1|--output|--url=http://evil.example/|--contact|ops",
			sent{Type: "PROBLEM", Host: "w", State: 1.0, Output: "--url=http://evil.example/", Contact: "ops"}, ""},
		{"an output that looks like a switch stays an output", "--type|Host|--notificationtype|PROBLEM|--hostname|w|--state|1|--output|--flush|--contact|ops",
			sent{Type: "PROBLEM", Host: "w", State: 1.0, Output: "--flush", Contact: "ops"}, ""},
		{"an output that looks like a flag given before stays an output", "--type|Host|--notificationtype|PROBLEM|--hostname|w|--state|1|--output|--state|--contact|ops",
			sent{Type: "PROBLEM", Host: "w", State: 1.0, Output: "--state", Contact: "ops"}, ""},
		{"a macro that the engine did not resolve is empty", "--notificationtype=PROBLEM|--hostname=w|--service=$SERVICEDESC$|--state=1|--ackauthor=$_HOSTX$",
			sent{Type: "PROBLEM", Host: "w", State: 1.0}, "$SERVICEDESC$"},
		{"without a type a service makes it one", "--notificationtype=problem|--hostname=w|--service=s|--state=critical",
			sent{Type: "PROBLEM", Host: "w", Service: "s", State: "critical"}, ""},
		{"Nagios' line breaks and backslashes in the long output", `--notificationtype=PROBLEM|--hostname=w|--state=DOWN|--longoutput=a\nC:\\new\n`,
			sent{Type: "PROBLEM", Host: "w", State: "down", LongOutput: "a\nC:\\new\n"}, ""},
		{"several contacts, labels, a link", "--notificationtype=CUSTOM|--hostname=w|--contact=a|--contact=b|--label=team=db|--label=empty=|--link=https://x/1",
			sent{Type: "CUSTOM", Host: "w", Contacts: []string{"a", "b"}, Labels: map[string]string{"team": "db"}, URL: "https://x/1"}, ""},
		{"Icinga's other words", "--notificationtype=FLAPPINGEND|--hostname=w|--hostdisplayname=Web|--state=UP",
			sent{Type: "FLAPPINGSTOP", Host: "w", HostDisplay: "Web", State: "up"}, ""},
		{"Icinga's removed downtime", "--notificationtype=DowntimeRemoved|--hostname=w", sent{Type: "DOWNTIMECANCELLED", Host: "w"}, ""},
		{"bytes that are no text are replaced", "--notificationtype=PROBLEM|--hostname=w|--output=a\xffb", sent{Type: "PROBLEM", Host: "w", Output: "a\ufffdb"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHub(t)
			got := newCaller(t, h.URL).run(strings.Split(tt.args, "|")...)
			if got.code != 0 || !strings.Contains(got.err, tt.warn) || (tt.warn == "" && got.err != "") {
				t.Fatalf("ended with %+v", got)
			}
			e := h.events[0]
			if e.ID == "" || e.Time == nil {
				t.Errorf("no id or time: %+v", e)
			}
			e.ID, e.Time = "", nil
			if !reflect.DeepEqual(e, tt.want) {
				t.Errorf("arrived as\n%+v, want\n%+v", e, tt.want)
			}
		})
	}
}

func TestTimesArePassedOn(t *testing.T) {
	for text, want := range map[string]any{"1795299445": 1795299445.0, "1795299445.25": 1795299445.25, "2026-11-22T10:30:00Z": "2026-11-22T10:30:00Z"} {
		h := newHub(t)
		if got := newCaller(t, h.URL).tell("x", "--time", text); got.code != 0 || h.events[0].Time != want {
			t.Errorf("--time %s arrived as %v (%+v)", text, h.events[0].Time, got)
		}
	}
	h := newHub(t)
	before := time.Now()
	newCaller(t, h.URL).tell("x")
	if s, ok := h.events[0].Time.(float64); !ok || s < float64(before.UnixMilli())/1000 || s > float64(time.Now().UnixMilli()+1)/1000 {
		t.Errorf("a call without a time was stamped %v", h.events[0].Time)
	}
}

func TestWrongFlagsSayWhatToWrite(t *testing.T) {
	good := []string{"--type=Service", "--notificationtype=PROBLEM", "--hostname=w", "--service=s", "--state=2"}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"another command's word", []string{"--host", "w"}, "write --hostname"},
		{"a macro's name", []string{"--servicedesc", "w"}, "write --service"},
		{"a typing error", []string{"--notifcationtype", "w"}, "write --notificationtype"},
		{"hyphens too many", []string{"--long-output", "w"}, "write --longoutput"},
		{"a setting with one hyphen", []string{"-url", "http://127.0.0.1:8083/message"}, "write --url"},
		{"a flag of nobody's with one hyphen", []string{"-icon", "x"}, `there is no flag "--icon"`},
		{"hyphens missing inside", []string{"--tokenfile", "2"}, "write --token-file"},
		{"capitals", []string{"--HostName", "w"}, "write --hostname"},
		{"nothing like it", []string{"--frobnicate"}, "--help"},
		{"a text without quotes", append(good, "--output", "CRITICAL", "-", "disk"), "in quotes"},
		{"a setting without value", append(good, "--token-file"), "write --token-file FILE"},
		{"a setting before a flag", []string{"--url", "--type", "Host"}, "--url needs a value"},
		{"a switch with a value", append(good, "--json=yes"), "write --json alone"},
		{"no host", []string{"--notificationtype=PROBLEM", "--state=1"}, "--hostname"},
		{"no service", []string{"--type=Service", "--notificationtype=PROBLEM", "--hostname=w"}, "--service"},
		{"a host with a service", append(good, "--type=Host"), "--type Service"},
		{"no notification type", []string{"--hostname=w"}, "--notificationtype"},
		{"a wrong notification type", append(good, "--notificationtype=RECOVERD"), "write RECOVERY"},
		{"an odd notification type", append(good, "--notificationtype=xyz"), "PROBLEM, RECOVERY"},
		{"a wrong type", append(good, "--type=Printer"), "--type Host or --type Service"},
		{"a state out of range", append(good, "--state=7"), "0 OK, 1 Warning"},
		{"a host's word for a service", append(good, "--state=DOWN"), "0 OK, 1 Warning"},
		{"a time in words", append(good, "--time=yesterday"), "$TIMET$"},
		{"an id with spaces", append(good, "--id=a b"), "--id"},
		{"a label without value", append(good, "--label=x"), "KEY=VALUE"},
		{"an address that is none", append(good, "--url=tocsin"), "https://"},
		{"an address with a password", append(good, "--url=http://u:p@h/"), "TOCSIN_TOKEN_FILE"},
		{"a source that is none", append(good, "--source=My Nagios"), "small letters"},
		{"a time limit that is none", append(good, "--timeout=soon"), "2s"},
		{"a settings file that is not there", append(good, "--config=/nonexistent"), "--config"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHub(t)
			c := newCaller(t, h.URL)
			got := c.run(tt.args...)
			if got.code != 2 || !strings.Contains(got.err, tt.want) || strings.Count(got.err, "\n") != 1 {
				t.Errorf("ended with %+v, want exit 2 and one line with %q", got, tt.want)
			}
			if len(h.events) > 0 || len(c.files(t, "")) > 0 {
				t.Error("something was sent or spooled")
			}
		})
	}
}

func TestSettings(t *testing.T) {
	t.Run("a flag goes before the environment, that before the file", func(t *testing.T) {
		h := newHub(t)
		c := newCaller(t, h.URL)
		dir := t.TempDir()
		token := filepath.Join(dir, "token")
		write(t, token, "ts_file\n")
		conf := filepath.Join(dir, "n.env")
		write(t, conf, "# hub\n\nTOCSIN_URL='"+h.URL+"'\nTOCSIN_TOKEN_FILE = \""+token+"\"\nTOCSIN_SOURCE=from-file\nTOCSIN_SPOOL="+c.env["TOCSIN_SPOOL"]+"\nTOCSIN_TIMEOUT=5\n")
		c.env = map[string]string{"TOCSIN_NOTIFY_CONFIG": conf}
		c.tell("file")
		c.env["TOCSIN_SOURCE"], c.env["TOCSIN_TOKEN"] = "from-env", "ts_env"
		c.tell("env")
		c.tell("flag", "--source=from-flag", "--token-file=-")
		c.tell("flag", "--source=from-flag", "--token=ts_flag")
		want := []string{"from-file Bearer ts_file", "from-env Bearer ts_env", "from-flag Bearer ts_from_stdin", "from-flag Bearer ts_flag"}
		for i, w := range want {
			source, auth, _ := strings.Cut(w, " ")
			if h.paths[i] != "/api/v1/sources/"+source+"/events" || h.tokens[i] != auth {
				t.Errorf("call %d went to %s with %s, want %s", i, h.paths[i], h.tokens[i], w)
			}
		}
	})
	t.Run("without a source the token tells it", func(t *testing.T) {
		h := newHub(t)
		newCaller(t, h.URL+"/hub/").tell("x")
		if h.paths[0] != "/hub/api/v1/sources/-/events" {
			t.Errorf("went to %s", h.paths[0])
		}
	})
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, c *caller)
		says  []string
		// The environment's time limit is for calls of the engine.
		flushes bool
	}{
		"an unknown key of the file": {func(t *testing.T, c *caller) {
			write(t, c.env["TOCSIN_NOTIFY_CONFIG"], "TOCSIN_URL=http://x\nTOCSIN_TOKN=y\n")
		}, []string{"notify.env line 2", "TOCSIN_TOKEN_FILE"}, false},
		"a line that is no setting": {func(t *testing.T, c *caller) {
			write(t, c.env["TOCSIN_NOTIFY_CONFIG"], "TOCSIN_SPOOL="+c.env["TOCSIN_SPOOL"]+"\nhub.example.org\n")
			delete(c.env, "TOCSIN_SPOOL")
		}, []string{"notify.env line 2", "KEY=VALUE"}, false},
		"a file that cannot be read": {func(t *testing.T, c *caller) {
			path := c.env["TOCSIN_NOTIFY_CONFIG"]
			if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
				t.Fatal(err)
			}
		}, []string{"notify.env", "readable"}, false},
		"an address that is none": {func(_ *testing.T, c *caller) { c.env["TOCSIN_URL"] = "tocsin" }, []string{"TOCSIN_URL", "https://"}, false},
		"a source that is none":   {func(_ *testing.T, c *caller) { c.env["TOCSIN_SOURCE"] = "My Nagios" }, []string{"TOCSIN_SOURCE", "small letters"}, false},
		"a time that is none":     {func(_ *testing.T, c *caller) { c.env["TOCSIN_TIMEOUT"] = "soon" }, []string{"TOCSIN_TIMEOUT", "2s"}, true},
		"a token that is none":    {func(_ *testing.T, c *caller) { c.env["TOCSIN_TOKEN"] = "two words" }, []string{"TOCSIN_TOKEN", "one word"}, false},
	} {
		t.Run(name+" keeps events in the spool until it is mended", func(t *testing.T) {
			h := newHub(t)
			c := newCaller(t, h.URL)
			write(t, c.env["TOCSIN_NOTIFY_CONFIG"], "")
			good := maps.Clone(c.env)
			tt.spoil(t, c)
			got := []ended{c.tell("x"), c.tell("y")}
			for _, say := range append(tt.says, "spooled", c.env["TOCSIN_SPOOL"]) {
				if got[0].code != 0 || !strings.Contains(got[0].err, say) || strings.Count(got[0].err, "\n") != 1 {
					t.Errorf("ended with %+v, want one line with %q", got[0], say)
				}
			}
			if got[1].code != 0 || len(h.outputs()) != 0 {
				t.Errorf("ended with %+v, the hub has %v", got[1], h.outputs())
			}
			if flush := c.run("--flush"); (flush.code == 0) != tt.flushes {
				t.Errorf("the flush ended with %+v", flush)
			}
			// Wrong flags are refused as ever, and what waits stays.
			if bad := c.tell("z", "--state=9"); bad.code != 2 {
				t.Errorf("wrong flags ended with %+v", bad)
			}
			c.env = good
			_ = os.Remove(good["TOCSIN_NOTIFY_CONFIG"])
			write(t, good["TOCSIN_NOTIFY_CONFIG"], "# mended\n")
			if got := c.tell("z"); got.code != 0 || got.err != "" || strings.Join(h.outputs(), "") != "xyz" {
				t.Errorf("mended, it ended with %+v, the hub has %v", got, h.outputs())
			}
			if left := c.files(t, ""); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	t.Run("a token that cannot be read leaves the event in the spool", func(t *testing.T) {
		h := newHub(t)
		c := newCaller(t, h.URL)
		if got := c.tell("x", "--token-file=/nonexistent"); got.code != 0 || !strings.Contains(got.err, "/nonexistent") || len(c.files(t, "")) != 1 {
			t.Errorf("ended with %+v", got)
		}
		if got := c.tell("y"); got.code != 0 || strings.Join(h.outputs(), "") != "xy" {
			t.Errorf("ended with %+v, the hub has %v", got, h.outputs())
		}
	})
	t.Run("the token is not written to the spool", func(t *testing.T) {
		c := newCaller(t, "http://127.0.0.1:1")
		c.tell("x")
		err := filepath.WalkDir(c.env["TOCSIN_SPOOL"], func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			if body, _ := os.ReadFile(path); strings.Contains(string(body), "ts_secret") {
				t.Errorf("%s holds the token", path)
			}
			return nil
		})
		if err != nil || len(c.files(t, "")) != 1 {
			t.Error(err, c.files(t, ""))
		}
	})
	t.Run("help is given", func(t *testing.T) {
		if got := newCaller(t, "").run("--help"); got.code != 0 || !strings.Contains(got.out, "--servicedisplayname") {
			t.Errorf("ended with %+v", got)
		}
	})
}

func FuzzFlags(f *testing.F) {
	f.Add("--type|Host|--notificationtype|PROBLEM|--hostname|w|--state|1|--output|x")
	f.Add("--output|--url=http://evil/|--label|a=b|--time|1.5")
	f.Add("-t|Service|--service=$X$|--longoutput=\\n\\\\")
	f.Add("--host|w|--id|\x00|--timeout|9e9")
	f.Fuzz(func(t *testing.T, joined string) {
		c := newCaller(t, "http://127.0.0.1:1") // nobody listens there
		args := strings.Split(joined, "|")
		for _, a := range args {
			for _, setting := range []string{"--config", "--spool", "--url", "--token-file"} {
				if strings.HasPrefix(a, setting) {
					return // would leave the test's own folder
				}
			}
		}
		got := c.run(args...)
		if got.code < 0 || got.code > 2 || got.code == 2 && strings.Count(got.err, "\n") != 1 {
			t.Fatalf("%q ended with %+v", args, got)
		}
		for _, path := range c.files(t, "") {
			body, err := os.ReadFile(path)
			if err != nil || !json.Valid(body) || got.code != 0 {
				t.Fatalf("%q spooled %q, ended with %+v", args, body, got)
			}
		}
	})
}

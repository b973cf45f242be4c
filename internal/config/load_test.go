package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/config"
)

// write makes a file and answers its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Keys of nobody.
const (
	publicKey       = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
	privateKey      = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
	otherPrivateKey = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
)

func TestLoad(t *testing.T) {
	t.Run("the keys of Web Push are a pair, and what it may reach", func(t *testing.T) {
		proxy := write(t, t.TempDir(), "proxy", "http://u:p%40ss@proxy.example.com:3128\n")
		c, err := config.Load(config.Sources{File: os.DevNull, Environ: []string{
			"VAPID_PUBLIC_KEY=" + publicKey, "VAPID_PRIVATE_KEY=" + privateKey, "VAPID_SUBJECT=mailto:ops@example.com",
			"TOCSIN_PUSH_PROXY_FILE=" + proxy, "TOCSIN_PUSH_PRIVATE=10.0.0.0/8, ::1",
		}})
		if err != nil {
			t.Fatal(err)
		}
		got := []string{c.VAPIDPublicKey, c.VAPIDPrivateKey, c.VAPIDSubject, c.PushProxy, fmt.Sprint(c.PushPrivate)}
		want := []string{publicKey, privateKey, "mailto:ops@example.com", "http://u:p%40ss@proxy.example.com:3128", "[10.0.0.0/8 ::1/128]"}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
	t.Run("the keys of Web Push and their subject may each be in a file", func(t *testing.T) {
		dir := t.TempDir()
		c, err := config.Load(config.Sources{File: os.DevNull, Environ: []string{
			"VAPID_PUBLIC_KEY_FILE=" + write(t, dir, "public", publicKey+"\n"), "VAPID_PRIVATE_KEY_FILE=" + write(t, dir, "private", privateKey+"\n"),
			"VAPID_SUBJECT_FILE=" + write(t, dir, "subject", "mailto:ops@example.com\n"),
		}})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{publicKey, privateKey, "mailto:ops@example.com"}, []string{c.VAPIDPublicKey, c.VAPIDPrivateKey, c.VAPIDSubject}); d != "" {
			t.Error(d)
		}
	})
	t.Run("nothing given is a local hub on SQLite in the data folder", func(t *testing.T) {
		dir := t.TempDir()
		t.Chdir(dir)
		c, err := config.Load(config.Sources{WorkDir: dir, File: os.DevNull})
		if err != nil {
			t.Fatal(err)
		}
		got := []string{c.Listen, c.DataDir, c.DatabaseURL, c.BaseURL, c.LogLevel.String()}
		want := []string{"127.0.0.1:8080", filepath.Join(dir, "data"), "sqlite:" + filepath.Join(dir, "data", "tocsin.db"), "http://127.0.0.1:8080", "INFO"}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	})
	t.Run("flags beat the environment, that beats the named file, that beats .env", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, ".env", "TOCSIN_LISTEN=:1\nTOCSIN_NODE=dotenv\nTOCSIN_LOG_LEVEL=debug\nTOCSIN_DATA=/dotenv\n")
		file := write(t, dir, "named.env", "TOCSIN_LISTEN=:2\nTOCSIN_NODE=file\nTOCSIN_LOG_LEVEL=warn\n")
		c, err := config.Load(config.Sources{
			WorkDir: dir, File: file, Environ: []string{"TOCSIN_LISTEN=:3", "TOCSIN_NODE=environment"},
			Flags: map[string]string{"TOCSIN_LISTEN": ":4"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{":4", "environment", "WARN", "/dotenv"}, []string{c.Listen, c.Node, c.LogLevel.String(), c.DataDir}); d != "" {
			t.Error(d)
		}
	})
	t.Run("comments, export, quotes and blank lines are understood", func(t *testing.T) {
		dir := t.TempDir()
		write(t, dir, ".env", "\ufeff# head\n\nexport TOCSIN_NODE = \"a \\\"b\\\" # c\" # said\r\nTOCSIN_BASE_URL='https://x.example.com/' \nTOCSIN_LISTEN=:9 # port\nOTHER=ignored\n")
		c, err := config.Load(config.Sources{WorkDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]string{`a "b" # c`, "https://x.example.com", ":9"}, []string{c.Node, c.BaseURL, c.Listen}); d != "" {
			t.Error(d)
		}
		if !c.Secure() {
			t.Error("an https base URL is not secure")
		}
	})
	t.Run("a secret comes from its file without the line break", func(t *testing.T) {
		dir := t.TempDir()
		secret := write(t, dir, "url", "postgres://u:p@h/d\n")
		c, err := config.Load(config.Sources{Environ: []string{"TOCSIN_DATABASE_URL_FILE=" + secret}, File: os.DevNull})
		if err != nil {
			t.Fatal(err)
		}
		if c.DatabaseURL != "postgres://u:p@h/d" || !c.Postgres() {
			t.Errorf("database URL %q", c.DatabaseURL)
		}
	})
	t.Run("keys of notify, of tests and of Kubernetes do no harm", func(t *testing.T) {
		env := []string{"TOCSIN_URL=x", "TOCSIN_TOKEN=x", "TOCSIN_SPOOL=x", "TOCSIN_TEST_POSTGRES=x", "TOCSIN_PORT=tcp://10.0.0.1:80", "TOCSIN_SERVICE_HOST=10.0.0.1"}
		if _, err := config.Load(config.Sources{Environ: env, File: os.DevNull}); err != nil {
			t.Error(err)
		}
	})
	t.Run("nobody can browse to 0.0.0.0, so the default base URL says localhost", func(t *testing.T) {
		c, err := config.Load(config.Sources{Environ: []string{"TOCSIN_LISTEN=0.0.0.0:80"}, File: os.DevNull})
		if err != nil || c.BaseURL != "http://localhost:80" {
			t.Errorf("base URL %q, error %v", c.BaseURL, err)
		}
	})
}

func TestLoadRefusals(t *testing.T) {
	for name, row := range map[string]struct {
		env, file string
		want      []string
	}{
		"unknown key in the file":        {file: "# a\nTOCSIN_LISTN=:1\n", want: []string{"f.env line 2", "TOCSIN_LISTN", "did you mean TOCSIN_LISTEN?"}},
		"unknown key in the environment": {env: "TOCSIN_BASEURL=x", want: []string{"environment", "did you mean TOCSIN_BASE_URL?"}},
		"foreign key in our file":        {file: "PATH=/bin\n", want: []string{"f.env line 1", "PATH is not known"}},
		"no KEY=VALUE":                   {file: "TOCSIN_LISTEN\n", want: []string{"f.env line 1", "KEY=VALUE"}},
		"no closing quote":               {file: "TOCSIN_NODE=\"a\n", want: []string{"no closing quote"}},
		"given twice":                    {file: "TOCSIN_NODE=a\n\nTOCSIN_NODE=b\n", want: []string{"line 3", "first in line 1"}},
		"no port":                        {env: "TOCSIN_LISTEN=localhost", want: []string{"TOCSIN_LISTEN", "host:port"}},
		"database of another kind":       {env: "TOCSIN_DATABASE_URL=mysql://u:secret@h/d", want: []string{"TOCSIN_DATABASE_URL", "postgres://"}},
		"base URL without scheme":        {env: "TOCSIN_BASE_URL=alerts.example.com", want: []string{"https://alerts.example.com"}},
		"base URL with a path":           {env: "TOCSIN_BASE_URL=https://a.example.com/tocsin", want: []string{"has a path"}},
		"level that is none":             {env: "TOCSIN_LOG_LEVEL=loud", want: []string{"debug, info, warn or error"}},
		"proxy that is none":             {env: "TOCSIN_TRUSTED_PROXIES=10.0.0.0/8,proxy", want: []string{`"proxy"`}},
		"secret file that is not there":  {env: "VAPID_PRIVATE_KEY_FILE=/nowhere/key", want: []string{"VAPID_PRIVATE_KEY_FILE", "/nowhere/key"}},
		"push proxy that is none":        {env: "TOCSIN_PUSH_PROXY=socks5://u:sesame@proxy:1080", want: []string{"environment", "TOCSIN_PUSH_PROXY", "is no http:// address", "http://host:port"}},
		"push proxy without a port":      {env: "TOCSIN_PUSH_PROXY=http://u:sesame@proxy", want: []string{"TOCSIN_PUSH_PROXY", "has no port"}},
		"push proxy with a path":         {env: "TOCSIN_PUSH_PROXY=http://proxy:3128/x", want: []string{"more than a host and a port"}},
		"private networks that are none": {env: "TOCSIN_PUSH_PRIVATE=10.0.0.0/8,lan", want: []string{"TOCSIN_PUSH_PRIVATE", `"lan"`}},
		"public key alone":               {env: "VAPID_PUBLIC_KEY=" + publicKey, want: []string{"VAPID_PUBLIC_KEY", "without VAPID_PRIVATE_KEY", "tocsin vapid generate"}},
		"private key alone":              {file: "VAPID_PRIVATE_KEY=" + privateKey + "\n", want: []string{"line 1", "VAPID_PRIVATE_KEY", "without VAPID_PUBLIC_KEY"}},
		"public key that is none":        {file: "VAPID_PUBLIC_KEY=abc\nVAPID_PRIVATE_KEY=" + privateKey + "\n", want: []string{"line 1", "VAPID_PUBLIC_KEY", "3 characters"}},
		"keys of two pairs":              {file: "VAPID_PUBLIC_KEY=" + publicKey + "\nVAPID_PRIVATE_KEY=" + otherPrivateKey + "\n", want: []string{"line 2", "VAPID_PRIVATE_KEY does not belong"}},
		"subject within a network":       {env: "VAPID_SUBJECT=mailto:ops@hub.local", want: []string{"VAPID_SUBJECT", ".local", "mailto:"}},
		"subject without scheme":         {env: "VAPID_SUBJECT=ops@example.com", want: []string{"VAPID_SUBJECT", "mailto:"}},
		"secret given both ways":         {file: "VAPID_PRIVATE_KEY=x\nVAPID_PRIVATE_KEY_FILE=/y\n", want: []string{"as well as"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := config.Sources{File: write(t, t.TempDir(), "f.env", row.file)}
			if row.env != "" {
				s.Environ = []string{row.env}
			}
			_, err := config.Load(s)
			var e *config.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v is no *config.Error", err)
			}
			for _, part := range row.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			for _, secret := range []string{"sesame", privateKey, otherPrivateKey} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q tells a secret", err)
				}
			}
			if strings.Contains(err.Error(), "secret") && !strings.Contains(name, "secret") {
				t.Errorf("%q tells a secret", err)
			}
		})
	}
}

func TestSettingsValidate(t *testing.T) {
	if err := config.Defaults().Validate(); err != nil {
		t.Errorf("the defaults will not do: %v", err)
	}
	most := config.Defaults()
	most.PushTTL, most.PushReady = 40320, 1_000_000
	if err := most.Validate(); err != nil {
		t.Errorf("the most that there may be will not do: %v", err)
	}
	for field, change := range map[string]func(*config.Settings){
		"auto_close.critical":  func(s *config.Settings) { s.AutoClose["critical"] = -1 },
		"auto_close.severe":    func(s *config.Settings) { s.AutoClose["severe"] = 1 },
		"browser_ttl_minutes":  func(s *config.Settings) { s.BrowserTTL = 0 },
		"collapse_after":       func(s *config.Settings) { s.CollapseAfter = 51 },
		"retention_days":       func(s *config.Settings) { s.RetentionDays = 0 },
		"audit_days":           func(s *config.Settings) { s.AuditDays = 0 },
		"push_subject":         func(s *config.Settings) { s.PushSubject = "mailto:root@localhost" },
		"push_proxy":           func(s *config.Settings) { s.PushProxy = "http://me:secret@proxy:3128" },
		"push_hosts[1]":        func(s *config.Settings) { s.PushHosts = []string{"push.example.org:8443", "https://x"} },
		"push_hosts":           func(s *config.Settings) { s.PushHosts = make([]string, 101) },
		"push_urgency.down":    func(s *config.Settings) { s.PushUrgency["down"] = "urgent" },
		"push_urgency.severe":  func(s *config.Settings) { s.PushUrgency["severe"] = "high" },
		"push_ttl_minutes":     func(s *config.Settings) { s.PushTTL = 40321 },
		"push_ready_max":       func(s *config.Settings) { s.PushReady = 1_000_001 },
		"source_quiet_minutes": func(s *config.Settings) { s.SourceQuietMinutes = -1 },
	} {
		t.Run(field+" out of bounds is named", func(t *testing.T) {
			s := config.Defaults()
			change(&s)
			var fe *config.FieldError
			if err := s.Validate(); !errors.As(err, &fe) || fe.Field != field {
				t.Errorf("error %v does not name %s", err, field)
			}
		})
	}
}

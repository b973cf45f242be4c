package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/config"
)

// inForce answers what is in force with an environment, by key.
func inForce(t *testing.T, env ...string) map[string]config.Value {
	t.Helper()
	all, err := config.InForce(config.Sources{Environ: env, File: os.DevNull})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]config.Value{}
	for _, v := range all {
		out[v.Name] = v
	}
	return out
}

func TestEveryKeySaysWhatItIs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, k := range config.Table() {
		if k.Section == "" || k.Shape == "" || k.Meaning == "" || k.Example == "" {
			t.Errorf("%s has no section, shape, meaning or example: %+v", k.Name, k)
		}
		if seen[k.Name] {
			t.Errorf("%s is there twice", k.Name)
		}
		seen[k.Name] = true
		if strings.HasSuffix(k.Meaning, ".") || strings.Contains(k.Meaning+k.Shape+k.Limits+k.Otherwise, "|") {
			t.Errorf("%s would break its row in the docs", k.Name)
		}
		if k.Secret && !k.File {
			t.Errorf("%s is a secret that cannot be in a file of its own", k.Name)
		}
	}
	if _, ok := config.ByName("TOCSIN_NOTHING"); ok || len(seen) < 40 {
		t.Errorf("the table has %d keys", len(seen))
	}
}

func TestDefaultsOfTheTableAreThoseInForce(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for name, v := range inForce(t) {
		want := v.Default
		switch name {
		case "TOCSIN_DATA":
			want = filepath.Join(dir, v.Default)
		case "TOCSIN_DATABASE_URL":
			want = "sqlite:" + filepath.Join(dir, "data", "tocsin.db")
		case "TOCSIN_BASE_URL":
			want = "http://127.0.0.1:8080"
		case "TOCSIN_OIDC_NAME", "TOCSIN_OIDC_SCOPES", "TOCSIN_OIDC_ROLE_CLAIM", "TOCSIN_OIDC_DEFAULT_ROLE":
			// Below: they are in force with a provider alone.
		}
		if v.Text != want || v.Given || v.From != "default" {
			t.Errorf("%s is %q from %q, and the table says %q", name, v.Text, v.From, want)
		}
	}
	// What another key changes. Every key that says "otherwise" is here, or has nothing in
	// force until the database is open.
	later := []string{"TOCSIN_SECRET_KEY", "TOCSIN_NODE", "VAPID_PUBLIC_KEY", "VAPID_PRIVATE_KEY", "VAPID_SUBJECT", "TOCSIN_ACME_DIRECTORY", "TOCSIN_ACME_CA"}
	rows := map[string]map[string]string{
		"TOCSIN_LISTEN":       {"TOCSIN_DOMAIN=a.example.com": ":443"},
		"TOCSIN_DATABASE_URL": {"TOCSIN_DATA=/srv": "sqlite:/srv/tocsin.db"},
		"TOCSIN_BASE_URL":     {"TOCSIN_DOMAIN=a.example.com,b.example.com": "https://a.example.com", "TOCSIN_LISTEN=:99": "http://localhost:99"},
		"TOCSIN_LISTEN_HTTP":  {"TOCSIN_DOMAIN=a.example.com": ":80", "TOCSIN_DOMAIN=a.example.com;TOCSIN_LISTEN=:8443": ""},
		"TOCSIN_DRAIN":        {"TOCSIN_DATABASE_URL=postgres://h/d": "2s", "TOCSIN_DATABASE_URL=postgres://h/d;TOCSIN_DRAIN=0s": "0s"},
	}
	for _, k := range config.Table() {
		if k.Otherwise != "" && rows[k.Name] == nil && !slices.Contains(later, k.Name) {
			t.Errorf("nothing shows that %s is “%s”", k.Name, k.Otherwise)
		}
		for env, want := range rows[k.Name] {
			if got := inForce(t, strings.Split(env, ";")...)[k.Name].Text; got != want {
				t.Errorf("with %s %s is %q, not %q", env, k.Name, got, want)
			}
		}
	}
	c, err := config.Load(config.Sources{File: os.DevNull, Environ: []string{"TOCSIN_OIDC_ISSUER=https://login.example.com", "TOCSIN_OIDC_CLIENT_ID=t", "TOCSIN_OIDC_ADMIN_GROUPS=a"}})
	if err != nil {
		t.Fatal(err)
	}
	o := inForce(t)
	if d := cmp.Diff([]string{o["TOCSIN_OIDC_NAME"].Default, o["TOCSIN_OIDC_SCOPES"].Default, o["TOCSIN_OIDC_ROLE_CLAIM"].Default, "none"},
		[]string{c.OIDC.Name, strings.Join(c.OIDC.Scopes, " "), c.OIDC.RoleClaim, o["TOCSIN_OIDC_DEFAULT_ROLE"].Default}); d != "" || c.OIDC.DefaultRole != "" {
		t.Error(d, c.OIDC.DefaultRole)
	}
}

func TestLimitsOfTheTableAreThoseInForce(t *testing.T) {
	t.Parallel()
	provider := "TOCSIN_OIDC_ISSUER=https://login.example.com;TOCSIN_OIDC_CLIENT_ID=t;TOCSIN_OIDC_ADMIN_GROUPS=a;"
	key := strings.Repeat("ab", 32)
	rows := map[string]struct {
		with      string
		fine, not []string
	}{
		"TOCSIN_BASE_URL":         {"", []string{"https://a.example.com", "http://localhost:1/"}, []string{"https://a.example.com/x", "https://u@a.example.com", "https://a.example.com?x=1", "https://a.example.com#x", "ftp://a"}},
		"TOCSIN_DOMAIN":           {"", []string{"a.example.com,b.example.com"}, []string{"192.0.2.1", "*.example.com", "a.example.com:443", "https://a.example.com"}},
		"TOCSIN_DRAIN":            {"", []string{"0s", "5m"}, []string{"-1ms", "5m0.001s", "5"}},
		"TOCSIN_SECRET_KEY":       {"", []string{key}, []string{key[2:], key + "00"}},
		"VAPID_SUBJECT":           {"", []string{"mailto:ops@example.com", "https://example.com"}, []string{"mailto:ops@hub.local", "mailto:root@localhost", "ops@example.com"}},
		"TOCSIN_OIDC_NAME":        {provider, []string{strings.Repeat("é", 60)}, []string{strings.Repeat("é", 61)}},
		"TOCSIN_PING_URL":         {"", []string{"https://h.example/" + strings.Repeat("x", 2000-18)}, []string{"https://h.example/" + strings.Repeat("x", 2001-18), "https://u:p@h.example/"}},
		"OTEL_TRACES_SAMPLER_ARG": {"", []string{"0", "1"}, []string{"-0.01", "1.01"}},
	}
	load := func(with, key, text string) error {
		_, err := config.Load(config.Sources{File: os.DevNull, Environ: append(strings.Split(with, ";"), key+"="+text)})
		return err
	}
	for _, k := range config.Table() {
		row, ok := rows[k.Name]
		if k.Limits != "" && !ok {
			t.Errorf("nothing tries the limits of %s: %s", k.Name, k.Limits)
		}
		if ok && k.Limits == "" {
			t.Errorf("the table says no limits of %s", k.Name)
		}
		for _, text := range row.fine {
			if err := load(row.with, k.Name, text); err != nil {
				t.Errorf("%s=%s is refused: %v", k.Name, text, err)
			}
		}
		for _, text := range row.not {
			var wrong *config.Error
			if err := load(row.with, k.Name, text); !errors.As(err, &wrong) || wrong.Key != k.Name || wrong.Mend == "" {
				t.Errorf("%s=%s is taken, or the wrong key is blamed: %v", k.Name, text, err)
			}
		}
	}
}

// choices are the words of a shape such as "`text` or `json`", empty where any other
// text may be one.
func choices(shape string) []string {
	var out []string
	for _, m := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(shape, -1) {
		out = append(out, m[1])
	}
	rest := regexp.MustCompile("`[^`]*`|,| or | ").ReplaceAllString(shape, "")
	if rest != "" || slices.ContainsFunc(out, func(s string) bool { return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") != "" }) {
		return nil
	}
	return out
}

func TestWordsOfTheTableAreThoseThatAreTaken(t *testing.T) {
	t.Parallel()
	provider := []string{"TOCSIN_OIDC_ISSUER=https://login.example.com", "TOCSIN_OIDC_CLIENT_ID=t", "TOCSIN_OIDC_ADMIN_GROUPS=a"}
	tried := 0
	for _, k := range config.Table() {
		words := choices(k.Shape)
		if words == nil {
			continue
		}
		tried++
		for _, word := range append(words, "other") {
			_, err := config.Load(config.Sources{File: os.DevNull, Environ: append(slices.Clone(provider), k.Name+"="+word)})
			if (err != nil) != (word == "other") {
				t.Errorf("%s=%s: %v", k.Name, word, err)
			}
		}
	}
	if tried != 3 {
		t.Errorf("tried the words of %d keys", tried)
	}
}

func TestWhatIsInForceAndFromWhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	database := write(t, dir, "database", "postgres://me:sesame@db.example.com:5432/tocsin?sslmode=require&sslpassword=sesame\n")
	file := write(t, dir, "t.env", "TOCSIN_NODE=berlin\nTOCSIN_PUSH_PROXY=http://u:sesame@proxy:3128\nTOCSIN_PING_URL=https://hc.example/sesame\nTOCSIN_TRUSTED_PROXIES=10.0.0.5,10.1.0.0/16\n")
	all, err := config.InForce(config.Sources{
		Flags: map[string]string{"TOCSIN_LOG_LEVEL": "WARN"}, Environ: []string{"TOCSIN_DATABASE_URL_FILE=" + database, "TOCSIN_LISTEN=127.0.0.1:9"}, File: file,
	})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range all {
		if v.Given {
			got[v.Name] = v.Text + " | " + v.From
		}
		if strings.Contains(v.Text+v.From, "sesame") {
			t.Errorf("%s shows a secret", v.Name)
		}
	}
	want := map[string]string{
		"TOCSIN_LOG_LEVEL":       "warn | flag --log-level",
		"TOCSIN_LISTEN":          "127.0.0.1:9 | environment",
		"TOCSIN_DATABASE_URL":    "postgres://me:(hidden)@db.example.com:5432/tocsin?sslmode=require&sslpassword=(hidden) | " + database + " (TOCSIN_DATABASE_URL_FILE, environment)",
		"TOCSIN_NODE":            "berlin | " + file + " line 1",
		"TOCSIN_PUSH_PROXY":      "http://u:(hidden)@proxy:3128 | " + file + " line 2",
		"TOCSIN_PING_URL":        "(hidden) | " + file + " line 3",
		"TOCSIN_TRUSTED_PROXIES": "10.0.0.5, 10.1.0.0/16 | " + file + " line 4",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestNoSecretIsShown(t *testing.T) {
	t.Parallel()
	env := []string{
		"TOCSIN_SECRET_KEY=" + strings.Repeat("5e", 32), "VAPID_PUBLIC_KEY=" + publicKey, "VAPID_PRIVATE_KEY=" + privateKey,
		"TOCSIN_DATABASE_URL=postgres://u:sesame@h/d?password=sesame", "TOCSIN_PUSH_PROXY=http://u:sesame@p:1", "TOCSIN_PING_URL=https://h/sesame",
		"OTEL_EXPORTER_OTLP_HEADERS=a=sesame", "TOCSIN_OIDC_ISSUER=https://login.example.com", "TOCSIN_OIDC_CLIENT_ID=t", "TOCSIN_OIDC_ADMIN_GROUPS=a",
		"TOCSIN_OIDC_CLIENT_SECRET=sesame",
	}
	shown := inForce(t, env...)
	for _, k := range config.Table() {
		v := shown[k.Name]
		if k.Secret && !v.Given {
			t.Errorf("%s is not tried", k.Name)
		}
		if strings.Contains(v.Text, "sesame") || strings.Contains(v.Text, privateKey) || strings.Contains(v.Text, "5e5e") {
			t.Errorf("%s is shown as %s", k.Name, v.Text)
		}
	}
}

func TestTheSampleFile(t *testing.T) {
	t.Parallel()
	in := map[string]string{"TOCSIN_LISTEN": "127.0.0.1:8080", "TOCSIN_DATA": "/var/lib/tocsin"}
	text := config.Sample(in)
	golden := filepath.Join("..", "..", "deploy", "debian", "tocsin.env")
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(text, string(kept)); d != "" {
		t.Errorf("%s is not made of the table; run go test ./internal/config -update\n%s", golden, d)
	}
	for i, line := range strings.Split(text, "\n") {
		if len([]rune(line)) > 140 {
			t.Errorf("line %d is long: %s", i+1, line)
		}
	}
	c, err := config.Load(config.Sources{File: write(t, t.TempDir(), "tocsin.env", text)})
	if err != nil || c.Listen != in["TOCSIN_LISTEN"] || c.DataDir != in["TOCSIN_DATA"] {
		t.Errorf("it says %+v, %v", c, err)
	}
	// What its lines need beside them; and those that hold a word instead of a key.
	needs := map[string]string{
		"TOCSIN_TLS_CERT": "TOCSIN_TLS_KEY,TOCSIN_BASE_URL", "TOCSIN_TLS_KEY": "TOCSIN_TLS_CERT,TOCSIN_BASE_URL", "TOCSIN_LISTEN_HTTP": "TOCSIN_DOMAIN",
		"TOCSIN_ACME_EMAIL": "TOCSIN_DOMAIN", "TOCSIN_ACME_DIRECTORY": "TOCSIN_DOMAIN", "TOCSIN_ACME_CA": "TOCSIN_DOMAIN", "TOCSIN_OIDC_ISSUER": "TOCSIN_OIDC_CLIENT_ID,TOCSIN_OIDC_ADMIN_GROUPS",
	}
	for _, k := range config.Table() {
		if slices.Contains([]string{"KEY", "PUBLIC-KEY", "PRIVATE-KEY"}, k.Example) {
			continue
		}
		lines := []string{k.Name}
		if strings.HasPrefix(k.Name, "TOCSIN_OIDC_") && k.Name != "TOCSIN_OIDC_ISSUER" {
			lines = append(lines, "TOCSIN_OIDC_ISSUER", "TOCSIN_OIDC_CLIENT_ID", "TOCSIN_OIDC_ADMIN_GROUPS")
		}
		lines = append(lines, strings.Split(needs[k.Name], ",")...)
		on := text
		for _, name := range lines {
			on = strings.Replace(on, "\n#"+name+"=", "\n"+name+"=", 1)
		}
		if on == text && in[k.Name] == "" {
			t.Errorf("the sample has no %s", k.Name)
		}
		if _, err := config.Load(config.Sources{File: write(t, t.TempDir(), "tocsin.env", on)}); err != nil {
			t.Errorf("with %s as in the sample: %v", k.Name, err)
		}
	}
}

func TestPlainLeavesOnlyWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"`a` or **b**":                             "a or b",
		"[https.md](https.md) has it":              "docs/https.md has it",
		"see [plain HTTP](https.md#plain-http)":    "see plain HTTP (docs/https.md)",
		"[here](#there), [x](https://example.com)": "here, x",
	} {
		if got := config.Plain(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
	for text, want := range map[string]string{"the same for **all**": "The same for all.", "`json`: one object a line": "json: one object a line."} {
		if got := config.Sentence(text); got != want {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestEverySettingIsInTheTable(t *testing.T) {
	t.Parallel()
	table := map[string]config.Setting{}
	for _, s := range config.SettingTable() {
		if s.Meaning == "" || s.Page == "" || !s.Number() && s.Shape == "" {
			t.Errorf("%+v does not say what it is", s)
		}
		if _, twice := table[s.Name]; twice {
			t.Errorf("%s is there twice", s.Name)
		}
		table[s.Name] = s
	}
	var fields []string
	var walk func(prefix string, of reflect.Type)
	walk = func(prefix string, of reflect.Type) {
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if name == "" || name == "-" {
				t.Errorf("%s of Settings has no name", of.Field(i).Name)
			}
			if ft := of.Field(i).Type; ft.Kind() == reflect.Struct {
				walk(prefix+name+".", ft)
				continue
			}
			fields = append(fields, prefix+name)
		}
	}
	walk("", reflect.TypeFor[config.Settings]())
	for _, name := range fields {
		if _, ok := table[name]; !ok {
			t.Errorf("the table has no %s", name)
		}
		delete(table, name)
	}
	delete(table, "ping_url") // a secret, kept apart
	for name := range table {
		t.Errorf("the table has %s, and Settings do not", name)
	}
	if len(fields) < 30 {
		t.Errorf("read only %d fields", len(fields))
	}
}

// number is where a setting's number is.
func number(t *testing.T, s *config.Settings, name string) reflect.Value {
	t.Helper()
	at := reflect.ValueOf(s).Elem()
	for part := range strings.SplitSeq(name, ".") {
		found := reflect.Value{}
		for i := range at.NumField() {
			if tag, _, _ := strings.Cut(at.Type().Field(i).Tag.Get("json"), ","); tag == part {
				found = at.Field(i)
			}
		}
		if !found.IsValid() {
			t.Fatalf("there is no %s", name)
		}
		at = found
	}
	return at
}

func TestBoundsOfSettingsAreThoseThatAreKept(t *testing.T) {
	t.Parallel()
	for _, row := range config.SettingTable() {
		if !row.Number() {
			continue
		}
		with := func(v int) error {
			s := config.Defaults()
			// What at_most and wait are bound by, and what each of them bounds.
			if row.Name == "storm.at_most" {
				s.Storm.Wait = 1
			}
			if row.Name == "storm.wait" {
				s.Storm.AtMost = 24 * 60 * 60
			}
			if row.Name == "auto_close" {
				s.AutoClose["critical"] = v
			} else {
				number(t, &s, row.Name).SetInt(int64(v))
			}
			return s.Validate()
		}
		fine, not := []int{row.Least, row.Most}, []int{row.Least - 1, row.Most + 1, -1}
		if row.Zero != "" {
			fine = append(fine, 0)
			not = slices.DeleteFunc(not, func(v int) bool { return v == 0 })
		}
		for _, v := range fine {
			if err := with(v); err != nil {
				t.Errorf("%s may not be %d, as the table says (%s): %v", row.Name, v, row.Limits(), err)
			}
		}
		for _, v := range not {
			err := with(v)
			var wrong *config.FieldError
			if !errors.As(err, &wrong) || !strings.HasPrefix(wrong.Field, row.Name) || wrong.Mend == "" {
				t.Errorf("%s may be %d, beyond %s: %v", row.Name, v, row.Limits(), err)
			}
		}
	}
}

func TestWordsOfSettingsAreThoseThatAreKept(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, row := range config.SettingTable() {
		words := choices(row.Shape)
		if words == nil || slices.Contains(words, "true") {
			continue
		}
		tried++
		for _, word := range append(words, "other") {
			s := config.Defaults()
			if row.Name == "push_urgency" {
				s.PushUrgency["down"] = word
			} else {
				number(t, &s, row.Name).SetString(word)
			}
			if err := s.Validate(); (err != nil) != (word == "other") {
				t.Errorf("%s as %s: %v", row.Name, word, err)
			}
		}
	}
	if tried != 2 {
		t.Errorf("tried the words of %d settings", tried)
	}
}

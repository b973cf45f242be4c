package config

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// SystemFile is read when no other file is named.
const SystemFile = "/etc/tocsin/tocsin.env"

// fileKeys may also be given as KEY_FILE: secrets, and what is made together
// with one.
func fileKeys() []string {
	return []string{"TOCSIN_DATABASE_URL", "TOCSIN_PUSH_PROXY", "TOCSIN_SECRET_KEY", "VAPID_PUBLIC_KEY", "VAPID_PRIVATE_KEY", "VAPID_SUBJECT", "TOCSIN_OIDC_CLIENT_SECRET",
		"TOCSIN_PING_URL", otelHeaders}
}

// Keys are the keys of serve and the other commands that work on the database.
func Keys() []string {
	return []string{
		"TOCSIN_LISTEN", "TOCSIN_DATA", "TOCSIN_DATABASE_URL", "TOCSIN_DATABASE_URL_FILE", "TOCSIN_BASE_URL",
		"TOCSIN_DOMAIN", "TOCSIN_TLS_CERT", "TOCSIN_TLS_KEY", "TOCSIN_LISTEN_HTTP", "TOCSIN_PLAIN_HTTP", "TOCSIN_ACME_EMAIL", "TOCSIN_ACME_DIRECTORY", "TOCSIN_ACME_CA",
		"TOCSIN_OIDC_ISSUER", "TOCSIN_OIDC_CLIENT_ID", "TOCSIN_OIDC_CLIENT_SECRET", "TOCSIN_OIDC_CLIENT_SECRET_FILE",
		"TOCSIN_OIDC_NAME", "TOCSIN_OIDC_SCOPES", "TOCSIN_OIDC_ROLE_CLAIM", "TOCSIN_OIDC_ADMIN_GROUPS", "TOCSIN_OIDC_OPERATOR_GROUPS",
		"TOCSIN_OIDC_RESPONDER_GROUPS", "TOCSIN_OIDC_VIEWER_GROUPS", "TOCSIN_OIDC_DEFAULT_ROLE",
		"TOCSIN_LOG_LEVEL", "TOCSIN_TRUSTED_PROXIES", "TOCSIN_NODE", "TOCSIN_DRAIN",
		"TOCSIN_LOG_FORMAT", "TOCSIN_PING_URL", "TOCSIN_PING_URL_FILE", "TOCSIN_PING_PRIVATE",
		otelEndpoint, otelTraces, otelHeaders, otelHeaders + "_FILE", otelService, otelRatio,
		"TOCSIN_SECRET_KEY", "TOCSIN_SECRET_KEY_FILE", "TOCSIN_PUSH_PROXY", "TOCSIN_PUSH_PROXY_FILE", "TOCSIN_PUSH_PRIVATE", "TOCSIN_WEBHOOK_PRIVATE",
		"VAPID_PUBLIC_KEY", "VAPID_PUBLIC_KEY_FILE", "VAPID_PRIVATE_KEY", "VAPID_PRIVATE_KEY_FILE", "VAPID_SUBJECT", "VAPID_SUBJECT_FILE",
	}
}

// notifyKeys belong to `tocsin notify` and may stand beside the others.
func notifyKeys() []string {
	return []string{"TOCSIN_URL", "TOCSIN_TOKEN", "TOCSIN_TOKEN_FILE", "TOCSIN_SOURCE", "TOCSIN_SPOOL", "TOCSIN_TIMEOUT", "TOCSIN_NOTIFY_CONFIG"}
}

// Sources are where Load looks.
type Sources struct {
	Flags   map[string]string // key to value, of the flags that were given
	Environ []string          // KEY=VALUE, as os.Environ
	File    string            // of --config; empty: SystemFile if it is there
	WorkDir string            // where .env is looked for; empty: nowhere
}

// Load reads the configuration. Its errors are *Error and name where.
func Load(s Sources) (Config, error) {
	all := map[string]value{}
	for _, kv := range s.Environ {
		key, text, _ := strings.Cut(kv, "=")
		if err := known(key, "environment", false); err != nil {
			if kubernetes(key) {
				continue
			}
			return Config{}, err
		}
		if ours(key) {
			all[key] = value{text, "environment"}
		}
	}
	files := []struct {
		path   string
		must   bool // that it is there
		strict bool // that every key in it is ours
	}{{s.File, true, true}, {filepath.Join(s.WorkDir, ".env"), false, false}, {SystemFile, false, true}}
	for i, f := range files {
		if (i == 0 && s.File == "") || (i == 1 && s.WorkDir == "") || (i == 2 && s.File != "") {
			continue
		}
		if err := readFile(f.path, f.must, f.strict, all); err != nil {
			return Config{}, err
		}
	}
	for key, text := range s.Flags {
		all[key] = value{text, "flag --" + strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(key, "TOCSIN_")), "_", "-")}
	}
	for _, key := range fileKeys() {
		if err := fromFile(key, all); err != nil {
			return Config{}, err
		}
	}
	return fill(all)
}

// readFile adds what the file has and nobody said before.
func readFile(path string, must, strict bool, all map[string]value) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && !must {
		return nil
	}
	if err != nil {
		return &Error{path, "the file", "cannot be read: " + plain(err), "give one that this user may read"}
	}
	defer func() { _ = f.Close() }() // read to its end: nothing new can come of it
	lines := bufio.NewScanner(f)
	seen := map[string]int{}
	for n := 1; lines.Scan(); n++ {
		where := fmt.Sprintf("%s line %d", path, n)
		key, text, ok, err := parseLine(lines.Text())
		if err != nil {
			return &Error{where, "the line", err.Error(), "write KEY=VALUE, or # for a comment"}
		}
		if !ok {
			continue
		}
		if err := known(key, where, strict); err != nil {
			return err
		}
		if first := seen[key]; first > 0 && ours(key) {
			return &Error{where, key, fmt.Sprintf("is given again, first in line %d", first), "keep one of them"}
		}
		seen[key] = n
		// A secret from nearer by beats both forms of the same secret from here.
		other, isFile := strings.CutSuffix(key, "_FILE")
		if !isFile {
			other = key + "_FILE"
		}
		_, have := all[key]
		nearer, haveOther := all[other]
		if !have && (!haveOther || strings.HasPrefix(nearer.where, path+" line")) {
			all[key] = value{text, where}
		}
	}
	if err := lines.Err(); err != nil {
		return &Error{path, "the file", "cannot be read: " + plain(err), "look at it with an editor"}
	}
	return nil
}

// parseLine reads KEY=VALUE; ok is false for blank lines and comments. A value
// may stand in single quotes (taken as it is) or double quotes (with \" \\ \n).
func parseLine(line string) (key, text string, ok bool, err error) {
	line = strings.TrimSpace(strings.TrimPrefix(line, "\ufeff"))
	if line == "" || line[0] == '#' {
		return "", "", false, nil
	}
	line = strings.TrimSpace(strings.TrimPrefix(line, "export "))
	key, text, found := strings.Cut(line, "=")
	key, text = strings.TrimSpace(key), strings.TrimSpace(text)
	if !found || key == "" || strings.ContainsAny(key, " \t\"'") {
		return "", "", false, errors.New("is no KEY=VALUE")
	}
	if text == "" || (text[0] != '"' && text[0] != '\'') {
		if i := strings.Index(text, " #"); i >= 0 {
			text = strings.TrimSpace(text[:i])
		}
		return key, text, true, nil
	}
	quote, rest := text[0], text[1:]
	var b strings.Builder
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == quote:
			after := strings.TrimSpace(rest[i+1:])
			if after != "" && after[0] != '#' {
				return "", "", false, errors.New("goes on after the closing quote")
			}
			return key, b.String(), true, nil
		case c == '\\' && quote == '"' && i+1 < len(rest):
			i++
			if rest[i] == 'n' {
				b.WriteByte('\n')
			} else {
				b.WriteByte(rest[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false, errors.New("has no closing quote")
}

// fromFile reads KEY_FILE into KEY.
func fromFile(key string, all map[string]value) error {
	named, ok := all[key+"_FILE"]
	if !ok || named.text == "" {
		return nil
	}
	if direct, ok := all[key]; ok && direct.text != "" {
		if strings.HasPrefix(direct.where, "flag ") {
			return nil
		}
		return &Error{named.where, key + "_FILE", "is given as well as " + key, "keep one of them"}
	}
	b, err := os.ReadFile(named.text)
	if err != nil {
		return &Error{named.where, key + "_FILE", fmt.Sprintf("%q cannot be read: %s", named.text, plain(err)), "give a file that this user may read"}
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return &Error{named.where, key + "_FILE", fmt.Sprintf("%q is empty", named.text), "put the value into it"}
	}
	all[key] = value{text, named.text}
	return nil
}

func ours(key string) bool {
	return strings.HasPrefix(key, "TOCSIN_") || strings.HasPrefix(key, "VAPID_") || strings.HasPrefix(key, "OTEL_") && slices.Contains(Keys(), key)
}

// known refuses a key of ours that there is not; with strict any that is not ours.
func known(key, where string, strict bool) error {
	if strings.HasPrefix(key, "TOCSIN_TEST_") || slices.Contains(Keys(), key) || slices.Contains(notifyKeys(), key) {
		return nil
	}
	// Other programs have VAPID_ keys of their own; only in our own file is one wrong.
	if !strict && !strings.HasPrefix(key, "TOCSIN_") {
		return nil
	}
	e := &Error{Where: where, Key: key, Problem: "is not known"}
	if near := nearest(key); near != "" {
		e.Mend = "did you mean " + near + "?"
	} else {
		e.Mend = "the keys are " + strings.Join(Keys(), ", ")
	}
	return e
}

// kubernetes says whether the key is one that Kubernetes puts into every
// container beside a service named tocsin.
func kubernetes(key string) bool {
	rest := strings.TrimPrefix(key, "TOCSIN_")
	return rest == "PORT" || strings.HasPrefix(rest, "PORT_") || strings.HasPrefix(rest, "SERVICE_HOST") || strings.HasPrefix(rest, "SERVICE_PORT")
}

// nearest is the known key with the fewest letters changed, empty if none is near.
func nearest(key string) string {
	best, least := "", 4
	for _, k := range slices.Concat(Keys(), notifyKeys()) {
		if d := distance(strings.ToUpper(key), k); d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// plain is the reason of a file error without the path, which is named already.
func plain(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

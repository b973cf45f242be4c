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

// Sources are where Load looks.
type Sources struct {
	Flags   map[string]string // key to value, of the flags that were given
	Environ []string          // KEY=VALUE, as os.Environ
	File    string            // of --config; empty: SystemFile if it is there
	WorkDir string            // where .env is looked for; empty: nowhere
}

// Load reads the configuration. Its errors are *Error and name where.
func Load(s Sources) (Config, error) {
	all, err := gather(s)
	if err != nil {
		return Config{}, err
	}
	return fill(all)
}

// gather finds what is given, wherever that is.
func gather(s Sources) (found, error) {
	all := found{}
	for _, kv := range s.Environ {
		key, text, _ := strings.Cut(kv, "=")
		if err := known(key, "environment", false); err != nil {
			if kubernetes(key) {
				continue
			}
			return nil, err
		}
		if ours(key) {
			all[key] = value{text: text, where: "environment"}
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
			return nil, err
		}
	}
	for key, text := range s.Flags {
		k, _ := ByName(key)
		all[key] = value{text: text, where: "flag " + k.Flag}
	}
	for _, k := range Table() {
		if !k.File {
			continue
		}
		if err := fromFile(k.Name, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// readFile adds what the file has and nobody said before.
func readFile(path string, must, strict bool, all found) error {
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
			all[key] = value{text: text, where: where}
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
func fromFile(key string, all found) error {
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
	all[key] = value{text: text, where: named.text, via: named.where}
	return nil
}

func ours(key string) bool {
	return strings.HasPrefix(key, "TOCSIN_") || strings.HasPrefix(key, "VAPID_") || strings.HasPrefix(key, "OTEL_") && slices.Contains(Keys(), key)
}

// known refuses a key of ours that there is not; with strict any that is not ours.
func known(key, where string, strict bool) error {
	if strings.HasPrefix(key, "TOCSIN_TEST_") || slices.Contains(Keys(), key) || slices.Contains(OtherKeys(), key) {
		return nil
	}
	// Other programs have VAPID_ keys of their own; only in our own file is one wrong.
	if !strict && !strings.HasPrefix(key, "TOCSIN_") {
		return nil
	}
	return unknown(key, where)
}

func unknown(key, where string) *Error {
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
	for _, k := range slices.Concat(Keys(), OtherKeys()) {
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

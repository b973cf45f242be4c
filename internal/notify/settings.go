package notify

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	defaultURL    = "http://127.0.0.1:8080"
	defaultConfig = "/etc/tocsin/notify.env"
	defaultWait   = 2 * time.Second
	flushWait     = time.Minute
	longestWait   = time.Hour

	// ownSource stands in the path for "the source that the token belongs to".
	ownSource = "-"
)

// settings are where the hub is and how to speak to it.
type settings struct {
	url     string // without a slash at its end
	source  string
	token   string
	noToken string // why there is no token
	fault   error  // a mistake in the environment or the file; nothing is sent until it is mended
	origin  string // what the command line says of the settings, which names them while they are wrong
	spool   string // empty: the first default that works
	timeout time.Duration
	getenv  func(string) string
}

// settle finds the settings: a flag goes before the environment, the
// environment before the file. The error is a mistake in the flags. One in the
// environment or the file is the settings' fault: whoever made it was not there
// when the engine ran its command, so the event is kept until it is mended.
func settle(l *line, stdin io.Reader, getenv func(string) string) (settings, error) {
	path := first(l.values["config"], getenv("TOCSIN_NOTIFY_CONFIG"))
	file, err := readConfig(path)
	if l.values["config"] != "" && errors.Is(err, fs.ErrNotExist) {
		return settings{}, err
	}
	s := settings{url: defaultURL, source: ownSource, getenv: getenv, fault: err,
		origin: strings.Join([]string{path, l.values["url"], l.values["source"]}, "\n")}
	s.timeout, _ = waitOf("", "", l.on("flush"))
	wrong := func(from string, err error) error {
		if err == nil || strings.HasPrefix(from, "--") {
			return err
		}
		if s.fault == nil {
			s.fault = err
		}
		return nil
	}
	get := func(flag, key string) (value, from string) {
		switch {
		case l.values[flag] != "":
			return l.values[flag], "--" + flag
		case getenv(key) != "":
			return getenv(key), key
		}
		return file[key], key
	}
	text, from := get("url", "TOCSIN_URL")
	if at, err := hubURL(text, from); err == nil {
		s.url = at
	} else if err := wrong(from, err); err != nil {
		return settings{}, err
	}
	if name, from := get("source", "TOCSIN_SOURCE"); sourceName(name) {
		s.source = name
	} else if name != "" {
		if err := wrong(from, usageError("%s %s is no source's name: write small letters, digits and hyphens, as in %s nagios", from, short(name), from)); err != nil {
			return settings{}, err
		}
	}
	s.spool, _ = get("spool", "TOCSIN_SPOOL")
	text, from = get("timeout", "TOCSIN_TIMEOUT")
	if wait, err := waitOf(text, from, l.on("flush")); err == nil {
		s.timeout = wait
	} else if err := wrong(from, err); err != nil {
		return settings{}, err
	}
	if s.token, s.noToken, err = tokenOf(l, stdin, getenv, file); err != nil {
		return settings{}, err
	}
	if s.fault != nil {
		s.token, s.noToken = "", s.fault.Error()
	}
	return s, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// tokenOf finds the token. One that cannot be had is no mistake in the flags:
// the event waits in the spool until it can.
func tokenOf(l *line, stdin io.Reader, getenv func(string) string, file map[string]string) (token, why string, err error) {
	if l.values["token"] != "" {
		token, err = checkToken(l.values["token"], "--token")
		return token, "", err
	}
	path, from := l.values["token-file"], "--token-file"
	for _, get := range []func(string) string{getenv, func(k string) string { return file[k] }} {
		if path == "" && get("TOCSIN_TOKEN") != "" {
			if token, err = checkToken(get("TOCSIN_TOKEN"), "TOCSIN_TOKEN"); err != nil {
				return "", err.Error(), nil
			}
			return token, "", nil
		}
		if path == "" {
			path, from = get("TOCSIN_TOKEN_FILE"), "TOCSIN_TOKEN_FILE"
		}
	}
	if path == "" {
		return "", "no token is set: write the source's token into a file and name it in TOCSIN_TOKEN_FILE or --token-file", nil
	}
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", fmt.Sprintf("read the token (%s): %v", from, err), nil
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	const most = 4096
	b, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return "", fmt.Sprintf("read the token (%s): %v", from, err), nil
	}
	if token, err = checkToken(string(b), path); err != nil {
		return "", err.Error(), nil
	}
	return token, "", nil
}

func checkToken(text, from string) (string, error) {
	t := strings.TrimSpace(text)
	if t == "" || strings.ContainsFunc(t, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", usageError("%s holds no token: it is one word such as ts_… and nothing else", from)
	}
	return t, nil
}

func hubURL(text, from string) (string, error) {
	if text == "" {
		return defaultURL, nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Opaque != "":
		return "", usageError("%s %s is no hub's address: write it as in %s https://tocsin.example.org", from, short(text), from)
	case u.User != nil:
		return "", usageError("%s must hold no user or password: the token goes into TOCSIN_TOKEN_FILE", from)
	case u.RawQuery != "" || u.Fragment != "":
		return "", usageError("%s %s must end before ? and #: write only the hub's address", from, short(text))
	}
	return strings.TrimRight(u.String(), "/"), nil
}

// sourceName says that name may be one: [a-z0-9][a-z0-9-]{0,62}.
func sourceName(name string) bool {
	return name != "" && len(name) <= 63 && name[0] != '-' && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// waitOf reads a duration such as 2s or 1500ms, or plain seconds.
func waitOf(text, from string, flush bool) (time.Duration, error) {
	// A flush is a person's or a timer's call: the engine's limit, which the
	// environment carries for every call, is not meant for it.
	if text == "" || flush && from == "TOCSIN_TIMEOUT" {
		if flush {
			return flushWait, nil
		}
		return defaultWait, nil
	}
	d, err := time.ParseDuration(text)
	if seconds, bad := strconv.ParseFloat(text, 64); bad == nil && seconds < longestWait.Seconds() {
		d, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil || d < 10*time.Millisecond || d > longestWait {
		return 0, usageError("%s %s is no time limit: write it as in %s 2s", from, short(text), from)
	}
	return d, nil
}

// readConfig reads KEY=VALUE lines. Without a path it reads the default file,
// which need not be there. The error is of the first line that is wrong; what
// the others say is answered all the same.
func readConfig(path string) (map[string]string, error) {
	asked := path != ""
	if !asked {
		path = defaultConfig
	}
	b, err := os.ReadFile(path)
	if !asked && errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, usageError("read the settings: %w; make that file readable for the engine's user, or name another with --config", err)
	}
	out := make(map[string]string)
	var wrong error
	for i, row := range strings.Split(string(b), "\n") {
		row = strings.TrimSpace(row)
		if row == "" || row[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(row, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok {
			wrong = cmp.Or(wrong, usageError("%s line %d: %s is no setting: write KEY=VALUE, or # before a comment", path, i+1, short(row)))
			continue
		}
		if key == "TOCSIN_NOTIFY_CONFIG" || !slices.ContainsFunc(flags(), func(f flag) bool { return f.key != "" && f.key == key }) {
			wrong = cmp.Or(wrong, usageError("%s line %d: the key %s is unknown: write TOCSIN_URL, TOCSIN_TOKEN_FILE, TOCSIN_TOKEN, TOCSIN_SOURCE, TOCSIN_SPOOL or TOCSIN_TIMEOUT", path, i+1, short(key)))
			continue
		}
		if n := len(value); n > 1 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		out[key] = value
	}
	return out, wrong
}

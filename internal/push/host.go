package push

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// MaxEndpoint is how many bytes the address of a device may have. Those of
// Windows are the longest that are known, with about 700.
const MaxEndpoint = 2048

// DefaultHosts are the hosts of the push services of the browsers that there
// are. Each stands for itself and for all names below it.
func DefaultHosts() []string {
	return []string{
		"fcm.googleapis.com",        // Chrome, Edge on Android, Samsung, Opera
		"jmt17.google.com",          // Chromium as Debian builds it
		"android.googleapis.com",    // Chrome's older addresses
		"push.services.mozilla.com", // Firefox
		"notify.windows.com",        // Edge on Windows
		"push.apple.com",            // Safari
	}
}

const (
	mendEndpoint = "give the address as PushSubscription.endpoint has it"
	mendHost     = "give a host like push.example.org or push.example.org:8443"
)

// CheckEndpoint answers the origin ("https://host", with the port only where it
// is not 443) of an address to push to, or a *FieldError when it is not one of
// a push service: those of DefaultHosts and extraHosts (see CheckHost). It goes
// by the parsed host alone, and refuses what two parsers could read in two
// ways. What it accepts is safe to put into a request as it stands; where its
// name leads is to be checked again when dialling.
func CheckEndpoint(raw string, extraHosts []string) (string, error) {
	refuse := func(problem, mend string) (string, error) {
		return "", &FieldError{"endpoint", problem, mend}
	}
	if raw == "" {
		return refuse("is missing", mendEndpoint)
	}
	if len(raw) > MaxEndpoint {
		return refuse(fmt.Sprintf("has %d bytes, more than %d", len(raw), MaxEndpoint), mendEndpoint)
	}
	for i := range len(raw) {
		if c := raw[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}#", c) >= 0 {
			return refuse("has a character that an address does not have", mendEndpoint)
		}
	}
	rest, ok := strings.CutPrefix(raw, "https://")
	if !ok {
		return refuse("does not begin with https://", mendEndpoint)
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 || rest[end] != '/' {
		return refuse("has no path", mendEndpoint)
	}
	authority, path := rest[:end], rest[end:]
	if strings.Contains(authority, "@") {
		return refuse("holds a user name", mendEndpoint)
	}
	host, port, err := splitHost(authority)
	if err != nil {
		return refuse(err.Error(), mendEndpoint)
	}
	// A second opinion: what Go's own parser, which is the client's, reads must
	// be the same.
	u, err := url.Parse(raw)
	if err != nil || u.Host != authority || u.User != nil || u.RequestURI() != path {
		return refuse("can be read in more than one way", mendEndpoint)
	}
	if !allowed(host, port, extraHosts) {
		return refuse("is at "+host+portSuffix(port)+", which is not known as a push service",
			"add the host to the push hosts, in Settings → Notifications, if it is one")
	}
	return "https://" + host + portSuffix(port), nil
}

func portSuffix(port int) string {
	if port == 443 {
		return ""
	}
	return ":" + strconv.Itoa(port)
}

// CheckHost says whether s is an entry for the list of further push hosts: a
// host name, which stands for all names below it too, or an address; either
// with a port where that is not 443.
func CheckHost(s string) error {
	if _, _, err := splitHost(s); err != nil {
		return &FieldError{"push_hosts", strconv.QuoteToASCII(cut(s, 80)) + " " + err.Error(), mendHost}
	}
	return nil
}

func allowed(host string, port int, extra []string) bool {
	if port == 443 {
		for _, h := range DefaultHosts() {
			if below(host, h) {
				return true
			}
		}
	}
	for _, e := range extra {
		h, p, err := splitHost(e)
		if err == nil && p == port && below(host, h) {
			return true
		}
	}
	return false
}

// below says whether a host is h or a name below it. Addresses have no names
// below them, and as no name ends in a number, none looks as if it had.
func below(host, h string) bool {
	if !strings.Contains(h, ".") {
		return host == h // a name without a dot is one machine's, or all of .com
	}
	return host == h || len(host) > len(h) && strings.HasSuffix(host, h) && host[len(host)-len(h)-1] == '.'
}

// splitHost reads host and port of an authority: a name in lower case, as
// browsers write it, without trailing dot, or an address in its one usual form.
func splitHost(s string) (host string, port int, err error) {
	host, port = s, 443
	bracket := strings.LastIndexByte(s, ']')
	if i := strings.LastIndexByte(s, ':'); i > bracket {
		host = s[:i]
		port, err = strconv.Atoi(s[i+1:])
		if err != nil || port < 1 || port > 65535 || strconv.Itoa(port) != s[i+1:] {
			return "", 0, fmt.Errorf("has a port that is none")
		}
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		a, err := netip.ParseAddr(host[1 : len(host)-1])
		if err != nil || !a.Is6() || a.Zone() != "" || a.Is4In6() || "["+a.String()+"]" != host {
			return "", 0, fmt.Errorf("has an address that is not in its usual form")
		}
		return host, port, nil
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		return host, port, nil
	}
	return host, port, checkName(host)
}

// checkName says what is wrong with a host name.
func checkName(host string) error {
	if host == "" {
		return fmt.Errorf("names no host")
	}
	if len(host) > 253 {
		return fmt.Errorf("has a host of %d characters", len(host))
	}
	last := ""
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return fmt.Errorf("has a host name with a part that is empty, too long, or has a hyphen at its end")
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return fmt.Errorf("has a host name with a character other than a to z, 0 to 9 and hyphen")
			}
		}
		last = label
	}
	// 127.1, 0x7f000001 and 2130706433 are addresses for some programs.
	if last[0] >= '0' && last[0] <= '9' {
		return fmt.Errorf("has a host that looks like an address and is not in its usual form")
	}
	return nil
}

// cut shortens a text that is quoted in an error.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}

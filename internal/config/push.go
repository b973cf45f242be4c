package config

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tocsin/internal/push"
)

// pushProxy checks the outgoing proxy of Web Push. Its error repeats nothing of
// the value, which may hold a password.
func pushProxy(v value) (string, error) {
	if v.text == "" {
		return "", nil
	}
	if why := notAProxy(v.text, true); why != "" {
		return "", &Error{v.where, "TOCSIN_PUSH_PROXY", why, "write http://host:port or http://user:password@host:port"}
	}
	return v.text, nil
}

// notAProxy says what keeps text from being the address of an outgoing proxy,
// nothing when it is one.
func notAProxy(text string, credentials bool) string {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "cannot be read as an address"
	case u.Scheme != "http":
		return "is no http:// address"
	case u.User != nil && !credentials:
		return "has a user name"
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		return "has more than a host and a port"
	case !hostName(u.Hostname()):
		return "names no host"
	}
	if port, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || port == 0 {
		return "has no port"
	}
	return ""
}

// hostName says whether s may stand for a host: an address, or labels of
// letters, digits and -.
func hostName(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// vapid checks that both keys are there and belong together, or neither is, and
// that push services take the subject.
func vapid(public, private, subject value) error {
	switch {
	case public.text != "" && private.text == "":
		return &Error{public.where, "VAPID_PUBLIC_KEY", "is given without VAPID_PRIVATE_KEY", "give both, as tocsin vapid generate prints them, or neither: then Tocsin makes its own"}
	case public.text == "" && private.text != "":
		return &Error{private.where, "VAPID_PRIVATE_KEY", "is given without VAPID_PUBLIC_KEY", "give both, as tocsin vapid generate prints them, or neither: then Tocsin makes its own"}
	case public.text != "":
		_, err := push.ParseKey(public.text, private.text)
		if e, ok := errors.AsType[*push.FieldError](err); ok {
			where := public.where
			if e.Field == push.PrivateKeyName {
				where = private.where
			}
			return &Error{where, e.Field, e.Problem, strings.ReplaceAll(e.Mend, "`", "")}
		}
		if err != nil {
			return fmt.Errorf("read the key pair VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY: %w", err)
		}
	}
	if subject.text == "" {
		return nil
	}
	if e, ok := errors.AsType[*push.FieldError](push.CheckSubject(subject.text)); ok {
		return &Error{subject.where, "VAPID_SUBJECT", e.Problem, e.Mend}
	}
	return nil
}

// validatePush checks the settings of Web Push.
func (s Settings) validatePush() error {
	if s.PushSubject != "" {
		if e, ok := errors.AsType[*push.FieldError](push.CheckSubject(s.PushSubject)); ok {
			return &FieldError{"push_subject", e.Problem, e.Mend}
		}
	}
	if s.PushProxy != "" {
		if why := notAProxy(s.PushProxy, false); why != "" {
			return &FieldError{"push_proxy", why, "write http://host:port; a user and a password belong into TOCSIN_PUSH_PROXY or its _FILE"}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.PushUrgency)) {
		if _, ok := Defaults().PushUrgency[key]; !ok {
			return &FieldError{"push_urgency." + key, "is not known", "the keys are " + fmt.Sprint(slices.Sorted(maps.Keys(Defaults().PushUrgency)))}
		}
		if !slices.Contains(push.Urgencies(), push.Urgency(s.PushUrgency[key])) {
			return &FieldError{"push_urgency." + key, fmt.Sprintf("is %q", s.PushUrgency[key]), "take one of " + fmt.Sprint(push.Urgencies())}
		}
	}
	if len(s.PushHosts) > maxPushHosts {
		return &FieldError{"push_hosts", fmt.Sprintf("has %d entries", len(s.PushHosts)), fmt.Sprintf("take at most %d", maxPushHosts)}
	}
	for i, h := range s.PushHosts {
		if e, ok := errors.AsType[*push.FieldError](push.CheckHost(h)); ok {
			return &FieldError{fmt.Sprintf("push_hosts[%d]", i), e.Problem, e.Mend}
		}
	}
	return nil
}

// MaxPushReady is the most devices that a message may be prepared for: it takes
// memory for each.
const MaxPushReady = 1_000_000

// maxPushHosts bounds what each endpoint is compared with.
const maxPushHosts = 100

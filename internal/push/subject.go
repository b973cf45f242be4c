package push

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// MaxSubject is how many bytes a subject may have.
const MaxSubject = 255

const mendSubject = "give an address that reaches you, like mailto:admin@your-domain.org or https://your-domain.org"

// reservedTLDs are the top-level names that nobody on the internet can have;
// Apple answers 403 to subjects with them.
var reservedTLDs = []string{
	"local", "localhost", "localdomain", "test", "invalid", "example", "internal", "intranet", "private",
	"corp", "home", "lan", "onion", "alt", "arpa",
}

// CheckSubject says whether push services take s as the way to reach whoever
// runs this server (VAPID's sub): mailto: or https:, with a domain that can be
// one on the internet. It answers a *FieldError.
func CheckSubject(s string) error {
	refuse := func(problem string) error { return &FieldError{SubjectName, problem, mendSubject} }
	if s == "" {
		return refuse("is missing")
	}
	if len(s) > MaxSubject {
		return refuse(fmt.Sprintf("has %d bytes, more than %d", len(s), MaxSubject))
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}#", c) >= 0 {
			return refuse("has a space, or a character that an address does not have")
		}
	}
	if address, ok := strings.CutPrefix(s, "mailto:"); ok {
		local, domain, ok := strings.Cut(address, "@")
		if !ok || local == "" || strings.ContainsAny(local, "/?:,;()[]%") || strings.ContainsAny(domain, "@?/:") {
			return refuse("is no mailto: with one address")
		}
		return checkDomain(domain, refuse)
	}
	u, err := url.Parse(s)
	if err != nil || !strings.HasPrefix(s, "https://") || u.User != nil {
		return refuse("is neither mailto: nor https:")
	}
	return checkDomain(u.Hostname(), refuse)
}

func checkDomain(domain string, refuse func(string) error) error {
	domain = strings.ToLower(domain)
	if _, err := netip.ParseAddr(domain); err == nil {
		return refuse("has an address instead of a domain, which push services refuse")
	}
	if err := checkName(domain); err != nil {
		return refuse(err.Error())
	}
	dot := strings.LastIndexByte(domain, '.')
	if dot < 0 {
		return refuse(fmt.Sprintf("has the domain %q, which is a name within your network only", domain))
	}
	if tld := domain[dot+1:]; slices.Contains(reservedTLDs, tld) {
		return refuse(fmt.Sprintf("ends in .%s, a name that the internet does not have and push services refuse", tld))
	}
	return nil
}

// Subject is the first of the candidates that push services take: what the
// settings say, then VAPID_SUBJECT, then this server's own address. An empty
// candidate is passed over. Where none is good it answers the error of the
// first that is not empty.
func Subject(candidates ...string) (string, error) {
	var first error
	for _, c := range candidates {
		if c == "" {
			continue
		}
		err := CheckSubject(c)
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = CheckSubject("")
	}
	return "", first
}

// NoSubject is what somebody is told who turns Web Push on while no subject is
// known.
const NoSubject = "Messages cannot go out yet: an administrator has to set a subject first, under Settings → Notifications or as VAPID_SUBJECT=mailto:…"

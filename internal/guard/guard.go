// Package guard says which addresses of the network may be called because
// somebody from outside asked for it: public ones, and those that the
// configuration allows. A name is nothing to go by; each address is looked at
// just before it is dialled, whatever a resolver said before:
//
//	d := net.Dialer{Control: func(_, address string, _ syscall.RawConn) error { return guard.CheckDial(address, allow) }}
package guard

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ErrForbidden is answered for an address that is not to be called.
var ErrForbidden = errors.New("the address is not a public one")

// notPublic4 and notPublic6 are what IANA's special-purpose registries keep
// from the public network, and groups.
var (
	notPublic4 = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
		"192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
		"192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4")
	// Of IPv6, only 2000::/3 is handed out at all.
	notPublic6 = prefixes("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3ffe::/16", "3fff::/20")

	global6   = netip.MustParsePrefix("2000::/3")
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour = netip.MustParsePrefix("2002::/16")
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		out[i] = netip.MustParsePrefix(t)
	}
	return out
}

// Within says whether an address is in one of the networks.
func Within(a netip.Addr, in []netip.Prefix) bool {
	for _, p := range in {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// CheckAddr is nil for an address that may be dialled: a public one, or one in
// the allowed networks. An IPv4 address inside an IPv6 one counts as itself.
func CheckAddr(a netip.Addr, allow []netip.Prefix) error {
	if a.Zone() != "" {
		return fmt.Errorf("%w: %s has a zone", ErrForbidden, a)
	}
	a = a.Unmap()
	if Within(a, allow) {
		return nil
	}
	if !public(a) {
		return fmt.Errorf("%w: %s", ErrForbidden, a)
	}
	return nil
}

func public(a netip.Addr) bool {
	if a.Is4() {
		return !Within(a, notPublic4)
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return public(netip.AddrFrom4([4]byte(b[12:16])))
	case sixToFour.Contains(a):
		return public(netip.AddrFrom4([4]byte(b[2:6])))
	case !global6.Contains(a) || Within(a, notPublic6):
		return false
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214
		return public(netip.AddrFrom4([4]byte(b[12:16])))
	}
	return true
}

// CheckDial is the last look, at the address and port that are really dialled.
func CheckDial(address string, allow []netip.Prefix) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s is no address", ErrForbidden, address)
	}
	return CheckAddr(ap.Addr(), allow)
}

// CheckHost looks at a host of which only the name is known, as when a proxy is
// to resolve it: nothing can be said of its address unless it is written as one.
func CheckHost(host string, allow []netip.Prefix) error {
	if a, err := netip.ParseAddr(host); err == nil {
		return CheckAddr(a, allow)
	}
	for i := range len(host) {
		if c := host[i]; c <= ' ' || c >= 0x7f || c == '%' {
			// Full-width digits and their like become others before they are dialled.
			return fmt.Errorf("%w: %q is not written in plain letters", ErrForbidden, host)
		}
	}
	name := strings.TrimSuffix(strings.ToLower(host), ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	switch {
	case last == "" || numeric(last):
		// 2130706433, 0x7f.1, 0177.0.0.1: some resolvers take these for addresses.
		return fmt.Errorf("%w: %q is an address in disguise", ErrForbidden, host)
	case last == "localhost" && !Within(netip.AddrFrom4([4]byte{127, 0, 0, 1}), allow):
		return fmt.Errorf("%w: %q", ErrForbidden, host)
	}
	return nil
}

// numeric says whether a label counts as a number of an IPv4 address, as the
// URL standard has it.
func numeric(label string) bool {
	if rest, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

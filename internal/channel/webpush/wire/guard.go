package wire

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
)

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

func within(a netip.Addr, in []netip.Prefix) bool {
	for _, p := range in {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// checkAddr is nil for an address that may be dialled: a public one, or one in
// the allowed networks. An IPv4 address inside an IPv6 one counts as itself.
func checkAddr(a netip.Addr, allow []netip.Prefix) error {
	if a.Zone() != "" {
		return fmt.Errorf("%w: %s has a zone", ErrForbidden, a)
	}
	a = a.Unmap()
	if within(a, allow) {
		return nil
	}
	if !public(a) {
		return fmt.Errorf("%w: %s", ErrForbidden, a)
	}
	return nil
}

func public(a netip.Addr) bool {
	if a.Is4() {
		return !within(a, notPublic4)
	}
	b := a.As16()
	switch {
	case nat64.Contains(a):
		return public(netip.AddrFrom4([4]byte(b[12:16])))
	case sixToFour.Contains(a):
		return public(netip.AddrFrom4([4]byte(b[2:6])))
	case !global6.Contains(a) || within(a, notPublic6):
		return false
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214
		return public(netip.AddrFrom4([4]byte(b[12:16])))
	}
	return true
}

// checkDial is the last look, at the address that is really dialled, whatever
// a resolver said before.
func checkDial(address string, allow []netip.Prefix) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s is no address", ErrForbidden, address)
	}
	return checkAddr(ap.Addr(), allow)
}

func (c *Client) control(_, address string, _ syscall.RawConn) error {
	return checkDial(address, c.o.AllowPrivate)
}

// checkTunnel looks at a host that a proxy is to resolve: here, nothing can be
// said of its address unless it is written as one.
func checkTunnel(host string, allow []netip.Prefix) error {
	if a, err := netip.ParseAddr(host); err == nil {
		return checkAddr(a, allow)
	}
	name := strings.TrimSuffix(host, ".")
	last := name[strings.LastIndexByte(name, '.')+1:]
	switch {
	case last == "" || numeric(last):
		// 2130706433, 0x7f.1, 0177.0.0.1: some resolvers take these for addresses.
		return fmt.Errorf("%w: %q is an address in disguise", ErrForbidden, host)
	case last == "localhost" && !within(netip.AddrFrom4([4]byte{127, 0, 0, 1}), allow):
		return fmt.Errorf("%w: %q", ErrForbidden, host)
	}
	return nil
}

// numeric says whether a label counts as a number of an IPv4 address, as the
// URL standard has it.
func numeric(label string) bool {
	if rest, ok := strings.CutPrefix(strings.ToLower(label), "0x"); ok {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// target is an origin taken apart.
type target struct {
	origin    string // https://host[:port]
	host      string // without brackets
	port      string
	authority string // as :authority and Host say it
}

// parseOrigin takes https://host[:port] apart, and nothing longer.
func parseOrigin(origin string) (target, error) {
	bad := func(why string) (target, error) {
		return target{}, fmt.Errorf("%w: origin: %s", ErrBadRequest, why)
	}
	rest, ok := strings.CutPrefix(origin, "https://")
	if !ok {
		return bad("it must start with https://")
	}
	if rest == "" || len(rest) > 270 || strings.ContainsAny(rest, "/?#@\\%") || strings.ToLower(rest) != rest {
		return bad("it must be https://host[:port] in lower case and nothing more")
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host != rest || u.Hostname() == "" {
		return bad("it is no address")
	}
	for _, b := range []byte(u.Hostname()) {
		if b <= ' ' || b >= 0x7f {
			return bad("its host must be ASCII")
		}
	}
	t := target{origin: origin, host: u.Hostname(), port: u.Port(), authority: strings.TrimSuffix(rest, ":443")}
	if t.port == "" {
		if strings.HasSuffix(rest, ":") {
			return bad("its port is empty")
		}
		t.port = "443"
	}
	if n, err := strconv.ParseUint(t.port, 10, 16); err != nil || n == 0 {
		return bad("its port must be between 1 and 65535")
	}
	return t, nil
}

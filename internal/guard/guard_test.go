package guard_test

import (
	"errors"
	"net/netip"
	"testing"

	"tocsin/internal/guard"
)

func TestAddresses(t *testing.T) {
	own := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("127.0.0.1/32")}
	for _, row := range []struct {
		address string
		allow   []netip.Prefix
		open    bool
	}{
		{"93.184.216.34:443", nil, true},
		{"[2606:4700::1111]:443", nil, true},
		{"127.0.0.1:80", nil, false},
		{"127.0.0.1:80", own, true},
		{"127.0.0.2:80", own, false},
		{"10.1.2.3:443", nil, false},
		{"10.1.2.3:443", own, true},
		{"169.254.169.254:80", own, false},
		{"100.64.0.1:443", nil, false},
		{"[::1]:80", nil, false},
		{"[::ffff:127.0.0.1]:80", nil, false},
		{"[::ffff:10.1.0.1]:80", own, true},
		{"[fe80::1%eth0]:80", own, false},
		{"[fd00::1]:80", nil, false},
		{"[64:ff9b::7f00:1]:80", nil, false},
		{"[2002:0a00:0001::1]:80", nil, false},
		{"[2001:db8::1]:80", nil, false},
		{"0.0.0.0:80", nil, false},
		{"224.0.0.1:80", nil, false},
		{"example.org:80", nil, false},
	} {
		err := guard.CheckDial(row.address, row.allow)
		if (err == nil) != row.open {
			t.Errorf("%s is answered %v", row.address, err)
		}
		if err != nil && !errors.Is(err, guard.ErrForbidden) {
			t.Errorf("%s: %v is not ErrForbidden", row.address, err)
		}
	}
}

func TestHostsOfWhichOnlyTheNameIsKnown(t *testing.T) {
	for host, open := range map[string]bool{
		"example.org": true, "example.org.": true, "93.184.216.34": true,
		"127.0.0.1": false, "::1": false, "2130706433": false, "0x7f.1": false, "0X7F000001": false, "0177.0.0.1": false, "1.2.3": false,
		"１２７.0.0.１": false, "ⓛocalhost": false, "a b": false, "fe80::1%eth0": false, "exa%6dple.org": false,
		"localhost": false, "x.localhost": false, "LOCALHOST.": false, "": false,
	} {
		if err := guard.CheckHost(host, nil); (err == nil) != open {
			t.Errorf("%q is answered %v", host, err)
		}
	}
}

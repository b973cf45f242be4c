package forwarded_test

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"tocsin/internal/forwarded"
)

var (
	proxy   = netip.MustParseAddr("10.0.0.1")
	trusted = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/64")}
)

// headers reads "Name: value" lines.
func headers(lines ...string) http.Header {
	h := http.Header{}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, ": ")
		h.Add(name, value)
	}
	return h
}

func TestRead(t *testing.T) {
	for name, row := range map[string]struct {
		lines []string
		want  string // for proto host; "-": not believed; "?": unclear
	}{
		"nothing is said":                       {nil, "-"},
		"the usual one":                         {[]string{"X-Forwarded-For: 192.0.2.9"}, "192.0.2.9  "},
		"what a client wrote stands before":     {[]string{"X-Forwarded-For: 1.1.1.1, 192.0.2.9"}, "192.0.2.9  "},
		"two lines are one list":                {[]string{"X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 192.0.2.9"}, "192.0.2.9  "},
		"proxies behind each other":             {[]string{"X-Forwarded-For: 1.1.1.1, 192.0.2.9, 10.0.0.7, 10.0.0.8"}, "192.0.2.9  "},
		"only proxies: the first of them came":  {[]string{"X-Forwarded-For: 10.0.0.7, 10.0.0.8"}, "10.0.0.7  "},
		"an address with a port":                {[]string{"X-Forwarded-For: 192.0.2.9:4711"}, "192.0.2.9  "},
		"IPv6 in every way of writing":          {[]string{"X-Forwarded-For: [2001:db8::9]:4711"}, "2001:db8::9  "},
		"IPv4 in IPv6 is the same one":          {[]string{"X-Forwarded-For: ::ffff:192.0.2.9"}, "192.0.2.9  "},
		"somebody whom the proxy does not know": {[]string{"X-Forwarded-For: unknown"}, "0.0.0.0  "},
		"rubbish of a client's does not matter": {[]string{"X-Forwarded-For: \"<script>, 192.0.2.9"}, "192.0.2.9  "},
		"rubbish of the proxy's is nobody":      {[]string{"X-Forwarded-For: 192.0.2.9, banana"}, "0.0.0.0  "},
		"how and where to":                      {[]string{"X-Forwarded-For: 192.0.2.9", "X-Forwarded-Proto: HTTPS", "X-Forwarded-Host: Status.example.com"}, "192.0.2.9 https status.example.com"},
		"each of a list belongs to its own":     {[]string{"X-Forwarded-For: 192.0.2.9, 10.0.0.7", "X-Forwarded-Proto: https, http", "X-Forwarded-Host: a.example.com, b.internal"}, "192.0.2.9 https a.example.com"},
		"else the nearest proxy's":              {[]string{"X-Forwarded-For: 192.0.2.9", "X-Forwarded-Proto: https, http"}, "192.0.2.9 http "},
		"a proto that there is not":             {[]string{"X-Forwarded-For: 192.0.2.9", "X-Forwarded-Proto: gopher"}, "192.0.2.9  "},
		"a host that is none":                   {[]string{"X-Forwarded-For: 192.0.2.9", "X-Forwarded-Host: a/b"}, "192.0.2.9  "},
		"only how":                              {[]string{"X-Forwarded-Proto: https"}, "invalid IP https "},

		"the standard":                            {[]string{`Forwarded: for=192.0.2.43; proto=https;host="a.example.com:8443";by=203.0.113.60`}, "192.0.2.43 https a.example.com:8443"},
		"quoted, with a port":                     {[]string{`Forwarded: For="[2001:db8:cafe::17]:4711"`}, "2001:db8:cafe::17  "},
		"quoted, with backslashes":                {[]string{`Forwarded: for="192.0\.2.43"`}, "192.0.2.43  "},
		"an obfuscated port":                      {[]string{`Forwarded: for="192.0.2.43:_gazonk"`}, "192.0.2.43  "},
		"an obfuscated name is nobody":            {[]string{`Forwarded: for="_gazonk"`}, "0.0.0.0  "},
		"unknown is nobody":                       {[]string{`Forwarded: for=unknown`}, "0.0.0.0  "},
		"a proxy that does not say for whom":      {[]string{`Forwarded: proto=https`}, "0.0.0.0 https "},
		"the standard's client wrote before":      {[]string{`Forwarded: for=1.1.1.1, for=192.0.2.43`}, "192.0.2.43  "},
		"its lines are read each for itself":      {[]string{`Forwarded: for=1.1.1.1`, `Forwarded: for=192.0.2.43, for=10.0.0.8`}, "192.0.2.43  "},
		"proto and host are of the same element":  {[]string{`Forwarded: for=192.0.2.43;proto=https;host=a.example.com, for=10.0.0.8;proto=http;host=b`}, "192.0.2.43 https a.example.com"},
		"a quote that a client leaves open":       {[]string{`Forwarded: for=", for=192.0.2.43`}, "?"},
		"a parameter twice":                       {[]string{`Forwarded: for=1.1.1.1;for=192.0.2.43`}, "?"},
		"no standard at all":                      {[]string{`Forwarded: banana`}, "?"},
		"empty elements are none":                 {[]string{`Forwarded: , for=192.0.2.43 ,`}, "192.0.2.43  "},
		"both, and they agree":                    {[]string{"Forwarded: for=192.0.2.43", "X-Forwarded-For: 192.0.2.43"}, "192.0.2.43  "},
		"both, and one of them a client's":        {[]string{"Forwarded: for=10.1.1.1", "X-Forwarded-For: 192.0.2.43"}, "?"},
		"more proxies than anybody has":           {[]string{"X-Forwarded-For: 192.0.2.9" + strings.Repeat(", 10.0.0.8", 40)}, "?"},
		"more of the standard's than anybody has": {[]string{"Forwarded: for=192.0.2.9" + strings.Repeat(", for=10.0.0.8", 40)}, "?"},
	} {
		t.Run(name, func(t *testing.T) {
			said, ok, err := forwarded.Read(headers(row.lines...), proxy, trusted)
			got := said.For.String() + " " + said.Proto + " " + said.Host
			switch {
			case errors.Is(err, forwarded.ErrUnclear):
				got = "?"
			case err != nil:
				t.Fatal(err)
			case !ok:
				got = "-"
			}
			if got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
	t.Run("nobody else is believed", func(t *testing.T) {
		_, ok, err := forwarded.Read(headers("Forwarded: for=1.1.1.1", "X-Forwarded-For: 2.2.2.2"), netip.MustParseAddr("192.0.2.1"), trusted)
		if ok || err != nil {
			t.Errorf("believed: %v, error %v", ok, err)
		}
	})
	t.Run("a proxy that comes by IPv4 in IPv6 is the same", func(t *testing.T) {
		if _, ok, _ := forwarded.Read(headers("X-Forwarded-For: 2.2.2.2"), netip.MustParseAddr("::ffff:10.0.0.1"), trusted); !ok {
			t.Error("not believed")
		}
	})
}

// Whatever a client writes before it, what the proxy adds is what counts, or
// nothing does.
func FuzzRead(f *testing.F) {
	for _, s := range []string{"", "1.1.1.1", `for="`, `for="\"`, "for=1.1.1.1;proto=https", "unknown, 10.0.0.8", `for="[::1]:_x";a=b`, ",,;;=", "10.0.0.1"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, standard, old string) {
		for _, h := range []http.Header{
			{"Forwarded": {standard + ", for=192.0.2.43;proto=https"}},
			{"Forwarded": {standard, "for=192.0.2.43;proto=https"}},
			{"X-Forwarded-For": {old + ", 192.0.2.43"}, "X-Forwarded-Proto": {"https"}},
			{"X-Forwarded-For": {old, "192.0.2.43"}, "X-Forwarded-Proto": {"https"}},
			{"X-Forwarded-For": {old + ", 192.0.2.43"}, "X-Forwarded-Proto": {"https"}, "Forwarded": {standard}},
		} {
			said, ok, err := forwarded.Read(h, proxy, trusted)
			if err == nil && (!ok || said.For != netip.MustParseAddr("192.0.2.43") || said.Proto != "https" && len(h["Forwarded"]) == 0) {
				t.Errorf("%q: %+v %v", h, said, ok)
			}
		}
		_, _, _ = forwarded.Read(http.Header{"Forwarded": {standard}, "X-Forwarded-Host": {old}}, proxy, trusted)
	})
}

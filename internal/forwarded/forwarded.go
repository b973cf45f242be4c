// Package forwarded reads what proxies say of those who came to them: Forwarded
// (RFC 7239) and X-Forwarded-For, -Proto and -Host.
//
//	said, err := forwarded.Read(r.Header, peer, trusted)
//
// Anybody can write these headers. So they are read from their end, where the
// nearest proxy wrote, and only while those who wrote are in the list; whatever
// stands before that is not looked at. It is pure.
package forwarded

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Said is what the proxies that are trusted say of a request.
type Said struct {
	// For is who came to them. Unspecified (0.0.0.0) where they do not tell, by
	// “unknown” or an obfuscated name: nobody then, and not the proxy.
	For netip.Addr
	// Proto is how: http or https; empty: not said.
	Proto string
	// Host is the host that was asked for, with a port perhaps; empty: not said.
	Host string
}

// ErrUnclear is what must not be guessed at: one proxy says it in two ways that
// differ, or in none that can be read.
var ErrUnclear = errors.New("it is not clear who came")

// most is how many proxies one behind the other are believed.
const most = 32

// Read answers what the proxies in trusted say of a request that came from peer;
// false where peer is none of them, or says nothing. ErrUnclear is for the answer
// 400: who comes through such a proxy cannot be told from others.
func Read(h http.Header, peer netip.Addr, trusted []netip.Prefix) (said Said, ok bool, err error) {
	if !Within(peer.Unmap(), trusted) {
		return said, false, nil
	}
	standard, old := h.Values("Forwarded"), h.Values("X-Forwarded-For")
	switch {
	case len(standard) > 0:
		elements, err := parse(standard)
		if err != nil {
			return said, false, err
		}
		if said, err = standardSaid(elements, trusted); err != nil {
			return said, false, err
		}
		// A proxy that writes one of them may pass on what a client wrote in the
		// other; which is which cannot be seen from here.
		if len(old) > 0 {
			other, _, err := oldSaid(h, trusted)
			if err != nil || other.For != said.For {
				return said, false, fmt.Errorf("%w: Forwarded and X-Forwarded-For differ", ErrUnclear)
			}
		}
		return said, true, nil
	default:
		return oldSaid(h, trusted)
	}
}

// Names says whether a request has any of the headers.
func Names(h http.Header) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if len(h[name]) > 0 {
			return true
		}
	}
	return false
}

// Within says whether an address is in one of the networks.
func Within(addr netip.Addr, nets []netip.Prefix) bool {
	return slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// standardSaid finds the element that was written of somebody who is no proxy.
func standardSaid(elements []element, trusted []netip.Prefix) (Said, error) {
	for n, i := 0, len(elements)-1; i >= 0; n, i = n+1, i-1 {
		if n == most {
			break
		}
		e := elements[i]
		addr := node(e.by["for"])
		if i > 0 && addr.IsValid() && Within(addr, trusted) {
			continue
		}
		return Said{For: orNobody(addr), Proto: proto(e.by["proto"]), Host: host(e.by["host"])}, nil
	}
	return Said{}, fmt.Errorf("%w: more than %d proxies", ErrUnclear, most)
}

// oldSaid reads the headers that were there before there was a standard. Of -Proto
// and -Host that have as many entries as -For each belongs to its own; else the
// last counts, which the nearest proxy wrote.
func oldSaid(h http.Header, trusted []netip.Prefix) (said Said, ok bool, err error) {
	hops, protos, hosts := list(h, "X-Forwarded-For"), list(h, "X-Forwarded-Proto"), list(h, "X-Forwarded-Host")
	if len(hops)+len(protos)+len(hosts) == 0 {
		return said, false, nil
	}
	at := len(hops) - 1
	for ; at > 0; at-- {
		if len(hops)-at > most {
			return said, false, fmt.Errorf("%w: more than %d proxies", ErrUnclear, most)
		}
		if addr := node(hops[at]); !addr.IsValid() || !Within(addr, trusted) {
			break
		}
	}
	pick := func(from []string) string {
		switch {
		case len(from) == 0:
			return ""
		case len(from) == len(hops):
			return from[at]
		}
		return from[len(from)-1]
	}
	if len(hops) > 0 {
		said.For = orNobody(node(hops[at]))
	}
	said.Proto, said.Host = proto(pick(protos)), host(pick(hosts))
	return said, true, nil
}

// list answers the entries of a header, of which there may be several.
func list(h http.Header, name string) []string {
	var out []string
	for _, line := range h.Values(name) {
		for entry := range strings.SplitSeq(line, ",") {
			out = append(out, strings.TrimSpace(entry))
		}
	}
	return out
}

// orNobody stands for who came without telling who.
func orNobody(a netip.Addr) netip.Addr {
	if !a.IsValid() {
		return netip.IPv4Unspecified()
	}
	return a
}

// node is the address in 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1] and
// [2001:db8::1]:80, also with an obfuscated port; none for anything else.
func node(text string) netip.Addr {
	if a, err := netip.ParseAddr(text); err == nil {
		return clean(a)
	}
	var port string
	if rest, ok := strings.CutPrefix(text, "["); ok {
		addr, after, ok := strings.Cut(rest, "]")
		if !ok || after != "" && after[0] != ':' {
			return netip.Addr{}
		}
		if a, err := netip.ParseAddr(addr); err != nil || !a.Is6() {
			return netip.Addr{}
		}
		text, port = addr, strings.TrimPrefix(after, ":")
		if after == ":" {
			return netip.Addr{}
		}
	} else {
		addr, p, ok := strings.Cut(text, ":")
		if a, err := netip.ParseAddr(addr); !ok || p == "" || err != nil || !a.Is4() {
			return netip.Addr{}
		}
		text, port = addr, p
	}
	if !portForm(port) {
		return netip.Addr{}
	}
	a, _ := netip.ParseAddr(text) // it was one
	return clean(a)
}

// clean leaves no zone and no second way of writing an address.
func clean(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// portForm is that of RFC 7239, 6: up to five digits, or _ and what hides it.
func portForm(port string) bool {
	if port == "" {
		return true
	}
	if hidden, ok := strings.CutPrefix(port, "_"); ok {
		return hidden != "" && strings.Trim(hidden, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == ""
	}
	return len(port) <= 5 && strings.Trim(port, "0123456789") == ""
}

func proto(text string) string {
	switch text = strings.ToLower(text); text {
	case "http", "https":
		return text
	}
	return ""
}

// host is what may stand for a host and a port; who uses it looks whether it knows it.
func host(text string) string {
	if len(text) > 255 || strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]") != "" {
		return ""
	}
	return strings.ToLower(text)
}

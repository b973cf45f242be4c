package wire

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"syscall"

	"tocsin/internal/guard"
)

func (c *Client) control(_, address string, _ syscall.RawConn) error {
	return guard.CheckDial(address, c.o.AllowPrivate) //nolint:wrapcheck // ErrForbidden, with the address
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

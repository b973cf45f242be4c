// Package port finds ports for servers that a test starts, ends and starts again
// and that others must know before.
//
// They are none of those that the system gives to connections: one of another
// test would take the port for its own end while nobody listens there.
package port

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
)

// Address is one of this machine's own that nobody listens at: 127.0.0.1 and a
// port.
func Address() (string, error) {
	p, err := Spare()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(p)), err
}

// Spare is a port that nobody listens at.
func Spare() (int, error) {
	const lowest = 10000
	beyond := 32768 // Linux gives those from here on to connections
	if text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range"); err == nil {
		if _, err := fmt.Sscan(string(text), &beyond); err != nil || beyond <= lowest {
			return 0, fmt.Errorf("a spare port: the system gives all of them to connections: %q", text)
		}
	}
	var last error
	for range 100 {
		p := lowest + rand.IntN(beyond-lowest)
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", p))
		if err == nil {
			return p, l.Close()
		}
		last = err
	}
	return 0, errors.Join(errors.New("no spare port in 100 tries"), last)
}

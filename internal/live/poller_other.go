//go:build !linux

package live

import (
	"errors"
	"net"
)

// poller is for Linux: elsewhere a goroutine of net/http writes each stream.
type poller struct{}

var errNoPoller = errors.New("this system has no epoll")

func newPoller() (*poller, error)        { return nil, errNoPoller }
func (*poller) add(int32, *stream) error { return errNoPoller }
func (*poller) remove(int32)             {}
func (*poller) run()                     {}
func (*poller) close()                   {}

func writeSocket(int32, []byte) (int, error) { return 0, errNoPoller }
func closeSocket(int32)                      {}

func takeSocket(net.Conn, int) (int32, error) { return -1, errNoPoller }

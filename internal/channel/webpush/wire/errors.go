package wire

import (
	"errors"
	"fmt"

	"tocsin/internal/guard"
)

// What an Error wraps, for callers that branch.
var (
	ErrClosed      = errors.New("the client is closed")
	ErrForbidden   = guard.ErrForbidden
	ErrTimeout     = errors.New("no answer in time")
	ErrTooMany     = errors.New("too many origins are in use at a time")
	ErrBadRequest  = errors.New("the request cannot be sent")
	ErrRefused     = errors.New("the service refused the stream")
	ErrProtocol    = errors.New("the service broke the protocol")
	ErrUnreachable = errors.New("not connected")
)

// Step is what was tried when an Error happened.
type Step string

// The steps, in their order.
const (
	StepCheck    Step = "check"    // the request itself, or the guard
	StepResolve  Step = "resolve"  // finding the address
	StepConnect  Step = "connect"  // TCP
	StepProxy    Step = "proxy"    // the tunnel of the proxy
	StepTLS      Step = "tls"      // the handshake, the certificate
	StepSettings Step = "settings" // the greeting of HTTP/2
	StepSend     Step = "send"     // writing the request
	StepAnswer   Step = "answer"   // waiting for the answer
)

// Error is why a request has no answer.
type Error struct {
	Origin string
	Step   Step
	// Maybe says that the service may have got the message all the same; when
	// false, it certainly has not and sending again repeats nothing.
	Maybe bool
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("%s %s: %v", e.Step, e.Origin, e.Err) }
func (e *Error) Unwrap() error { return e.Err }

// MaybeProcessed says whether the service may have got the message of a
// request that ended with err.
func MaybeProcessed(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Maybe
}

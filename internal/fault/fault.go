// Package fault holds the few errors that every room branches on.
package fault

import "errors"

// ErrNotFound is answered for an id or a name that there is not; ErrTaken for
// a name that is in use; ErrInUse for something that others refer to; ErrCursor
// for a page that starts at a text which no page before gave. They are
// wrapped with what it was about. ErrFull is for a change that there is no room for,
// and can be tried again.
var (
	ErrNotFound = errors.New("not found")
	ErrTaken    = errors.New("that name is taken")
	ErrInUse    = errors.New("is in use")
	ErrCursor   = errors.New("is not a cursor of this list; begin again without one")
	ErrFull     = errors.New("the disk of the database is full")
)

// Package await looks again and again until something has happened of which nobody
// tells: what real engines do is in their logs, files and APIs, and what a page shows
// is on the page.
package await

import (
	"context"
	"errors"
	"time"
)

// What has just been looked at is looked at again after soonest; what lets itself be
// waited for is looked at more and more rarely: a look costs the machine time that
// what is waited for needs too, and one that comes a tenth later is hardly late.
const (
	soonest = 15 * time.Millisecond
	rarest  = 250 * time.Millisecond
)

// True answers nil as soon as ok says yes, and ctx's error when ctx ends before.
func True(ctx context.Context, ok func() bool) error {
	return Until(ctx, nil, ok)
}

// Until is the same, and answers an error, too, when the engine has ended (exited is
// closed).
func Until(ctx context.Context, exited <-chan struct{}, ok func() bool) error {
	pause := time.NewTimer(soonest)
	defer pause.Stop()
	for begun := time.Now(); !ok(); {
		pause.Reset(min(max(soonest, time.Since(begun)/10), rarest))
		select {
		case <-pause.C:
		case <-exited:
			return errors.New("it ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Package await looks at a real engine again and again until it has done what a
// test waits for: engines have no event for that but their logs, files and APIs.
package await

import (
	"context"
	"errors"
	"time"
)

// Until answers nil as soon as ok does, an error when the engine has ended
// (exited is closed) or ctx has.
func Until(ctx context.Context, exited <-chan struct{}, ok func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-exited:
			return errors.New("it ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

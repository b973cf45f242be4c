package notify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	maxBatch      = 100
	maxBatchBytes = 512 << 10

	longestPost = 10 * time.Second

	// A failure that took this long makes the calls of the next moments spool
	// at once instead of waiting too; one that came quickly costs nobody time.
	slowFailure = 200 * time.Millisecond
	downFor     = time.Second
	longestDown = 10 * time.Second

	// How often a call looks whether another has handed its event in.
	lookAgain = 10 * time.Millisecond
)

// drain hands in the spool until own is no longer in it, or all if own is
// empty. Whoever waits for an event of its own keeps asking for the lock until
// that event is gone or its time is up, so no event is left to a call that had
// already looked for the last time.
func (c *call) drain(ctx context.Context, own string) error {
	for {
		if own != "" && !c.box.has(own) {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("other calls were handing in events until the %s were over", c.settings.timeout)
		}
		if own != "" {
			if why, ok := c.box.down(time.Now()); ok {
				return errors.New(why)
			}
		}
		unlock, ok, err := c.box.lock()
		if err != nil {
			return err
		}
		if ok {
			err := c.handIn(ctx, own)
			unlock()
			if err != nil {
				return err
			}
			if own == "" && c.box.count() == 0 {
				return nil
			}
			if c.stuck != nil && (own == "" || c.mine) {
				return c.stuck
			}
			if own != "" && !c.box.has(own) {
				return nil
			}
		}
		wait := time.NewTimer(lookAgain)
		select {
		case <-ctx.Done():
			wait.Stop()
		case <-wait.C:
		}
	}
}

// handIn hands in what the box holds now, oldest first. It holds the lock.
func (c *call) handIn(ctx context.Context, own string) error {
	names, err := c.box.list()
	if err != nil {
		return fmt.Errorf("list the spool: %w", err)
	}
	for most := maxBatch; len(names) > 0; most = min(2*most, maxBatch) {
		batch, bodies, err := c.load(&names, most, own)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			return nil
		}
		for len(batch) > 0 {
			tried := time.Now()
			// Even a flush must not keep the lock for long with a hub that hangs.
			limited, cancel := context.WithTimeout(ctx, longestPost)
			receipts, err := c.hub.post(limited, bodies, len(names))
			cancel()
			var no *refusal
			if errors.As(err, &no) && len(batch) > 1 {
				// One of them is at fault: the halves will tell which.
				half := len(batch) / 2
				names = append(batch[half:len(batch):len(batch)], names...)
				batch, bodies, most = batch[:half], bodies[:half], half
				continue
			}
			if errors.As(err, &no) {
				if err := c.box.reject(batch[0], bodies[0], no); err != nil {
					c.pass(batch[0], own, err)
					break
				}
				c.aside++
				if batch[0] != own {
					c.say("the hub refused a spooled event: %s; it is kept in %s", no.reason, c.box.asidePath(rejectedDir, batch[0]))
				}
				break
			}
			if err != nil {
				c.hint(err, tried)
				return err
			}
			for i, name := range batch {
				if name == own {
					c.receipt = receipts[i]
				}
				if err := c.box.remove(name); ofTheSpool(err) {
					return err
				} else if err != nil {
					c.pass(name, own, err) // what is handed in once more the hub takes once
					continue
				}
				c.handed++
			}
			c.box.clearDown()
			break
		}
		if c.report != nil {
			c.report()
		}
		if own != "" && !c.box.has(own) {
			return nil
		}
	}
	return nil
}

// hint remembers a failure that kept this call waiting, or that said how long
// to stay away.
func (c *call) hint(err error, since time.Time) {
	var f *failure
	stay := time.Duration(0)
	if errors.As(err, &f) {
		stay = f.retryAfter
	}
	if stay == 0 && time.Since(since) > slowFailure {
		stay = downFor
	}
	if stay > 0 {
		c.box.setDown(time.Now().Add(min(stay, longestDown)), err.Error())
	}
}

// pass goes on behind a file that cannot be read, or not be moved. Its event is handed
// in when that can be, later than those behind it.
func (c *call) pass(name, own string, why error) {
	c.mine = c.mine || name == own
	if c.stuck == nil {
		c.stuck = fmt.Errorf("a file of the spool is passed over: %w; look at that disk, and move the file out of %s", why, c.box.dir)
		if errors.Is(why, syscall.EACCES) {
			c.stuck = fmt.Errorf("an event in the spool belongs to another user: %w; give %s and all in it to the engine's user", why, c.box.dir)
		}
		c.say("%v", c.stuck)
	}
}

// ofTheSpool says whether what kept a file from being read or removed keeps all of them,
// now or for good.
func ofTheSpool(err error) bool {
	for _, e := range []error{syscall.EROFS, syscall.EACCES, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// load reads the next batch from the front of names and takes it off them.
// Broken files are set aside, those that cannot be read now are passed over.
func (c *call) load(names *[]string, most int, own string) (batch []string, bodies [][]byte, err error) {
	total := 0
	for len(*names) > 0 && len(batch) < most {
		name := (*names)[0]
		if len(batch) > 0 && total+int(sizeIn(name)) > maxBatchBytes {
			break
		}
		*names = (*names)[1:]
		body, err := c.box.read(name)
		switch {
		case errors.Is(err, errGone), errors.Is(err, errUnwritten):
			continue
		case errors.Is(err, errCorrupt):
			if err := c.box.corrupt(name, err); err != nil {
				c.pass(name, own, err)
				continue
			}
			c.aside++
			c.say("a file of the spool is %v; it was moved to %s", err, c.box.asidePath(corruptDir, name))
			continue
		case errors.Is(err, fs.ErrPermission), err != nil && !ofTheSpool(err):
			c.pass(name, own, err)
			continue
		case err != nil:
			return nil, nil, fmt.Errorf("read the spool: %w", err)
		}
		batch, bodies, total = append(batch, name), append(bodies, body), total+len(body)
	}
	return batch, bodies, nil
}

// flush is --flush: hand in everything, with progress for a person.
func (c *call) flush(ctx context.Context) int {
	box, err := openBox(c.settings)
	if err != nil {
		return complain(c.stderr, exitLost, err)
	}
	c.box = box
	defer box.close()
	all := box.count()
	var said time.Time
	progress := func() string {
		all = max(all, c.handed+c.aside)
		return fmt.Sprintf("handed in %s of %s", grouped(c.handed), grouped(all))
	}
	c.report = func() {
		if now := time.Now(); !c.json && now.Sub(said) > time.Second && c.handed < all {
			said = now
			_, _ = fmt.Fprintln(c.stdout, progress())
		}
	}
	why := c.drain(ctx, "")
	waiting := box.count()
	if c.json {
		a := flushed{Handed: c.handed, Aside: c.aside, Waiting: waiting}
		if why != nil {
			a.Reason = why.Error()
		}
		c.print(a)
	} else if all == 0 {
		_, _ = fmt.Fprintf(c.stdout, "no event waits in %s\n", box.dir)
	} else {
		_, _ = fmt.Fprintln(c.stdout, progress())
	}
	c.mentionOthers()
	if waiting == 0 {
		return exitGood
	}
	if why == nil {
		why = errors.New("they came while this call ended")
	}
	return complain(c.stderr, exitLost, fmt.Errorf("%s in %s: %w", count(waiting, "event still waits", "events still wait"), box.dir, why))
}

// flushed is what --flush --json prints.
type flushed struct {
	Handed  int    `json:"handed"`
	Aside   int    `json:"aside"` // refused by the hub, or broken files
	Waiting int    `json:"waiting"`
	Reason  string `json:"reason,omitempty"`
}

// mentionOthers tells of events that wait for another hub or source, which
// this call has no token for.
func (c *call) mentionOthers() {
	root := filepath.Dir(c.box.dir)
	boxes, err := os.ReadDir(root)
	if err != nil {
		return
	}
	for _, d := range boxes {
		other := &box{dir: filepath.Join(root, d.Name())}
		if !d.IsDir() || other.dir == c.box.dir {
			continue
		}
		if n := other.count(); n > 0 {
			c.say("%s for another hub or source (%s): flush with its settings too", count(n, "event waits", "events wait"), other.path("target"))
		}
	}
}

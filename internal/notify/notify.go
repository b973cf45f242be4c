// Package notify is the client behind `tocsin notify`, the command that a
// monitoring engine runs for every notification: one event in its flags, handed
// in to the hub within two seconds, or kept on disk until the hub is back.
//
//	os.Exit(notify.Run(ctx, os.Args[2:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
//
// Every event takes the same way. It is written into the spool, then the spool
// is handed in from its oldest event on, by whichever call holds the spool's
// lock, and an event leaves the spool only when the hub has answered for it.
// So a call may be killed between any two system calls: what it wrote is found
// by the next call, and what was handed in twice has the same id both times,
// which the hub takes once. An event that stays is synced to disk before the
// call ends with 0.
//
// docs/notify.md is the page for the person who configures an engine.
package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// What a call ends with: accepted or spooled; neither, with the mend on
// stderr; or a mistake in the flags, with nothing sent or spooled.
const (
	exitGood  = 0
	exitLost  = 1
	exitUsage = 2
)

// Run is one call. args are the flags without the command's name; getenv
// gives the environment. It answers with the exit code: 0 when the event was
// accepted or spooled, 1 when neither was possible or the hub refused it, 2
// for wrong flags, and for wrong settings with --flush. It does not wait longer than --timeout.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	start := time.Now()
	l, err := parse(args)
	if err != nil {
		return complain(stderr, exitUsage, err)
	}
	if l.on("help") {
		_, _ = io.WriteString(stdout, help())
		return exitGood
	}
	set, err := settle(l, stdin, getenv)
	if err != nil {
		return complain(stderr, exitUsage, err)
	}
	c := &call{settings: set, hub: newHub(set), stdout: stdout, stderr: stderr, json: l.on("json")}
	ctx, cancel := context.WithDeadline(ctx, start.Add(set.timeout))
	defer cancel()
	defer c.hub.close()
	if l.on("flush") {
		if set.fault != nil {
			return complain(stderr, exitUsage, set.fault)
		}
		return c.flush(ctx)
	}
	e, err := eventOf(l, start)
	if err != nil {
		return complain(stderr, exitUsage, err)
	}
	for _, w := range l.warnings {
		c.say("%s", w)
	}
	return c.tell(ctx, e)
}

// call is what one call knows.
type call struct {
	settings settings
	hub      *hub
	box      *box
	stdout   io.Writer
	stderr   io.Writer
	json     bool
	receipt  json.RawMessage // of our own event, when this call handed it in
	handed   int             // events the hub took from this call
	aside    int             // events this call set aside, refused or corrupt
	stuck    error           // of a file that is passed over, if there is one
	mine     bool            // it is that of our own event
	report   func()          // called after every batch, may be nil
}

// tell spools one event and hands in the spool.
func (c *call) tell(ctx context.Context, e event) int {
	body, err := json.Marshal(e)
	if err != nil {
		return complain(c.stderr, exitLost, fmt.Errorf("encode the event: %w", err))
	}
	box, err := openBox(c.settings)
	if err != nil {
		return c.tellUnspooled(ctx, e, body, err)
	}
	c.box = box
	defer box.close()
	own, err := box.add(body)
	if errors.Is(err, errFull) && c.all(ctx) == nil {
		own, err = box.add(body)
	}
	if err != nil {
		return c.tellUnspooled(ctx, e, body, err)
	}
	why := c.drain(ctx, own)
	if box.has(own) {
		return c.leave(e, own, why)
	}
	if reason, ok := box.refused(own); ok {
		return complain(c.stderr, exitLost, fmt.Errorf("the hub refused the event: %s; it is kept in %s", reason, box.asidePath(rejectedDir, own)))
	}
	if c.json {
		c.print(answer{ID: e.ID, Accepted: true, Waiting: box.count(), Receipt: c.receipt})
	}
	return exitGood
}

// leave keeps our event in the spool: exit 0 promises that it is on disk.
func (c *call) leave(e event, own string, why error) int {
	if err := c.box.sync(own); err != nil {
		return complain(c.stderr, exitLost, fmt.Errorf("keep the event in the spool %s: %w; free or mend that disk, or set TOCSIN_SPOOL to another one", c.box.dir, err))
	}
	waiting := c.box.count()
	when := "to be handed in with the next call or by `tocsin notify --flush`"
	if c.settings.fault != nil {
		when = "to be handed in when the settings are right"
	}
	c.say("spooled, "+when+": %v (%s in %s)", why, count(waiting, "event waits", "events wait"), c.box.dir)
	if c.json {
		c.print(answer{ID: e.ID, Spooled: true, Waiting: waiting, Reason: why.Error()})
	}
	return exitGood
}

// tellUnspooled is the way out when the spool cannot take the event: straight
// to the hub, if that keeps the order.
func (c *call) tellUnspooled(ctx context.Context, e event, body []byte, why error) int {
	if c.box != nil {
		if err := c.all(ctx); err != nil {
			return complain(c.stderr, exitLost, fmt.Errorf("the event was neither sent (%w) nor spooled (%w)", err, why))
		}
	}
	receipts, err := c.hub.post(ctx, [][]byte{body}, 0)
	var refused *refusal
	if errors.As(err, &refused) {
		return complain(c.stderr, exitLost, fmt.Errorf("the hub refused the event: %s", refused.reason))
	}
	if err != nil {
		return complain(c.stderr, exitLost, fmt.Errorf("the event was neither sent (%w) nor spooled (%w)", err, why))
	}
	c.say("the event was sent, but could not have been spooled: %v", why)
	if c.json {
		c.print(answer{ID: e.ID, Accepted: true, Receipt: receipts[0]})
	}
	return exitGood
}

// all hands in what waits, but for what is passed over.
func (c *call) all(ctx context.Context) error {
	err := c.drain(ctx, "")
	if c.stuck != nil && errors.Is(err, c.stuck) {
		return nil
	}
	return err
}

// answer is what --json prints.
type answer struct {
	ID       string          `json:"id"`
	Accepted bool            `json:"accepted"`
	Spooled  bool            `json:"spooled"`
	Waiting  int             `json:"waiting"` // events in the spool afterwards
	Reason   string          `json:"reason,omitempty"`
	Receipt  json.RawMessage `json:"receipt,omitempty"` // as the hub gave it; absent when another call handed the event in
}

func (c *call) print(v any) {
	// A closed stdout is the reader's choice and does not change what happened.
	_ = json.NewEncoder(c.stdout).Encode(v)
}

func (c *call) say(format string, args ...any) {
	complain(c.stderr, exitGood, fmt.Errorf(format, args...))
}

// complain writes one line to stderr and hands code on.
func complain(w io.Writer, code int, err error) int {
	text := strings.NewReplacer("\r", " ", "\n", " ").Replace(err.Error())
	// A closed stderr changes nothing of what happened.
	_, _ = fmt.Fprintf(w, "tocsin notify: %s\n", text)
	return code
}

// count is "1 event waits" or "4,812 events wait".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return grouped(n) + " " + many
}

// grouped writes 4812 as 4,812.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

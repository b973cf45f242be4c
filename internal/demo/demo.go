// Package demo is `tocsin demo`: the whole of Tocsin on an embedded database,
// with a made-up company, its people, its team chat, its public status page, and a
// simulated monitoring engine. The engine tells of its troubles by the same way as a real one, the code
// of `tocsin notify`, over HTTP; and it is told what people do, and confirms it, by
// a command file and a status.dat.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tocsin/internal/app"
	"tocsin/internal/config"
	"tocsin/internal/demo/station"
)

// Options are how the demo runs.
type Options struct {
	Listen  string        // host:port; port 0 takes any
	DataDir string        // kept afterwards; empty: a temporary folder
	Out     io.Writer     // where address and sign-in are printed
	First   time.Duration // from the first sign-in to the first problem; 0: 6 s
	Pace    time.Duration // between events, on average; 0: 25 s
	Log     *slog.Logger
	// Ready is called once it serves; nil: nobody.
	Ready func(Access)
}

// Access is how the demo is reached.
type Access struct {
	URL, ChatURL   string
	Name, Password string // for the sign-in
}

// Run runs the demo until ctx ends.
func Run(ctx context.Context, o Options) (err error) {
	if o.First == 0 {
		o.First = 6 * time.Second
	}
	if o.Pace == 0 {
		o.Pace = 25 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	dir := o.DataDir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "tocsin-demo-"); err != nil {
			return fmt.Errorf("make a folder for the demo: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	cfg, err := config.Load(config.Sources{Flags: map[string]string{"TOCSIN_LISTEN": o.Listen, "TOCSIN_DATA": dir}, File: os.DevNull})
	if err != nil {
		return err
	}
	// A demo that takes any port, as tests do, leaves the chat's usual one alone.
	chat, err := newTeam(strings.HasSuffix(o.Listen, ":0"))
	if err != nil {
		return err
	}
	defer chat.Close()
	inside, err := station.New(filepath.Join(dir, "engine"))
	if err != nil {
		return err
	}
	a, err := app.Start(ctx, cfg, app.Options{Log: o.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Stop()) }()

	access := Access{URL: a.URL(), ChatURL: chat.URL(), Name: userName, Password: passphrase()}
	token, err := furnish(ctx, a, access.Password, inside)
	if err != nil {
		return fmt.Errorf("make the sample data: %w", err)
	}
	chat.people(a.URL())
	if err := chat.furnish(ctx, a); err != nil {
		return fmt.Errorf("make the team chat known: %w", err)
	}
	greet(o.Out, access, o.DataDir)
	if o.Ready != nil {
		o.Ready(access)
	}
	e := newEngine(a.URL(), token, filepath.Join(dir, "spool"), inside, o)
	return e.run(ctx, func() bool { return a.Hub().Stats().Users > 0 || chat.Visitors() > 0 })
}

func greet(out io.Writer, at Access, keep string) {
	if out == nil {
		return
	}
	fmt.Fprintf(out, `
  Tocsin's demo runs at                %s/console/
  The company's public status page is  %s/
  The company's team chat runs at      %s

  Sign in to Tocsin as      %s
  with password             %s
  (The chat asks for none: there you choose who you are.)

  1. Press “Turn on notifications” in Tocsin. The first problem comes some
     seconds after that, then one every half minute or so.
  2. Open the chat and click Acknowledge below a problem. The monitoring engine
     is told, and the post says when the engine has confirmed it.
  3. Open the status page beside: it follows the problems by itself. Those of the
     shop make drafts, which you publish in Tocsin under Incidents.
`, at.URL, at.URL, at.ChatURL, at.Name, at.Password)
	if keep != "" {
		fmt.Fprintf(out, "  Its data stays in %s.\n", keep)
	}
	fmt.Fprint(out, "  Ctrl-C ends it.\n\n")
}

// passphrase is random and can be typed: three groups of five letters and
// digits, 75 bits.
func passphrase() string {
	t := strings.ToLower(rand.Text())
	return t[0:5] + "-" + t[5:10] + "-" + t[10:15]
}

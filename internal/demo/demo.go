// Package demo is `tocsin demo`: the whole of Tocsin on an embedded database,
// with a made-up company, its people, and a simulated monitoring engine that
// tells of its troubles by the same way as a real one: the code of
// `tocsin notify`, over HTTP.
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
)

// Options are how the demo runs.
type Options struct {
	Listen  string        // host:port; port 0 takes any
	DataDir string        // kept afterwards; empty: a temporary folder
	Out     io.Writer     // where address and sign-in are printed
	First   time.Duration // from the first sign-in to the first problem; 0: 6 s
	Pace    time.Duration // between events, on average; 0: 25 s
	Log     *slog.Logger
	// Ready is called with the address and the sign-in once it serves; nil: nobody.
	Ready func(url, name, password string)
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
	a, err := app.Start(ctx, cfg, app.Options{Log: o.Log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Stop()) }()

	password := passphrase()
	token, err := furnish(ctx, a, password)
	if err != nil {
		return fmt.Errorf("make the sample data: %w", err)
	}
	greet(o.Out, a.URL(), password, o.DataDir)
	if o.Ready != nil {
		o.Ready(a.URL(), userName, password)
	}
	e := newEngine(a.URL(), token, filepath.Join(dir, "spool"), o)
	return e.run(ctx, func() bool { return a.Hub().Stats().Users > 0 })
}

func greet(out io.Writer, url, password, keep string) {
	if out == nil {
		return
	}
	fmt.Fprintf(out, `
  Tocsin's demo runs at

      %s

  Sign in as      %s
  with password   %s

  Press “Turn on notifications” there. The first problem comes some seconds
  after that, then one every half minute or so.
`, url, userName, password)
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

// Command tocsin is the whole of Tocsin: the hub, the notification command for
// monitoring engines, and the commands that set it up.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"tocsin/internal/notify"
)

func main() {
	// A monitoring engine runs this one all day long: nothing comes before it.
	if len(os.Args) > 1 && os.Args[1] == "notify" {
		os.Exit(notify.Run(context.Background(), os.Args[2:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
	}
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// What is under way is finished after the first signal; who sends a second one
	// does not want to wait for it.
	defer context.AfterFunc(ctx, stop)()
	return execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

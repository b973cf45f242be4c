// Command tocsin-notify is `tocsin notify` by itself, for the machine of a monitoring
// engine: small, and quickly started. It understands the same lines when it is installed
// under the name tocsin.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"tocsin/internal/notify"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)) }

func run(args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		if args[0] != "notify" {
			_, _ = fmt.Fprintf(stderr, "tocsin-notify: there is no command %q here: this program is `tocsin notify` alone; the others are in the program tocsin\n", args[0])
			return 2
		}
		args = args[1:]
	}
	return notify.Run(context.Background(), args, stdin, stdout, stderr, getenv)
}

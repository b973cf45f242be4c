// Command client is `tocsin notify` by itself, for the kill tests.
package main

import (
	"context"
	"os"

	"tocsin/internal/notify"
)

func main() {
	os.Exit(notify.Run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}

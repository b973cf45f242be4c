package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tocsin/internal/notify"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"tocsin": func() {
			if len(os.Args) > 1 && os.Args[1] == "notify" {
				os.Exit(notify.Run(context.Background(), os.Args[2:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
			}
			os.Exit(run())
		},
	})
}

func TestStories(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Setup: brisk})
}

// brisk shortens what the race detector waits for at the end of each process,
// in case that another thread has something to report: a second, for each of
// the hundred commands of the stories.
func brisk(e *testscript.Env) error {
	e.Setenv("GORACE", "atexit_sleep_ms=50")
	return nil
}

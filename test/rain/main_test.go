// Package rain_test lets storms come over the built program, and ends it in the middle
// of them.
package rain_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"tocsin/test/hub"
)

var bin string // the built program

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tocsin-rain-")
	if err == nil {
		defer os.RemoveAll(dir)
		bin, err = hub.Build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

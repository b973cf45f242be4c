// Package tls tests https as people and CAs see it: the built binary gets its
// certificates from a real CA (Pebble, of a module of its own), shows them to the
// real Chromium, and stands behind the real nginx.
package tls_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"tocsin/test/hub"
)

var bin, pebbleBin string // the built programs

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "tocsin-tls-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	var first, second error
	var both sync.WaitGroup
	both.Go(func() { bin, first = hub.Build(context.Background(), dir) })
	both.Go(func() { pebbleBin, second = buildPebble(dir) })
	both.Wait()
	for _, err := range []error{first, second} {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}

// buildPebble builds the CA, of which nothing is in the program's own go.mod.
func buildPebble(dir string) (string, error) {
	out := filepath.Join(dir, "pebble")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", out, "github.com/letsencrypt/pebble/v2/cmd/pebble")
	cmd.Dir = "pebble"
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the CA: %w\n%s", err, text)
	}
	return out, nil
}

package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"syscall"
)

// profiles writes how much memory is in use, and by what, whenever it is asked to by
// SIGUSR1: heap-N.pprof and heap-N.json. It is for `make soak`, which looks for
// leaks, and does nothing unless TOCSIN_TEST_PROFILE names a folder.
func (a *App) profiles(ctx context.Context) error {
	dir := os.Getenv("TOCSIN_TEST_PROFILE")
	if dir == "" {
		<-ctx.Done()
		return nil
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	defer signal.Stop(asked)
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-asked:
		}
		if err := profile(filepath.Join(dir, fmt.Sprintf("heap-%d", n))); err != nil {
			a.log.Warn("profile not written", "error", err)
		}
	}
}

func profile(name string) error {
	runtime.GC()
	runtime.GC() // what a pool had kept goes with the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f, err := os.Create(filepath.Clean(name + ".pprof")) //nolint:gosec // whoever starts the hub names it
	if err != nil {
		return fmt.Errorf("make the profile: %w", err)
	}
	defer func() { _ = f.Close() }() // WriteHeapProfile says whether it was written
	if err := pprof.WriteHeapProfile(f); err != nil {
		return fmt.Errorf("write the profile: %w", err)
	}
	text, err := json.Marshal(map[string]any{"heap": m.HeapAlloc, "stack": m.StackInuse, "goroutines": runtime.NumGoroutine()})
	if err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	if err := os.WriteFile(name+".new", text, 0o600); err != nil { //nolint:gosec // whoever starts the hub names it
		return fmt.Errorf("write the figures: %w", err)
	}
	// Whoever waits for it finds all of it.
	if err := os.Rename(name+".new", name+".json"); err != nil { //nolint:gosec // whoever starts the hub names it
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

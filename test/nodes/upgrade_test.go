package nodes_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tocsin/test/hub"
	"tocsin/test/nodes"
	"tocsin/test/postgres"
)

// next builds the version after this one: with one more migration.
func next(ctx context.Context, t *testing.T, name, migration string) string {
	t.Helper()
	dir := t.TempDir()
	store, err := filepath.Abs("../../internal/store/migrations")
	if err != nil {
		t.Fatal(err)
	}
	file, list, built := filepath.Join(dir, name+".sql"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "tocsin")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(store, "09000_"+name+".sql"): file}})
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{file: "-- +goose Up\n" + migration, list: string(overlay)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-overlay", list, "-o", built, "tocsin/cmd/tocsin")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the next version: %v\n%s", err, out)
	}
	return built
}

// One node after the other runs the next version, and both versions work side by
// side on the schema of the newer one.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	newer := next(t.Context(), t, "adds", "CREATE TABLE later (id TEXT NOT NULL PRIMARY KEY);\nALTER TABLE source ADD COLUMN later TEXT NOT NULL DEFAULT '';\n")
	w := begin(t, 2, postgres.Options{})
	w.tabs = w.follow(w.All)
	l := w.load(4)
	l.more(20)
	first, second := w.Nodes[0], w.Nodes[1]
	w.upgrade(first, newer)
	l.more(20)
	for _, n := range w.Nodes { // both versions
		w.until("it takes events", func() bool { return nodes.Send(w.ctx, nil, n.Listen, w.Token, 1_000_000).Taken() })
	}
	w.upgrade(second, bin) // the older one is started again on the newer schema
	if log := second.Log(); !strings.Contains(log, "a newer version has added to the database") {
		w.Error("it does not say so")
	}
	l.more(20)
	w.upgrade(second, newer)
	l.more(20)
	l.end()
	w.complete(first)

	w.part("a version that breaks with those of before ends them", func() {
		w.upgrade(second, bin)
		w.must(w.breakWith(9000))
		select {
		case <-second.Exited():
		case <-w.ctx.Done():
			w.Fatal("the older node works on")
		}
		if log := second.Log(); !strings.Contains(log, "which this one may no longer use") {
			w.Errorf("it does not say why")
		}
		if err := second.Start(w.ctx); err == nil || !strings.Contains(err.Error(), "run the newer version") {
			w.Errorf("it starts again: %v", err)
		}
	})
}

// upgrade ends a node gently and starts a program in its place.
func (w *world) upgrade(n *hub.Hub, program string) {
	w.Helper()
	w.must(n.Stop(w.ctx))
	n.Use(program)
	w.must(n.Start(w.ctx))
	w.must(w.Wait(w.ctx, 2))
}

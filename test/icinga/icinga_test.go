package icinga_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tocsin/test/icinga"
)

func TestIcingaRunsTheScriptWithArgumentsAsTheyAre(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	told, script := filepath.Join(dir, "told"), filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nprintf '%s|' \"$@\" >> "+told+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	n, err := icinga.Start(ctx, icinga.Config{
		Dir: dir, Contacts: []string{"anna"}, Hosts: []string{"web01"}, Services: []icinga.Service{{Host: "web01", Name: "HTTP Check"}},
		Script: script, HostArguments: `[ "$notification.type$" ]`,
		ServiceArguments: `[ "$notification.type$", "$user.name$", "$service.name$", "$service.output$" ]`,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	begin := time.Now()
	if err := n.Result(ctx, "web01", "HTTP Check", 2, `no "answer" $(id) ;`); err != nil {
		t.Fatal(err)
	}
	if err := n.Until(ctx, func() bool {
		b, _ := os.ReadFile(told)
		return string(b) == `PROBLEM|anna|HTTP Check|no "answer" $(id) ;|`
	}); err != nil {
		b, _ := os.ReadFile(told)
		t.Fatalf("%v: %s\n%s", err, b, n.Log())
	}
	t.Logf("the script ran after %v", time.Since(begin))
}

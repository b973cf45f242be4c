package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/internal/backup"
)

// Who wrote a file says in it what wrote it. A terminal takes no orders from that.
func TestABackupGivesTheTerminalNoOrders(t *testing.T) {
	var file bytes.Buffer
	w, err := backup.NewWriter(&file, backup.Manifest{Schema: 1, Engine: "sqlite\x1b[2J", Program: "v1\x1b]0;x\x07\n" + strings.Repeat("9", 300), Made: time.Unix(1, 0)})
	if err == nil {
		_, err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "hostile.backup")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	code := execute(t.Context(), []string{"restore", "--check", path, "--data", t.TempDir()}, strings.NewReader(""), &out, &out)
	if said := out.String(); code != 0 || strings.ContainsAny(said, "\x1b\x07") || len(said) > 500 {
		t.Errorf("ended with %d: %q", code, said)
	}
}

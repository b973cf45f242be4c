package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestVersionsOfDebian(t *testing.T) {
	t.Parallel()
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for version, want := range map[string]string{
		"v1.2.3": "1.2.3", "1.2": "1.2", "v1.2.3-dirty": "1.2.3+dirty", "v1.2.0-rc.1": "1.2.0~rc.1", "v1.2.3-4-g0123abc": "1.2.3+4.g0123abc",
		"v1.2.3-4-g0123abc-dirty": "1.2.3+4.g0123abc+dirty", "0123abc": "0~git20260102.030405.0123abc", "0123abc-dirty": "0~git20260102.030405.0123abc+dirty",
		"odd name/x": "0~git20260102.030405.odd.name.x",
	} {
		if got := debVersion(version, date); got != want {
			t.Errorf("%s becomes %s, want %s", version, got, want)
		}
	}
}

func TestNoFolderOfOthersIsEmptied(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dist")
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := empty(dir); err != nil {
		t.Fatal(err)
	}
	write("SHA256SUMS")
	write("tocsin_1.0.0_amd64.deb")
	if err := empty(dir); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	write("thesis.txt")
	if err := empty(dir); err == nil {
		t.Error("it is emptied")
	}
	if _, err := os.Stat(filepath.Join(dir, "thesis.txt")); err != nil {
		t.Error(err)
	}
	if err := empty(filepath.Join(dir, "thesis.txt")); err == nil {
		t.Error("a file is a folder")
	}
}

func TestAProgramForAnotherMachineIsRefused(t *testing.T) {
	t.Parallel()
	me, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := static(me, "s390x"); err == nil {
		t.Error("it is taken")
	}
	if err := static(filepath.Join("..", "..", "go.mod"), "amd64"); err == nil {
		t.Error("a text is a program")
	}
}

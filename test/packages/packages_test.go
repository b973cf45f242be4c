// Package packages_test builds what is released, twice in two folders, installs it,
// upgrades it, removes it, and runs it as it is run there.
package packages_test

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What the tests build is this version.
const (
	version = "v1.2.3"
	commit  = "0123456789abcdef0123456789abcdef01234567"
	epoch   = "1767225600" // 1 January 2026
)

// built is where the packages are, and the unpacked one.
var built struct{ dist, root string }

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	dir, err := os.MkdirTemp("", "tocsin-packages-")
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	built.dist, built.root = filepath.Join(dir, "dist"), filepath.Join(dir, "root")
	if out, err := command(context.Background(), "../..", "go", "build", "-o", filepath.Join(dir, "release"), "./cmd/release").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("build the builder: %w\n%s", err, out)
	}
	if err := release(context.Background(), "../..", built.dist); err != nil {
		return 1, err
	}
	if out, err := command(context.Background(), ".", "dpkg-deb", "-x", pack(), built.root).CombinedOutput(); err != nil {
		return 1, fmt.Errorf("unpack the package: %w\n%s", err, out)
	}
	return m.Run(), nil
}

// command prepares a program to run in a folder.
func command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "SOURCE_DATE_EPOCH="+epoch)
	return cmd
}

func release(ctx context.Context, dir, out string) error {
	text, err := command(ctx, dir, filepath.Join(filepath.Dir(built.dist), "release"), "-arch", "amd64", "-version", version, "-commit", commit, "-out", out).CombinedOutput()
	if err != nil {
		return fmt.Errorf("build what is released: %w\n%s", err, text)
	}
	return nil
}

func pack() string    { return filepath.Join(built.dist, "tocsin_1.2.3_amd64.deb") }
func program() string { return filepath.Join(built.root, "usr/bin/tocsin") }

// must runs a program and answers what it says.
func must(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

func TestTwoBuildsInTwoFoldersGiveTheSameBytes(t *testing.T) {
	t.Parallel()
	other := filepath.Join(t.TempDir(), "some", "where else")
	for _, name := range []string{"cmd", "internal", "deploy", "docs", "go.mod", "go.sum", "documents.go", "README.md", "ARCHITECTURE.md", "CHANGELOG.md"} {
		if info, err := os.Stat("../../" + name); err == nil && info.IsDir() {
			if err := os.CopyFS(filepath.Join(other, name), os.DirFS("../../"+name)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		text, err := os.ReadFile("../../" + name)
		if err == nil {
			err = os.WriteFile(filepath.Join(other, name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	again := filepath.Join(t.TempDir(), "dist")
	if err := release(t.Context(), other, again); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(built.dist)
	if err != nil || len(files) != 4 {
		t.Fatalf("%d files were built, %v", len(files), err)
	}
	for _, f := range files {
		one, err1 := os.ReadFile(filepath.Join(built.dist, f.Name()))
		two, err2 := os.ReadFile(filepath.Join(again, f.Name()))
		if err := errors.Join(err1, err2); err != nil {
			t.Error(err)
		} else if !bytes.Equal(one, two) {
			t.Errorf("%s is not the same", f.Name())
		}
	}
	must(t, command(t.Context(), built.dist, "sha256sum", "--check", "--strict", "SHA256SUMS"))
}

func TestTheProgramNeedsNothingElse(t *testing.T) {
	t.Parallel()
	f, err := elf.Open(program())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it has %s: it is linked dynamically", p.Type)
		}
	}
	here, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	body, err := os.ReadFile(program())
	if err != nil {
		t.Fatal(err)
	}
	for _, no := range []string{here + "/internal", "github.com/spf13/cobra/doc"} {
		if bytes.Contains(body, []byte(no)) {
			t.Errorf("it contains %q", no)
		}
	}
	var v map[string]string
	if err := json.Unmarshal([]byte(must(t, command(t.Context(), t.TempDir(), program(), "version", "--json"))), &v); err != nil {
		t.Fatal(err)
	}
	if v["version"] != version || v["commit"] != commit || v["date"] != "2026-01-01T00:00:00Z" || !strings.HasPrefix(v["go"], "go1.") || v["platform"] != "linux/amd64" {
		t.Errorf("it says of itself %v", v)
	}
}

// Who has an engine on another machine takes one file out of the archive.
func TestTheSmallProgramIsInTheArchive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	must(t, command(t.Context(), dir, "tar", "xzf", filepath.Join(built.dist, "tocsin_1.2.3_linux_amd64.tar.gz"), "tocsin-1.2.3/tocsin-notify", "tocsin-1.2.3/tocsin"))
	small := filepath.Join(dir, "tocsin-1.2.3", "tocsin-notify")
	packed, err := os.ReadFile(filepath.Join(built.root, "usr/bin/tocsin-notify"))
	if body, second := os.ReadFile(small); err != nil || second != nil || !bytes.Equal(packed, body) {
		t.Errorf("it is another one than the package's: %v, %v", err, second)
	}
	whole, err := os.Stat(program())
	if err != nil {
		t.Fatal(err)
	}
	if len(packed) > 10<<20 || int64(len(packed)) > whole.Size()/5 {
		t.Errorf("it has %d bytes, the whole %d", len(packed), whole.Size())
	}
	engine := filepath.Join(dir, "tocsin")
	if err := os.Rename(small, engine); err != nil {
		t.Fatal(err)
	}
	if out := must(t, command(t.Context(), dir, engine, "notify", "--help")); !strings.Contains(out, "--notificationtype") {
		t.Errorf("under the name tocsin it says %s", out)
	}
}

func TestTheBillOfMaterials(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(built.dist, "tocsin_1.2.3_linux_amd64.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var b struct {
		BOMFormat, SpecVersion, SerialNumber string
		Version                              int
		Metadata                             struct {
			Timestamp string
			Component struct{ Name, Version, Type, Purl string }
		}
		Components []struct {
			Ref                       string `json:"bom-ref"`
			Type, Name, Version, Purl string
			Hashes                    []struct{ Alg, Content string }
		}
		Dependencies []struct {
			Ref       string
			DependsOn []string
		}
	}
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	if b.BOMFormat != "CycloneDX" || b.SpecVersion != "1.6" || b.Version != 1 || !strings.HasPrefix(b.SerialNumber, "urn:uuid:") || len(b.SerialNumber) != 45 ||
		b.Metadata.Timestamp != "2026-01-01T00:00:00Z" || b.Metadata.Component.Type != "application" || b.Metadata.Component.Version != version {
		t.Errorf("its head is %.600s", text)
	}
	have := map[string]bool{}
	if c := b.Components[0]; c.Type != "application" || c.Name != "tocsin-notify" || b.Dependencies[1].Ref != c.Ref || len(b.Dependencies[1].DependsOn) != 3 {
		t.Errorf("the small program is %+v, made of %v", c, b.Dependencies[1])
	}
	for _, c := range b.Components[1:] {
		if have[c.Ref] || c.Type != "library" || c.Version == "" || !strings.HasPrefix(c.Purl, "pkg:golang/") {
			t.Errorf("a component is %+v", c)
		}
		have[c.Ref], have[c.Name] = true, true
	}
	for line := range strings.Lines(must(t, command(t.Context(), ".", "go", "version", "-m", program()))) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "dep" && !have[f[1]] {
			t.Errorf("%s is missing", f[1])
		}
	}
	if len(b.Dependencies) != len(b.Components)+1 || len(b.Dependencies[0].DependsOn) != len(b.Components)-1 {
		t.Errorf("%d components, %d dependencies", len(b.Components), len(b.Dependencies))
	}
}

// Who hands on the program hands on the licences of what is in it.
func TestLicences(t *testing.T) {
	t.Parallel()
	text := must(t, command(t.Context(), ".", "gzip", "-dc", filepath.Join(built.root, "usr/share/doc/tocsin/licences.gz")))
	if !strings.Contains(text, "The standard library of Go: LICENSE") {
		t.Error("Go's own is missing")
	}
	for line := range strings.Lines(must(t, command(t.Context(), ".", "go", "version", "-m", program()))) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] != "dep" {
			continue
		}
		_, after, found := strings.Cut(text, "\n"+f[1]+" "+f[2]+": ")
		licence, _, _ := strings.Cut(after, "\n"+strings.Repeat("=", 80)+"\n"+f[1]) // its next file, if any
		if !found || len(licence) < 500 || !strings.Contains(strings.ToLower(licence[:min(len(licence), 20000)]), "copyright") {
			t.Errorf("%s has none", f[1])
		}
	}
	if log := must(t, command(t.Context(), ".", "gzip", "-dc", filepath.Join(built.root, "usr/share/doc/tocsin/changelog.gz"))); !strings.HasPrefix(log, "tocsin (1.2.3) unstable;") || !strings.HasSuffix(log, "Thu, 01 Jan 2026 00:00:00 +0000\n") {
		t.Errorf("Debian's changelog is %q", log)
	}
}

func TestManualAndCompletions(t *testing.T) {
	t.Parallel()
	page := func(name string) string {
		return must(t, command(t.Context(), ".", "gzip", "-dc", filepath.Join(built.root, "usr/share/man/man1", name+".1.gz")))
	}
	for name, words := range map[string][]string{
		"tocsin":        {".TH \"TOCSIN\" \"1\" \"Jan 2026\"", "tocsin-doctor(1)"},
		"tocsin-serve":  {"--listen"},
		"tocsin-doctor": {"NO_COLOR"},
		"tocsin-notify": {"notificationtype"},
	} {
		text := page(name)
		for _, w := range words {
			if !strings.Contains(text, w) {
				t.Errorf("%s does not say %q", name, w)
			}
		}
	}
	must(t, command(t.Context(), ".", "bash", "-n", filepath.Join(built.root, "usr/share/bash-completion/completions/tocsin")))
	for _, f := range []string{"zsh/vendor-completions/_tocsin", "fish/vendor_completions.d/tocsin.fish"} {
		if info, err := os.Stat(filepath.Join(built.root, "usr/share", f)); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v", f, err)
		}
	}
	// What the completions ask, the shipped program answers.
	if out := must(t, command(t.Context(), t.TempDir(), program(), "__complete", "doct")); !strings.HasPrefix(out, "doctor\t") {
		t.Errorf("it completes %q", out)
	}
}

func TestTheServiceIsConfined(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, f := range []string{"usr/bin/tocsin", "usr/lib/systemd/system/tocsin.service"} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(f)), 0o755); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(built.root, f))
		if err != nil {
			t.Fatal(err)
		}
		// systemd looks whether it may be run.
		if err := os.WriteFile(filepath.Join(root, f), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// What the unit names must be there: the targets of systemd's own.
	for _, u := range []string{"sysinit", "basic", "shutdown", "network-online", "multi-user"} {
		if err := os.WriteFile(filepath.Join(root, "usr/lib/systemd/system", u+".target"), []byte("[Unit]\nDescription="+u+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := must(t, command(t.Context(), ".", "systemd-analyze", "verify", "--man=no", "--root="+root, "tocsin.service"))
	if strings.Contains(out, "tocsin.service:") {
		t.Error(out)
	}
	// 0 is wholly confined, 100 not at all.
	must(t, command(t.Context(), ".", "systemd-analyze", "security", "--offline=yes", "--threshold=25", "--no-pager", "--root="+root, "tocsin.service"))
}

// same says whether a file has a text.
func same(t *testing.T, path, want string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil || string(text) != want {
		t.Errorf("%s is %q, %v", path, text, err)
	}
}

// gone wants nothing at a path.
func gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there, %v", path, err)
	}
}

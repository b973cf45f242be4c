// Command release builds what is released into a folder: static programs for Linux on
// amd64 and arm64, Debian packages, archives with everything, bills of materials
// (CycloneDX), and SHA256SUMS over all of it. Two runs on one commit give the same
// bytes, whatever folder they run in.
//
//	go run ./cmd/release -out dist
//	go run ./cmd/release -licences FILE
//
// The second writes nothing but the licences of what is linked into the program.
//
// It runs in the program's folder, with the Go that go.mod asks for. The date in
// everything is SOURCE_DATE_EPOCH, or the commit's.
package main

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var r release
	arches := flag.String("arch", "amd64,arm64", "machines to build for, with commas")
	flag.StringVar(&r.out, "out", "dist", "folder to write to; what an earlier run has put there goes")
	flag.StringVar(&r.version, "version", "", "version; of git when empty")
	flag.StringVar(&r.commit, "commit", "", "commit; of git when empty")
	flag.StringVar(&r.maintainer, "maintainer", "Tocsin <tocsin@localhost.localdomain>", "who looks after the package, for Debian's tools")
	licences := flag.String("licences", "", "write only the licences of what is linked, to this file")
	flag.Parse()
	r.arches = strings.Split(*arches, ",")
	run := r.run
	if *licences != "" {
		run = func(ctx context.Context) error {
			text, err := r.licences(ctx)
			if err != nil {
				return err
			}
			return os.WriteFile(*licences, text, 0o644) //nolint:gosec,wrapcheck // for everybody; it names the file
		}
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "release: "+err.Error())
		os.Exit(1)
	}
}

// release is one run.
type release struct {
	out             string
	version, commit string
	maintainer      string
	date            time.Time
	arches          []string
	work            string // files for the packages
}

func (r *release) run(ctx context.Context) (err error) {
	if err := r.identify(ctx); err != nil {
		return err
	}
	if err := empty(r.out); err != nil {
		return err
	}
	if r.work, err = os.MkdirTemp("", "tocsin-release-"); err != nil {
		return fmt.Errorf("make a folder to work in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.work)) }()
	if err := r.pages(ctx); err != nil {
		return err
	}
	text, err := r.licences(ctx)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(r.work, "licences"), text, 0o600); err != nil {
		return fmt.Errorf("keep the licences: %w", err)
	}
	for _, arch := range r.arches {
		if err := r.machine(ctx, arch); err != nil {
			return fmt.Errorf("%s: %w", arch, err)
		}
	}
	return r.sums()
}

// empty makes the folder, or takes away what an earlier run has put there. It touches no
// folder that has anything else in it.
func empty(dir string) error {
	old, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the folder: %w", err)
	}
	for _, f := range old {
		if !f.Type().IsRegular() || f.Name() != "SHA256SUMS" && !strings.HasPrefix(f.Name(), "tocsin_") {
			return fmt.Errorf("%s has %s in it, which is not from here: name another folder with -out", dir, f.Name())
		}
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil { //nolint:gosec // for everybody
		return fmt.Errorf("empty the folder: %w", err)
	}
	return nil
}

// identify finds out what is built.
func (r *release) identify(ctx context.Context) error {
	git := func(args ...string) string {
		out, err := exec.CommandContext(ctx, "git", args...).Output() //nolint:gosec // the arguments are ours
		if err != nil {
			return "" // no repository: an unpacked archive
		}
		return strings.TrimSpace(string(out))
	}
	if r.version == "" {
		r.version = git("describe", "--tags", "--always", "--dirty")
	}
	if r.version == "" {
		return errors.New("there is no git repository here: give -version, -commit and SOURCE_DATE_EPOCH")
	}
	if r.commit == "" {
		r.commit = git("rev-parse", "HEAD")
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		epoch = git("log", "-1", "--format=%ct")
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return errors.New("the date is not known: give SOURCE_DATE_EPOCH in seconds")
	}
	r.date = time.Unix(seconds, 0).UTC()
	return nil
}

// flags are what the program is built with: nothing of the machine that builds it.
func (r *release) flags() []string {
	return []string{"-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags",
		"-s -w -buildid= -X tocsin/internal/app.Version=" + r.version + " -X tocsin/internal/app.Commit=" + r.commit + " -X tocsin/internal/app.Date=" + r.date.Format(time.RFC3339)}
}

func (r *release) command(ctx context.Context, arch string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the arguments are ours
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off")
	cmd.Stderr = os.Stderr
	return cmd
}

// programs are what is built: the whole, and the notification command by itself.
var programs = []string{"tocsin", "tocsin-notify"}

// build builds the programs into a folder.
func (r *release) build(ctx context.Context, arch, dir string) error {
	args := append(append([]string{"build"}, r.flags()...), "-o", dir+string(filepath.Separator))
	for _, p := range programs {
		args = append(args, "./cmd/"+p)
	}
	if err := r.command(ctx, arch, args...).Run(); err != nil {
		return fmt.Errorf("build the programs: %w", err)
	}
	for _, p := range programs {
		if err := static(filepath.Join(dir, p), arch); err != nil {
			return err
		}
	}
	return nil
}

// static looks whether a program is for a kind of machine, and needs no library and no
// loader there.
func static(program, arch string) error {
	machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
	f, err := elf.Open(program)
	if err != nil {
		return fmt.Errorf("read the program: %w", err)
	}
	defer func() { _ = f.Close() }()
	if want, known := machines[arch]; !known || f.Machine != want {
		return fmt.Errorf("the program is for %s", f.Machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("the program has %s: it is linked dynamically", p.Type)
		}
	}
	return nil
}

// machine builds all for one kind of machine.
func (r *release) machine(ctx context.Context, arch string) error {
	built := filepath.Join(r.work, arch)
	if err := os.MkdirAll(built, 0o750); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	if err := r.build(ctx, arch, built); err != nil {
		return err
	}
	name := func(end string) string {
		return filepath.Join(r.out, "tocsin_"+r.plain()+"_linux_"+arch+end)
	}
	parts, err := r.bill(built, arch)
	if err != nil {
		return err
	}
	contents, err := r.contents(built)
	if err != nil {
		return err
	}
	files, err := r.archive(contents)
	if err != nil {
		return err
	}
	pack, err := r.deb(arch, contents)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(name(".cdx.json"), parts, 0o644),                                                            //nolint:gosec // for everybody
		os.WriteFile(name(".tar.gz"), files, 0o644),                                                              //nolint:gosec // for everybody
		os.WriteFile(filepath.Join(r.out, "tocsin_"+debVersion(r.version, r.date)+"_"+arch+".deb"), pack, 0o644), //nolint:gosec // for everybody
	)
}

// plain is the version without its v.
func (r *release) plain() string { return strings.TrimPrefix(r.version, "v") }

// sums writes SHA256SUMS, as sha256sum --check reads it.
func (r *release) sums() error {
	files, err := filepath.Glob(filepath.Join(r.out, "tocsin_*"))
	if err != nil {
		return fmt.Errorf("list what was built: %w", err)
	}
	slices.Sort(files)
	var b strings.Builder
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			return fmt.Errorf("read what was built: %w", err)
		}
		sum := sha256.Sum256(body)
		b.WriteString(hex.EncodeToString(sum[:]) + "  " + filepath.Base(f) + "\n")
		fmt.Printf("%s  %s\n", hex.EncodeToString(sum[:])[:16], f)
	}
	if err := os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(b.String()), 0o644); err != nil { //nolint:gosec // for everybody
		return fmt.Errorf("write the sums: %w", err)
	}
	return nil
}

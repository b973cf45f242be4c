package main

import (
	"bufio"
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// machine describes what is measured on and with, a name and a value each.
func machine(bin string) ([][2]string, error) {
	model, err := value("/proc/cpuinfo", "model name")
	if err != nil {
		return nil, err
	}
	memory, err := value("/proc/meminfo", "MemTotal")
	if err != nil {
		return nil, err
	}
	kb, err := strconv.Atoi(strings.TrimSuffix(memory, " kB"))
	if err != nil {
		return nil, fmt.Errorf("memory of %q: %w", memory, err)
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return nil, fmt.Errorf("kernel: %w", err)
	}
	info, err := buildinfo.ReadFile(bin)
	if err != nil {
		return nil, fmt.Errorf("what %s is built with: %w", bin, err)
	}
	out := [][2]string{
		{"processor", fmt.Sprintf("%d cores of %s", runtime.NumCPU(), model)},
		{"memory", fmt.Sprintf("%d GiB", (kb+1<<19)>>20)},
		{"kernel", strings.TrimSpace(string(kernel))},
		{"Go", strings.TrimPrefix(info.GoVersion, "go")},
	}
	for _, d := range info.Deps {
		if d.Path == "modernc.org/sqlite" {
			out = append(out, [2]string{"SQLite", d.Path + " " + d.Version})
		}
	}
	// Alertmanager says its version on the first line.
	am, err := exec.Command("prometheus-alertmanager", "--version").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("alertmanager (make bench installs it): %w", err)
	}
	first, _, _ := bytes.Cut(am, []byte(" (branch"))
	return append(out, [2]string{"Alertmanager", strings.TrimPrefix(string(first), "alertmanager, version ")}), nil
}

// value reads the first value of a key in one of /proc's files.
func value(file, key string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if k, v, ok := strings.Cut(sc.Text(), ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v), nil
		}
	}
	return "", fmt.Errorf("%s has no %q", file, key)
}

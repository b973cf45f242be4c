package app

import (
	"runtime"
	"runtime/debug"
)

// Commit is what was built, set by the linker as Version is.
var Commit string

// Date is the commit's date as RFC 3339 has it, set by the linker too.
var Date string

// Build says what was built.
type Build struct {
	Version, Commit, Date string
	Go, Platform          string // "go1.26.8", "linux/amd64"
}

// Built answers what this program was built of: what the linker was told, else what Go
// found out by itself.
func Built() Build {
	b := Build{Version: Version, Commit: Commit, Date: Date, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if b.Commit != "" || !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				b.Commit += " and changes"
			}
		}
	}
	return b
}

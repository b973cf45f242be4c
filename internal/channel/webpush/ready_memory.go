package webpush

import (
	"bytes"
	"path"
	"strconv"
	"strings"
)

// groupMemory is what the control group of this process, or one above it,
// leaves it: the least of them. ok is false where none has a limit.
func groupMemory(read func(string) ([]byte, error)) (left, limit int64, ok bool) {
	text, err := read("/proc/self/cgroup")
	if err != nil {
		return 0, 0, false
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		var v groupFiles
		switch {
		case parts[1] == "":
			v = groupFiles{"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"}
		case hasWord(parts[1], "memory"):
			v = groupFiles{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"}
		default:
			continue
		}
		// In a container the group of the process is seen as the root.
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			if l, m, found := v.look(read, dir); found && (!ok || l < left) {
				left, limit, ok = l, m, true
			}
			if dir == "/" {
				break
			}
		}
	}
	return left, limit, ok
}

// groupFiles are the names of one version of control groups.
type groupFiles struct{ root, max, current, inactive string }

// unlimited is what version 1 says for no limit, about.
const unlimited = 1 << 60

func (v groupFiles) look(read func(string) ([]byte, error), dir string) (left, limit int64, ok bool) {
	text, err := read(path.Join(v.root, dir, v.max))
	if err != nil {
		return 0, 0, false
	}
	limit, err = strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || limit >= unlimited {
		return 0, 0, false // "max"
	}
	text, err = read(path.Join(v.root, dir, v.current))
	if err != nil {
		return 0, 0, false
	}
	used, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0, 0, false
	}
	// Files that were read count as used, and are given up when memory is wanted.
	if text, err = read(path.Join(v.root, dir, "memory.stat")); err == nil {
		used -= min(field(text, v.inactive), used)
	}
	return limit - used, limit, true
}

// field reads the number behind a name at the beginning of a line.
func field(text []byte, name string) int64 {
	for line := range bytes.Lines(text) {
		words := bytes.Fields(line)
		if len(words) >= 2 && string(words[0]) == name {
			n, err := strconv.ParseInt(string(words[1]), 10, 64)
			if err == nil {
				return n
			}
		}
	}
	return 0
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

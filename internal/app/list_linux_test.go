package app_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// The list is asked for by everybody at once in the minute in which everything
// fails. What it reads must not grow with what is open. What the hub does beside
// maps some of the file too, now and then: it is not that each time.
func TestAListForManyPeopleTakesLittleMemory(t *testing.T) {
	for try := 1; ; try++ {
		said := ""
		t.Run(fmt.Sprint("try ", try), func(t *testing.T) { said = takes(t) })
		switch {
		case said == "":
			return
		case try == 3:
			t.Fatal(said)
		}
		t.Log(said)
	}
}

// takes says what is too much for lists of thousands of alerts.
func takes(t *testing.T) string {
	t.Helper()
	h := startHub(t)
	d := h.app.Desk()
	const open, batch = 5000, 500
	output := strings.Repeat("x", 1500)
	for n := 0; n < open; n += batch {
		many := make([]string, batch)
		for i := range many {
			many[i] = fmt.Sprintf(`{"type":"PROBLEM","host":"web%d","service":"Disk","state":%d,"output":"%s"}`, n+i, 1+i%2, output)
		}
		h.tell("[" + strings.Join(many, ",") + "]")
	}
	const people, each = 16, 2
	for _, text := range []string{"", "web", "nobody has that"} {
		before := mapped(t)
		var from, to runtime.MemStats
		runtime.ReadMemStats(&from)
		var all sync.WaitGroup
		for range people {
			all.Go(func() {
				for range each {
					if _, _, err := d.Open(t.Context(), text, 20); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		runtime.ReadMemStats(&to)
		if a := (to.TotalAlloc - from.TotalAlloc) / (people * each); a > 256<<10 {
			return fmt.Sprintf("a list of %q allocates %d KiB", text, a>>10)
		}
		if more := mapped(t) - before; more > 8<<10 {
			return fmt.Sprintf("lists of %q keep %d KiB of the database in memory", text, more)
		}
	}
	return ""
}

// mapped is how many KiB of the database this process has mapped into memory.
func mapped(t *testing.T) (kib int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	database := false
	for line := range strings.Lines(string(maps)) {
		switch f := strings.Fields(line); {
		case len(f) >= 5 && strings.Contains(f[0], "-"):
			database = len(f) > 5 && strings.HasSuffix(f[5], "/tocsin.db")
		case database && len(f) == 3 && f[0] == "Rss:":
			n := 0
			if _, err := fmt.Sscan(f[1], &n); err != nil {
				t.Fatal(err)
			}
			kib += n
		}
	}
	return kib
}

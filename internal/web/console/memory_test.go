package console_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"tocsin/internal/web/console"
)

// The templates are in memory also while nobody is at the console and the hub
// publishes to a million devices in less than 100 MB: what fifty pages have in
// common is not there fifty times.
func TestPagesShareWhatTheyHaveInCommon(t *testing.T) {
	h := newHub(t)
	h.as("").get("/console/sign-in") // what is read once and for all
	before := inUse()
	c := console.New(console.Deps{Store: h.db, Auth: h.auth})
	w := httptest.NewRecorder()
	c.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/console/sign-in", nil))
	if w.Code != http.StatusOK { // answered when all pages are read
		t.Fatalf("answered %d: %s", w.Code, w.Body)
	}
	if n := inUse() - before; n > 4<<20 {
		t.Errorf("the pages take %d KiB", n>>10)
	}
	runtime.KeepAlive(c)
}

// inUse is how many bytes of the heap are in use.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // what a pool had kept goes with the second one
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

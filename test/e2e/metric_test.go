package e2e_test

import (
	"bufio"
	"net/http"
	"strconv"
	"strings"

	"tocsin/test/browser/notifyd"
)

// metric is one of the hub's figures, summed over its labels.
func (w *world) metric(name string) float64 {
	w.Helper()
	req, err := http.NewRequestWithContext(w.ctx, http.MethodGet, "http://"+w.hub.Listen+"/metrics", nil)
	w.must(err)
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	defer resp.Body.Close()
	sum, found := 0.0, false
	sc := bufio.NewScanner(resp.Body)
	for sc.Scan() {
		key, value, _ := strings.Cut(sc.Text(), " ")
		key, _, _ = strings.Cut(key, "{")
		if key != name {
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		w.must(err)
		sum, found = sum+v, true
	}
	if !found {
		w.Fatalf("the hub has no metric %s", name)
	}
	return sum
}

// always fits every notification.
func always(notifyd.Notification) bool { return true }

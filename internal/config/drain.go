package config

import (
	"fmt"
	"time"
)

// How long a node that is told to end still takes requests. Where there is no other
// node to go to, waiting helps nobody.
const (
	usualDrain   = 2 * time.Second
	longestDrain = 5 * time.Minute
)

// drain reads a time such as 500ms or 10s.
func drain(f found, several bool) (time.Duration, error) {
	if several && !f.given("TOCSIN_DRAIN") {
		return usualDrain, nil
	}
	v := f.get("TOCSIN_DRAIN")
	d, err := time.ParseDuration(v.text)
	if err != nil || d < 0 || d > longestDrain {
		return 0, &Error{v.where, "TOCSIN_DRAIN", fmt.Sprintf("%q is no time from 0s to 5m", v.text), "write for example 5s: a little longer than the balancer takes to notice that /readyz says no"}
	}
	return d, nil
}

package storm

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"tocsin/bench/table"
)

// first measures the time until the first message of a storm, of the same alerts with
// storms switched off, and of one alert that comes by itself. The ways take turns, so
// that what else the machine does is nobody's alone.
func first(ctx context.Context, w io.Writer, o Options) error {
	ways := []struct {
		name string
		n    int
		off  bool
	}{{"a storm", 300, false}, {"the same, storms off", 300, true}, {"one alert alone", 1, false}, {"one alert alone, storms off", 1, true}}
	t := table.Table{Head: []string{"database", "what comes", "rounds", "shortest", "median", "longest"}}
	for _, name := range databases {
		took := make([][]time.Duration, len(ways))
		for round := range o.Rounds {
			for i, way := range ways {
				url, err := o.database(ctx, name, fmt.Sprintf("first%d-%d", round, i))
				if err != nil {
					return err
				}
				d, err := untilFirst(ctx, o, url, way.n, way.off)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", name, way.name, err)
				}
				took[i] = append(took[i], d)
			}
		}
		for i, way := range ways {
			slices.Sort(took[i])
			n := len(took[i])
			t.Add(name, way.name, fmt.Sprint(n), tenths(took[i][0]), tenths(took[i][n/2]), tenths(took[i][n-1]))
		}
	}
	fmt.Fprint(w, "The time from the first event on its way in to the first message given to a channel. The hub has told of something before, so that nothing is done for the first time, "+
		"and of nothing for a second and a half. 300 alerts of the storm are sent, at the same rate; the ways take turns.\n\n")
	return t.Write(w)
}

func tenths(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

func untilFirst(ctx context.Context, o Options, url string, n int, off bool) (time.Duration, error) {
	h, err := start(ctx, o, url, off)
	if err != nil {
		return 0, err
	}
	defer h.stop()
	begin := time.Now()
	if _, err := rain(ctx, h.Service, n, 1); err != nil {
		return 0, err
	}
	for {
		h.got.mu.Lock()
		at := h.got.first
		h.got.mu.Unlock()
		if !at.IsZero() {
			return at.Sub(begin), nil
		}
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return 0, fmt.Errorf("wait for the first message: %w", ctx.Err())
		}
	}
}

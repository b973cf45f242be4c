package nodes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin/bench/table"
)

// mostLag is how long after its answer a change may be missing on a page, on any node.
const mostLag = 100 * time.Millisecond

// mostFollow is how long a page is asked for a change before it counts as lost.
const mostFollow = 10 * time.Second

// follow publishes incidents' updates on each of three nodes in turn, and measures
// when the pages of all have them.
func follow(ctx context.Context, w io.Writer, o Options) error {
	database, err := o.Postgres(ctx)
	if err != nil {
		return err
	}
	c, end, err := o.start(ctx, database, 3)
	if err != nil {
		return err
	}
	defer end()
	one := c.Nodes[0]
	var incident struct{ ID string }
	for _, made := range []struct {
		path string
		body map[string]any
		out  any
	}{
		{"/status/pages", map[string]any{"slug": "main", "name": "Sandbank", "zone": "UTC", "language": "en"}, nil},
		{"/status/components", map[string]any{"page": "main", "name": "Website"}, nil},
		{"/status/incidents", map[string]any{"page": "main", "title": "Trouble", "body": "Word number -1."}, &incident},
	} {
		if err := one.Post(ctx, made.path, made.body, made.out); err != nil {
			return fmt.Errorf("a public page: %w", err)
		}
	}
	client := &http.Client{Timeout: mostFollow}
	defer client.CloseIdleConnections()
	seen := func(words string) error { // by the pages of all nodes
		give, stop := context.WithTimeout(ctx, mostFollow)
		defer stop()
		for _, n := range c.Nodes {
			for {
				body, err := read(give, client, n.URL+"/")
				if give.Err() != nil {
					return fmt.Errorf("a change is never seen at %s: %w", n.Listen, errors.Join(err, ctx.Err()))
				}
				if err == nil && strings.Contains(body, words) {
					break
				}
			}
		}
		return nil
	}
	if err := seen("Word number -1."); err != nil {
		return err
	}
	var took []time.Duration
	for i := range o.Changes {
		words := fmt.Sprintf("Word number %d.", i)
		if err := c.Nodes[i%len(c.Nodes)].Post(ctx, "/status/incidents/"+incident.ID+"/updates", map[string]any{"body": words}, nil); err != nil {
			return fmt.Errorf("publish an update: %w", err)
		}
		answered := time.Now()
		if err := seen(words); err != nil {
			return err
		}
		took = append(took, time.Since(answered))
	}
	slices.Sort(took)
	fmt.Fprint(w, "An update of an incident is published by the API of each of three nodes in turn. From its answer on the pages of all are asked for, one after the other, "+
		"until each has it.\n\n")
	at := func(part float64) time.Duration { return took[int(part*float64(len(took)-1))] }
	t := table.Table{Head: []string{"a change is seen at all nodes", "changes", "p50", "p90", "slowest"}}
	round := func(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }
	t.Add("3 nodes", fmt.Sprint(len(took)), round(at(0.5)), round(at(0.9)), round(took[len(took)-1]))
	if err := t.Write(w); err != nil {
		return err
	}
	verdict := "reached"
	if at(0.9) > mostLag {
		verdict = "missed"
	}
	fmt.Fprintf(w, "- Goal: a change is on the page of every node after %v, nine in ten measured within %s: %s.\n\n", mostLag, round(at(0.9)), verdict)
	return nil
}

func read(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return string(text), err
}

package storm

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"tocsin/bench/table"
	"tocsin/internal/alert"
	"tocsin/internal/contact"
	"tocsin/internal/route"
)

// Route measures the decision who hears of an event, with many rules and objects:
// each object is asked about once, so that nothing helps but the index.
func Route(ctx context.Context, w io.Writer, o Options) error {
	t := table.Table{Head: []string{"rules, of which each names", "rules", "objects", "told", "mean", "p50", "p99", "longest"}}
	for _, kind := range []struct {
		name string
		rule func(r *route.Rule, i int)
	}{
		{"a host", func(r *route.Rule, i int) { r.Hosts = []string{fmt.Sprintf("host%06d", i)} }},
		{"a pattern of hosts", func(r *route.Rule, i int) { r.Hosts = []string{fmt.Sprintf("host%06d*", i)} }},
		{"a pattern that begins with *", func(r *route.Rule, i int) { r.Hosts = []string{fmt.Sprintf("*%06d", i)} }},
		{"a pattern between two *", func(r *route.Rule, i int) { r.Hosts = []string{fmt.Sprintf("*%06d*", i)} }},
		{"a service", func(r *route.Rule, i int) { r.Services = []string{fmt.Sprintf("service%05d", i)} }},
		{"a label's value", func(r *route.Rule, i int) { r.Labels = map[string]string{"team": fmt.Sprintf("team%05d", i)} }},
		{"one of these in turn", func(r *route.Rule, i int) {
			switch i % 5 {
			case 0:
				r.Hosts = []string{fmt.Sprintf("host%06d", i)}
			case 1:
				r.Hosts = []string{fmt.Sprintf("host%06d*", i)}
			case 2:
				r.Hosts = []string{fmt.Sprintf("*%06d", i)}
			case 3:
				r.Services = []string{fmt.Sprintf("service%05d", i)}
			default:
				r.Labels = map[string]string{"team": fmt.Sprintf("team%05d", i)}
			}
		}},
	} {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("measure routing: %w", err)
		}
		d := route.Directory{Users: map[string]bool{}}
		for i := range o.Rules {
			id := fmt.Sprint(i)
			c := contact.NewContact("contact" + id)
			c.ID, c.UserID = id, "user"+id
			d.Contacts = append(d.Contacts, c)
			d.Users[c.UserID] = true
			r := route.Rule{ID: id, Name: "rule " + id, Enabled: true, ContactIDs: []string{id}}
			kind.rule(&r, i)
			d.Rules = append(d.Rules, r)
		}
		d = d.Indexed()
		runtime.GC()
		took := make([]time.Duration, 0, o.Objects)
		told := 0
		for i := range o.Objects {
			n := i % o.Rules
			q := route.Question{Notice: alert.NoticeProblem, Now: time.Unix(1_800_000_000, 0), Event: alert.Event{SourceID: "s", Type: alert.Problem, State: alert.Critical,
				Object: alert.Object{ID: fmt.Sprint(i), SourceID: "s", Host: fmt.Sprintf("host%06d", i), Service: fmt.Sprintf("service%05d", n),
					Labels: map[string]string{"team": fmt.Sprintf("team%05d", n)}}}}
			q.Alert = &alert.Alert{Object: q.Event.Object, Status: alert.Firing, State: alert.Critical, Worst: alert.Critical}
			begin := time.Now()
			for _, c := range route.Decide(d, q) {
				if c.Told {
					told++
					break
				}
			}
			took = append(took, time.Since(begin))
		}
		var sum time.Duration
		for _, x := range took {
			sum += x
		}
		slices.Sort(took)
		t.Add(kind.name, table.Thousands(float64(o.Rules)), table.Thousands(float64(o.Objects)), table.Thousands(float64(told)), us(sum/time.Duration(len(took))),
			us(took[len(took)/2]), us(took[len(took)*99/100]), us(took[len(took)-1]))
	}
	fmt.Fprint(w, "Who hears of an event, asked about each object once. The longest has a collection of garbage in it, or the other work of the machine.\n\n")
	return t.Write(w)
}

func us(d time.Duration) string { return fmt.Sprintf("%.1f µs", float64(d.Nanoseconds())/1000) }

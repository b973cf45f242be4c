package many

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin/test/hub"
)

// question is something that people ask.
type question struct {
	what string
	ask  func(ctx context.Context, h *hub.Hub, r *rand.Rand) (found int, err error)
}

func (o *Options) questions(tab *hub.Tab) []question {
	list := func(what string, query func(r *rand.Rand) url.Values) question {
		return question{what, func(ctx context.Context, h *hub.Hub, r *rand.Rand) (int, error) {
			return items(ctx, h, "/alerts?"+query(r).Encode())
		}}
	}
	search := func(what string, text func(r *rand.Rand) string) question {
		return list("search: "+what, func(r *rand.Rand) url.Values { return url.Values{"q": {text(r)}} })
	}
	always := func(what string, v url.Values) question {
		return list(what, func(*rand.Rand) url.Values { return v })
	}
	told := func(what, query string) question {
		return question{what, func(ctx context.Context, h *hub.Hub, _ *rand.Rand) (int, error) {
			return items(ctx, h, "/deliveries"+query)
		}}
	}
	page := func(what, path string) question {
		return question{what, func(ctx context.Context, _ *hub.Hub, _ *rand.Rand) (int, error) {
			text, err := tab.Page(ctx, path)
			return strings.Count(text, `<tr id="alert-`), err
		}}
	}
	some := func(r *rand.Rand) int { return r.IntN(o.Alerts) }
	return []question{
		always("first page", url.Values{}),
		always("first page of 500", url.Values{"limit": {"500"}}),
		always("resolved ones", url.Values{"status": {"resolved"}}),
		list("a page deep down", func(r *rand.Rand) url.Values {
			at := fmt.Sprintf(`{"l":"alerts","a":%d,"i":"0"}`, beganAt(some(r), o.Alerts, o.now))
			return url.Values{"cursor": {base64.RawURLEncoding.EncodeToString([]byte(at))}}
		}),
		always("open ones", url.Values{"status": {"firing,acknowledged"}}),
		always("of a rare state", url.Values{"state": {"unknown"}}),
		always("of a state that none has", url.Values{"state": {"warning"}}),
		always("of a small source", url.Values{"source_id": {smallSource}}),
		always("of it, in a rare state", url.Values{"source_id": {smallSource}, "state": {"unknown"}}),
		always("hosts only", url.Values{"kind": {"host"}}),
		always("told to one who hears of all", url.Values{"contact_id": {"ann"}}),
		always("told to one who hears of few", url.Values{"contact_id": {"ben"}}),
		list("of an object", func(r *rand.Rand) url.Values { return url.Values{"object_id": {objectID(r.IntN(objects))}} }),
		search("a host", func(r *rand.Rand) string { return host(r.IntN(hosts)) }),
		search("50 hosts", func(r *rand.Rand) string { return fmt.Sprintf("rack%02d", r.IntN(100)) }),
		search("a common word of outputs", func(*rand.Rand) string { return "packet loss" }),
		search("a rare one", func(r *rand.Rand) string { return fmt.Sprintf("ticket %07d", some(r)) }),
		search("a number", func(r *rand.Rand) string { return fmt.Sprintf("%05d", r.IntN(100_000)) }),
		search("what there is not", func(r *rand.Rand) string { return fmt.Sprintf("nothing like this %d", r.Int()) }),
		search("two characters that there are not", func(*rand.Rand) string { return "q%" }),
		{"one alert with its timeline", func(ctx context.Context, h *hub.Hub, r *rand.Rand) (int, error) {
			var a struct{ Timeline []json.RawMessage }
			err := h.Call(ctx, http.MethodGet, "/alerts/"+idOf(1, some(r), o.Alerts, o.now), h.Key, nil, &a)
			return len(a.Timeline), err
		}},
		{"the timeline of an object", func(ctx context.Context, h *hub.Hub, r *rand.Rand) (int, error) {
			return items(ctx, h, "/objects/"+objectID(r.IntN(objects))+"/events")
		}},
		told("deliveries", ""),
		told("deliveries to one who hears of few", "?contact_id=ben"),
		told("deliveries that failed", "?state=dead"),
		page("the console's list", "/console/alerts"),
		page("the console's list, all", "/console/alerts?status=all"),
		page("the console's search", "/console/alerts?status=all&q=ticket+0000123"),
	}
}

// items asks for a page and answers how many are on it.
func items(ctx context.Context, h *hub.Hub, path string) (int, error) {
	var page struct{ Items []json.RawMessage }
	err := h.Call(ctx, http.MethodGet, path, h.Key, nil, &page)
	return len(page.Items), err
}

// answers are what a question was answered with, in each round.
type answers struct {
	took        [][]time.Duration // sorted
	least, most int               // found
	late        bool              // once there was none in time
}

// ask asks a question so many times more.
func (a *answers) ask(ctx context.Context, h *hub.Hub, q question, n int) error {
	r := rand.New(rand.NewPCG(uint64(len(a.took)+1), 2))
	var took []time.Duration
	for i := range n + 3 {
		begin := time.Now()
		got, err := q.ask(ctx, h, r)
		if err != nil {
			if refused := (*hub.RefusedError)(nil); errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable && time.Since(begin) > tooLong {
				a.late = true // and that is the figure
				a.took = append(a.took, []time.Duration{time.Since(begin)})
				return nil
			}
			log := h.Log()
			return fmt.Errorf("%w; the end of its log: %s", err, log[max(0, len(log)-1000):])
		}
		if i < 3 {
			continue // the first ones warm it up
		}
		took = append(took, time.Since(begin))
		if a.most = max(a.most, got); i == 3 && len(a.took) == 0 {
			a.least = got
		}
		a.least = min(a.least, got)
	}
	slices.Sort(took)
	a.took = append(a.took, took)
	return nil
}

// found says how many were.
func (a *answers) found() string {
	switch {
	case a.late:
		return "no answer in time"
	case a.most > a.least:
		return fmt.Sprintf("finds %d to %d", a.least, a.most)
	}
	return fmt.Sprint("finds ", a.least)
}

// at is what so many of a hundred took at most: the median of the rounds.
func (a *answers) at(percent int) time.Duration {
	var of []time.Duration
	for _, took := range a.took {
		of = append(of, took[len(took)*percent/100])
	}
	slices.Sort(of)
	return of[len(of)/2]
}

// tooLong is after what the hub gives up on a question, or nearly.
const tooLong = 9 * time.Second

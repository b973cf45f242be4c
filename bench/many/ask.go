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

func ask(ctx context.Context, h *hub.Hub, q question, n int) (took []time.Duration, found string, err error) {
	r := rand.New(rand.NewPCG(1, 2))
	least, most := 1<<30, 0
	for i := range n + 3 {
		begin := time.Now()
		got, err := q.ask(ctx, h, r)
		if err != nil {
			if refused := (*hub.RefusedError)(nil); errors.As(err, &refused) && refused.Status == http.StatusServiceUnavailable && time.Since(begin) > tooLong {
				return []time.Duration{time.Since(begin)}, "no answer in time", nil // that is the figure
			}
			log := h.Log()
			return nil, "", fmt.Errorf("%w; the end of its log: %s", err, log[max(0, len(log)-1000):])
		}
		if i < 3 {
			continue // the first ones warm it up
		}
		took = append(took, time.Since(begin))
		least, most = min(least, got), max(most, got)
	}
	slices.Sort(took)
	if found = fmt.Sprint("finds ", least); most > least {
		found += fmt.Sprintf(" to %d", most)
	}
	return took, found, nil
}

// tooLong is after what the hub gives up on a question, or nearly.
const tooLong = 9 * time.Second

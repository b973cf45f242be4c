package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/simulate"
	"tocsin/internal/web"
)

const simulatePath = "/console/simulate"

// mostLooked is how many lines of an answer are looked at when some of them are
// chosen, or when all are downloaded.
const mostLooked = 50_000

// simulateRoutes are those of the page on which events are tried. It shows who is
// told of what, and takes what may be large: as by API, those may who change it.
func (c *console) simulateRoutes() []routing {
	return []routing{
		{"GET " + simulatePath, auth.WriteConfig, c.simulation},
		{"POST " + simulatePath, auth.WriteConfig, c.simulate},
	}
}

type simulateView struct {
	shell
	Form     form
	Sample   bool // what stands there is an example
	Line     int  // of the events, that is wrong; 0: none is
	Busy     string
	Answer   *trialView
	Contact  string // of whom the answer is shown; empty: of everybody
	Channel  string
	Contacts []option
	Channels []option
}

// trials are the simulations that run, one for each person: who starts another one
// has left the one before, and it ends.
type trials struct {
	mu  sync.Mutex
	run map[string]*trialRun
}

type trialRun struct{ stop context.CancelFunc }

// begin ends what somebody else's visit of the same person began. The function that
// it answers is to be called when it is over.
func (t *trials) begin(ctx context.Context, userID string) (context.Context, func()) {
	ctx, stop := context.WithCancel(ctx)
	mine := &trialRun{stop}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.run == nil {
		t.run = map[string]*trialRun{}
	}
	if before := t.run[userID]; before != nil {
		before.stop()
	}
	t.run[userID] = mine
	return ctx, func() {
		stop()
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.run[userID] == mine {
			delete(t.run, userID)
		}
	}
}

// simulation is the page with an example of the hub's own objects, or with what its
// address has: at, zone, from, to, source.
func (c *console) simulation(w http.ResponseWriter, v *visit) error {
	if !v.may(auth.ReadAlerts) {
		return c.noAlerts(w, v)
	}
	zone, err := c.usualZone(v)
	if err != nil {
		return err
	}
	in := url.Values{"mode": {"events"}, "zone": {zone}, "after": {strconv.Itoa(int(simulate.DefaultAfter / time.Hour))}}
	now := v.now.In(zoneOf(zone))
	in.Set("from", now.Add(-24*time.Hour).Format("2006-01-02T15:00"))
	in.Set("to", now.Format("2006-01-02T15:00"))
	q := v.URL.Query()
	for _, name := range []string{"mode", "at", "zone", "from", "to", "source"} {
		if s := q.Get(name); s != "" && len(s) <= 100 {
			in.Set(name, s)
		}
	}
	events, clean, err := c.sampleEvents(v, q.Get("example") == "storm")
	if err != nil {
		return err
	}
	in.Set("events", events)
	if clean {
		in.Set("clean", "on")
	}
	view, err := c.simulateForm(w, v, in)
	if err != nil {
		return err
	}
	view.Sample = true
	return c.show(w, v, "simulate", view)
}

func (c *console) noAlerts(w http.ResponseWriter, v *visit) error {
	c.fail(w, v, http.StatusForbidden, "That is not for your role", "The answer says who is told of which alerts, which you may not see.")
	return nil
}

// simulateForm is the page with what was written.
func (c *console) simulateForm(w http.ResponseWriter, v *visit, in url.Values) (simulateView, error) {
	sources, err := c.Store.Sources(v.Context())
	if err != nil {
		return simulateView{}, err
	}
	from := []option{{"", "As each event says; all of a history", in.Get("source") == ""}}
	for _, s := range sources {
		from = append(from, option{s.Name, s.Name, in.Get("source") == s.Name})
	}
	history := in.Get("mode") == "history"
	view := simulateView{shell: c.shell(w, v, simulatePath, "Simulate")}
	view.Form = form{Action: simulatePath, Submit: "Try it", Sections: []section{
		{Fields: []field{{Name: "mode", Label: "What comes in", Kind: "select", Half: true, Options: []option{
			{"events", "Events that I write", !history}, {"history", "What really came in", history}}}}},
		{For: "mode=events", Fields: []field{{Name: "events", Label: "Events", Kind: "textarea", Value: in.Get("events"), Rows: 9, Mono: true,
			Hint: `One a line, in JSON, as engines send them. "time": "+5m" is five minutes after the beginning; with "by": "anna" a contact acknowledges it here.`}}},
		{For: "mode=history", Fields: []field{
			{Name: "from", Label: "From", Kind: "datetime-local", Value: in.Get("from"), Half: true, Hint: "What came in then, and what people did."},
			{Name: "to", Label: "To", Kind: "datetime-local", Value: in.Get("to"), Half: true, Hint: "At most 31 days later."},
			{Name: "limit", Label: "Events at most", Kind: "number", Value: in.Get("limit"), Half: true, Min: "1", Max: strconv.Itoa(simulate.MaxEvents), Sample: strconv.Itoa(simulate.MaxEvents)},
		}},
		{Fields: []field{
			{Name: "at", Label: "Begins", Kind: "datetime-local", Value: in.Get("at"), Half: true, Hint: "Empty: when the events say, else now. What comes in is moved there."},
			{Name: "zone", Label: "Time zone", Kind: "text", Value: in.Get("zone"), Half: true, List: "zones", Auto: "off", Hint: "Of the times here and in the answer."},
			{Name: "source", Label: "Source", Kind: "select", Options: from, Half: true},
			{Name: "after", Label: "Hours to go on", Kind: "number", Value: in.Get("after"), Half: true, Min: "1", Max: "168", Hint: "After the last event, while something is due."},
			{Name: "clean", Label: "Begin with everything well, instead of with what is open now", Kind: "checkbox", Checked: in.Get("clean") != "", When: "mode=events"},
		}},
	}}
	view.Contact, view.Channel = in.Get("contact"), in.Get("channel")
	return view, nil
}

// readTrial is what a form asks to be tried.
func readTrial(in url.Values) (q simulate.Request, err error) {
	q = simulate.Request{Zone: text(in, "zone"), Source: in.Get("source")}
	if s := text(in, "at"); s != "" {
		if q.At, err = simulate.Moment("at", s, q.Zone); err != nil {
			return q, err //nolint:wrapcheck // it is the answer: a *simulate.Error
		}
	}
	if s := text(in, "after"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > int(simulate.MaxAfter/time.Hour) {
			return q, &simulate.Error{Field: "after", Problem: "is no number of hours", Mend: "use 1 to 168"}
		}
		q.After = time.Duration(n) * time.Hour
	}
	if in.Get("mode") != "history" {
		q.Clean, q.Events = in.Get("clean") != "", []byte(in.Get("events"))
		switch {
		case strings.TrimSpace(in.Get("events")) == "":
			return q, &simulate.Error{Field: "events", Problem: "there are none", Mend: `write one a line, such as {"type":"PROBLEM","host":"web01","state":"down"}`}
		case len(q.Events) > web.MaxSimulation:
			return q, &simulate.Error{Field: "events", Problem: fmt.Sprintf("they have more than %d MiB", web.MaxSimulation>>20), Mend: "try a part of them, or use tocsin simulate"}
		}
		return q, nil
	}
	h := &simulate.History{Source: q.Source}
	q.History = h
	for _, x := range []struct {
		name string
		into *time.Time
	}{{"from", &h.From}, {"to", &h.To}} {
		if *x.into, err = simulate.Moment(x.name, text(in, x.name), q.Zone); err != nil {
			return q, err //nolint:wrapcheck // it is the answer: a *simulate.Error
		}
	}
	if s := text(in, "limit"); s != "" {
		if h.Limit, err = strconv.Atoi(s); err != nil || h.Limit < 1 || h.Limit > simulate.MaxEvents {
			return q, &simulate.Error{Field: "limit", Problem: "is no number of events", Mend: fmt.Sprintf("use 1 to %d", simulate.MaxEvents)}
		}
	}
	return q, nil
}

// simulate tries what was written, and shows what would come of it.
func (c *console) simulate(w http.ResponseWriter, v *visit) error {
	if !v.may(auth.ReadAlerts) {
		return c.noAlerts(w, v)
	}
	in := v.PostForm
	view, err := c.simulateForm(w, v, in)
	if err != nil {
		return err
	}
	q, err := readTrial(in)
	asJSON := in.Get("as") == "json"
	var got simulate.Result
	if err == nil {
		if asJSON || view.Contact != "" || view.Channel != "" {
			q.Limit = mostLooked
		}
		ctx, over := c.trials.begin(v.Context(), v.who.UserID)
		got, err = c.Simulator.Simulate(ctx, q)
		over()
	}
	if err != nil {
		return c.notSimulated(w, v, view, err)
	}
	if asJSON {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Disposition", `attachment; filename="tocsin-simulation.json"`)
		return json.NewEncoder(w).Encode(got) //nolint:wrapcheck // nobody listens any more
	}
	view.Answer = seenTrial(&got, view.Contact, view.Channel)
	view.Answer.Command = trialCommand(in)
	view.Contacts, view.Channels = trialChoices(&got, view.Contact, view.Channel)
	return c.show(w, v, "simulate", view)
}

// notSimulated says why nothing could be tried, at the field that it is about.
func (c *console) notSimulated(w http.ResponseWriter, v *visit, view simulateView, err error) error {
	status := http.StatusUnprocessableEntity
	var wrong *simulate.Error
	switch {
	case errors.As(err, &wrong) && wrong.Line > 0:
		view.Line = wrong.Line
		problem := fmt.Sprintf("Line %d: %s", wrong.Line, wrong.Problem)
		if wrong.Field != "events" {
			problem = fmt.Sprintf("Line %d, %s: %s", wrong.Line, wrong.Field, wrong.Problem)
		}
		view.Form.blame("events", problem, wrong.Mend)
	case errors.As(err, &wrong):
		view.Form.blame(wrong.Field, wrong.Problem, wrong.Mend)
	case errors.Is(err, simulate.ErrBusy):
		status, view.Busy = http.StatusServiceUnavailable, "Others are trying something at this moment. Send it again in a few seconds."
		w.Header().Set("Retry-After", "5")
	case errors.Is(err, context.Canceled) && v.Context().Err() == nil:
		status, view.Busy = http.StatusConflict, "You began another simulation, in another window perhaps, so this one was ended."
	case errors.Is(err, context.DeadlineExceeded):
		view.Busy = "It takes too long to try so much at once. Try a shorter stretch, or use tocsin simulate, which takes its time."
	default:
		return err
	}
	c.write(w, v.Request, status, "simulate", "shell", view)
	return nil
}

// noSimulator is that of a hub that has none.
type noSimulator struct{}

func (noSimulator) Simulate(context.Context, simulate.Request) (simulate.Result, error) {
	return simulate.Result{}, &simulate.Error{Field: "events", Problem: "cannot be tried here", Mend: "use tocsin simulate"}
}

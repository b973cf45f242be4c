package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/auth"
	"tocsin/internal/simulate"
	"tocsin/internal/web"
)

// SimulateIn is what is tried. One of events and history is given.
type SimulateIn struct {
	Events  string     `json:"events,omitempty" maxLength:"4194304" doc:"One event a line, in JSON, as POST /sources/{name}/events takes them, with a few more fields: docs/simulate.md"`
	History *HistoryIn `json:"history,omitempty" doc:"Replays what came in before"`
	At      *time.Time `json:"at,omitempty" doc:"When it begins, whatever the events' own times are: they keep their distances. None: when they came"`
	Zone    string     `json:"zone,omitempty" maxLength:"60" doc:"By whose clock the answer is told; none: UTC" example:"Europe/Berlin"`
	Source  string     `json:"source,omitempty" maxLength:"100" doc:"Name of the source that events are from which name none"`
	Clean   bool       `json:"clean,omitempty" doc:"Begins with all well; else with what is open now"`
	After   int        `json:"after_minutes,omitempty" minimum:"0" maximum:"10080" doc:"For how long it goes on after the last event, at most; none: a day"`
	Limit   int        `json:"limit,omitempty" minimum:"0" maximum:"200000" doc:"How many lines are answered; none: 10000"`
}

// HistoryIn is a stretch of what really came in.
type HistoryIn struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to" doc:"Exclusive"`
	Source string    `json:"source,omitempty" maxLength:"100" doc:"Name; none: of all sources"`
	Limit  int       `json:"limit,omitempty" minimum:"0" maximum:"200000" doc:"Events at most; none: 200000"`
}

// moreThanEvents is what a request may have besides its events.
const moreThanEvents = 1 << 20

func (a *API) simulateRoutes() {
	op := route("planning", http.MethodPost, "/simulate", "simulate", "Try events: who would be told what, when, by which way, and why")
	op.Description = "Against what is set now. Nobody is told, and nothing is kept. 503 where others are at it.\n\nAsks for the scope `" + string(auth.ReadAlerts) + "` besides."
	op.MaxBodyBytes = web.MaxSimulation + moreThanEvents
	register(a, writeConfig(), op, func(ctx context.Context, in *postIn[SimulateIn]) (*body[simulate.Result], error) {
		if p, _ := auth.From(ctx); !p.May(auth.ReadAlerts) {
			return nil, problem(http.StatusForbidden, "This asks for the scope "+string(auth.ReadAlerts)+" besides, which "+p.Name+" does not have.")
		}
		got, err := a.d.Simulator.Simulate(ctx, in.Body.request())
		if err != nil {
			return nil, simulationProblem(err)
		}
		return give(got), nil
	})
}

func (in SimulateIn) request() simulate.Request {
	r := simulate.Request{Zone: in.Zone, Source: in.Source, Clean: in.Clean, After: time.Duration(in.After) * time.Minute, Limit: in.Limit}
	if in.Events != "" {
		r.Events = []byte(in.Events)
	}
	if in.At != nil {
		r.At = *in.At
	}
	if h := in.History; h != nil {
		r.History = &simulate.History{From: h.From, To: h.To, Source: h.Source, Limit: h.Limit}
	}
	return r
}

// simulationProblem says what cannot be tried: of the request, or of a line of it.
func simulationProblem(err error) error {
	var wrong *simulate.Error
	switch {
	case errors.As(err, &wrong) && wrong.Line > 0:
		return problem(http.StatusUnprocessableEntity, wrong.Error(), &huma.ErrorDetail{Location: "body.events", Message: wrong.Error()})
	case errors.As(err, &wrong):
		return fieldProblem(wrong.Field, wrong.Problem+"; "+wrong.Mend, nil)
	case errors.Is(err, simulate.ErrBusy):
		return huma.ErrorWithHeaders(problem(http.StatusServiceUnavailable, "Others are trying something at this moment; try again in a few seconds."), http.Header{"Retry-After": {"5"}})
	case errors.Is(err, context.DeadlineExceeded):
		return problem(http.StatusUnprocessableEntity, "It takes too long to try so much at once: give fewer events, or try them with “tocsin simulate”.")
	}
	return err
}

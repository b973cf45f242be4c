package api

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/source"
)

// signEvery bounds how often one source's signs of life are written.
const signEvery = time.Second

// aliveWithin bounds how long a sign of life waits for a database that hangs.
const aliveWithin = 5 * time.Second

// heartbeat takes a source's word that it is alive. Nothing that comes with it is
// read: a job sends what it likes.
func (a *API) heartbeat(w http.ResponseWriter, r *http.Request, name string) {
	s, status := a.sources.find(r.Context(), name, sourceToken(r))
	switch status {
	case http.StatusOK:
	case http.StatusForbidden:
		writeProblem(w, problem(status, "The source is disabled in Tocsin."))
		return
	case http.StatusUnauthorized:
		writeProblem(w, problem(status, "The source is not known, or the token is not its own."))
		a.noteRefusal(s, source.WrongToken)
		return
	default:
		writeProblem(w, problem(http.StatusServiceUnavailable, "The database does not answer; try again in a moment."))
		return
	}
	if s.signDue(a.d.Now()) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), aliveWithin)
		defer cancel()
		if err := a.d.Alive(ctx, s.ID); err != nil {
			s.signFailed()
			a.d.Log.ErrorContext(r.Context(), "sign of life not noted", "source", s.Name, "error", err)
			w.Header().Set("Retry-After", "5")
			writeProblem(w, problem(http.StatusServiceUnavailable, "The sign of life could not be stored; try again."))
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// signDue says whether a sign of life is to be written.
func (k *known) signDue(now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.Sub(k.signAt).Abs() < signEvery {
		return false
	}
	k.signAt = now
	return true
}

// signFailed has the next one written again.
func (k *known) signFailed() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.signAt = time.Time{}
}

// describeHeartbeat puts the heartbeat route, which huma does not serve, into the
// document.
func (a *API) describeHeartbeat() {
	op := route("events", http.MethodPost, "/sources/{name}/heartbeat", "post-heartbeat", "Say that a source is alive")
	op.Description = "For jobs that are to run every so often, and for engines that have nothing to tell: it counts as heard of, without an event. " +
		"The body is not looked at. What is not heard of for the source's `silent_after_minutes` is an alert. `name` may be `-`: the source that the token belongs to."
	op.Security = []map[string][]string{{"sourceToken": {}}}
	op.Parameters = []*huma.Param{{Name: "name", In: "path", Required: true, Description: "The source's name, or -", Schema: &huma.Schema{Type: "string"}, Example: "backup-job"}}
	op.Responses = map[string]*huma.Response{"204": {Description: "Noted"}}
	for status, text := range map[int]string{401: "Source not known, or token not its own", 403: "Source disabled", 503: "The database is away; try again"} {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: text, Content: a.problemContent()}
	}
	a.huma.OpenAPI().AddOperation(&op)
}

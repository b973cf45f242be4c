package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/source"
	"tocsin/internal/trace"
	"tocsin/internal/web"
)

// maxEvents is the most that one call may bring, in bytes.
const maxEvents = 1 << 20

// events takes what a source tells us. It answers when it is on disk.
func (a *API) events(w http.ResponseWriter, r *http.Request, name string) {
	s, status := a.sources.find(r.Context(), name, sourceToken(r))
	switch status {
	case http.StatusOK:
	case http.StatusForbidden:
		a.refuse(w, s, 0, problem(status, "The source is disabled in Tocsin."))
		return
	case http.StatusUnauthorized:
		// One answer for an unknown source and a wrong token: nobody learns names by trying.
		a.refuse(w, nil, 0, problem(status, "The source is not known, or the token is not its own."))
		a.noteRefusal(s, source.WrongToken)
		return
	default:
		w.Header().Set("Retry-After", "5")
		a.refuse(w, nil, 0, problem(http.StatusServiceUnavailable, "The database does not answer; try again in a moment."))
		return
	}
	buf := a.buffer()
	defer a.buffers.Put(buf)
	if err := readAll(w, r, buf); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			a.refuse(w, s, 0, problem(http.StatusRequestEntityTooLarge, "The body has more than 1 MiB; send fewer events in a call."))
			return
		}
		a.refuse(w, s, 0, problem(http.StatusBadRequest, "The body did not arrive as a whole."))
		return
	}
	kind := a.kinds[s.Kind]
	if kind == nil {
		a.refuse(w, s, 0, problem(http.StatusForbidden, "The source is of the kind "+s.Kind+", which this version does not know."))
		return
	}
	if err := verify(kind, r.Header, buf.Bytes(), s.Secret, a.d.Now()); err != nil {
		a.refuse(w, s, 0, problem(http.StatusUnauthorized, "The signature will not do: "+err.Error()+"."))
		return
	}
	events, err := kind.Decode(buf.Bytes(), a.d.Now(), source.Options{Mapping: s.Mapping, Secret: s.Secret})
	if err != nil {
		a.refuse(w, s, 0, decodeProblem(err, buf.Bytes()))
		return
	}
	ctx, span := r.Context(), (*trace.Span)(nil)
	if a.d.Tracer != nil {
		span = a.d.Tracer.Start(trace.Parse(r.Header.Get("Traceparent")), "receive events", trace.Server, a.d.Now())
		span.Text("tocsin.source", s.Name)
		span.Text("tocsin.request_id", w.Header().Get(web.RequestHeader))
		span.Number("tocsin.events", int64(len(events)))
		ctx = trace.With(ctx, span)
		defer func() { span.End(a.d.Now()) }()
	}
	receipts, err := a.d.Dispatch.Receive(ctx, s.ID, events)
	if err != nil {
		span.Fail("not stored")
		a.refuse(w, nil, len(events), a.receiveProblem(w, r, err))
		return
	}
	buf.Reset()
	buf.Write(appendReceipts(buf.AvailableBuffer(), receipts))
	h := w.Header()
	h["Content-Type"] = a.jsonType
	h["Content-Length"] = []string{strconv.Itoa(buf.Len())}
	_, _ = w.Write(buf.Bytes())
	if a.d.Ingested != nil {
		a.d.Ingested(http.StatusOK, len(events))
	}
	a.noteSpool(r, s)
}

// verify checks the signature of a call where one is asked for.
func verify(kind source.Kind, h http.Header, body []byte, secret string, now time.Time) error {
	if signed, ok := kind.(source.Signed); ok && secret != "" {
		return signed.Verify(h, body, secret, now)
	}
	return nil
}

// buffer is for a call's body and its answer; give it back to a.buffers.
func (a *API) buffer() *bytes.Buffer {
	b, ok := a.buffers.Get().(*bytes.Buffer)
	if !ok || b.Cap() > 64<<10 {
		b = new(bytes.Buffer) // one large batch is not to hold its memory for ever
	}
	b.Reset()
	return b
}

func readAll(w http.ResponseWriter, r *http.Request, buf *bytes.Buffer) error {
	if n := r.ContentLength; n > maxEvents {
		w.Header().Set("Connection", "close") // its rest is not read
		discard(r.Body)
		return &http.MaxBytesError{Limit: maxEvents}
	} else if n > 0 {
		buf.Grow(int(n) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, maxEvents))
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		discard(r.Body)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// discard reads what is too much, within reason: many clients look for an
// answer only when they have written all, and would else see nothing but a
// connection that breaks.
func discard(body io.Reader) {
	const most = 32 << 20
	_, _ = io.CopyN(io.Discard, body, most)
}

// refuse answers with a problem and remembers it for System health.
func (a *API) refuse(w http.ResponseWriter, s *known, events int, p *huma.ErrorModel) {
	if a.d.Ingested != nil {
		a.d.Ingested(p.Status, events)
	}
	writeProblem(w, p)
	a.noteRefusal(s, p.Detail)
}

// noteWithin is how long it is tried to note something beside an answer: a database that
// hangs is to keep no call for it.
const noteWithin = 5 * time.Second

// noteRefusal keeps why a call of the source was refused; nothing without one.
func (a *API) noteRefusal(s *known, why string) {
	if s == nil {
		return
	}
	if now := a.d.Now(); s.errorDue(why, now) {
		ctx, cancel := context.WithTimeout(context.Background(), noteWithin)
		defer cancel()
		if err := a.d.Store.NoteSourceError(ctx, s.ID, why, now); err != nil {
			a.d.Log.Warn("refused call not noted", "source", s.Name, "error", err)
		}
	}
}

func decodeProblem(err error, body []byte) *huma.ErrorModel {
	var fe *source.FieldError
	if !errors.As(err, &fe) {
		return problem(http.StatusBadRequest, "The body cannot be read: "+err.Error()+".")
	}
	status, where := http.StatusUnprocessableEntity, "body."+fe.Field
	if fe.Field == "" || fe.Field == "body" {
		where = "body"
	}
	if !json.Valid(body) {
		status = http.StatusBadRequest // no wrong field but no JSON; where it breaks is still told
	}
	return problem(status, fe.Error(), &huma.ErrorDetail{Location: where, Message: fe.Problem + "; " + fe.Mend})
}

func (a *API) receiveProblem(w http.ResponseWriter, r *http.Request, err error) *huma.ErrorModel {
	w.Header().Set("Retry-After", "1")
	switch {
	case errors.Is(err, dispatch.ErrStuck):
		w.Header().Set("Retry-After", "5")
		return problem(http.StatusServiceUnavailable, "The database does not answer; try again in a moment.")
	case errors.Is(err, dispatch.ErrBusy):
		return problem(http.StatusServiceUnavailable, "Too much at once; try again in a second.")
	}
	// Once a second: while the database is away thousands may ask.
	if now := a.d.Now().Unix(); !errors.Is(err, context.Canceled) && a.unstored.Swap(now) != now {
		a.d.Log.ErrorContext(r.Context(), "events not stored", "error", err)
	}
	if errors.Is(err, fault.ErrFull) {
		w.Header().Set("Retry-After", fullRetry)
		return problem(http.StatusServiceUnavailable, fullText)
	}
	return problem(http.StatusServiceUnavailable, "The events could not be stored; nothing of the call was kept. Try again.")
}

// noteSpool keeps what the sender says of its spool, when it has changed.
func (a *API) noteSpool(r *http.Request, s *known) {
	text := r.Header.Get("Tocsin-Spool")
	if text == "" {
		return
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1<<30 {
		return
	}
	now := a.d.Now()
	if !s.spoolDue(n, now) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), noteWithin)
	defer cancel()
	if err := a.d.Store.NoteSpool(ctx, s.ID, n, now); err != nil {
		a.d.Log.Warn("spool not noted", "source", s.Name, "error", err)
	}
}

// appendReceipts writes {"receipts":[…]} without reflection.
func appendReceipts(b []byte, rs []dispatch.Receipt) []byte {
	b = append(b, `{"receipts":[`...)
	for i, r := range rs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"event_id":`...), r.EventID)
		if r.AlertID != "" {
			b = appendText(append(b, `,"alert_id":`...), r.AlertID)
		}
		b = strconv.AppendBool(append(b, `,"duplicate":`...), r.Duplicate)
		b = appendText(append(b, `,"outcome":`...), string(r.Outcome))
		b = strconv.AppendInt(append(b, `,"deliveries":`...), int64(r.Deliveries), 10)
		if len(r.Marks) > 0 {
			b = append(b, `,"marks":[`...)
			for j, m := range r.Marks {
				if j > 0 {
					b = append(b, ',')
				}
				b = appendText(b, string(m))
			}
			b = append(b, ']')
		}
		b = append(b, '}')
	}
	return append(b, "]}\n"...)
}

// appendText writes a JSON string.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...)
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// problemContent is the document's description of a problem.
func (a *API) problemContent() map[string]*huma.MediaType {
	schema := a.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[huma.ErrorModel](), true, "ErrorModel")
	return map[string]*huma.MediaType{"application/problem+json": {Schema: schema}}
}

// describeEvents puts the events route, which huma does not serve, into the document.
func (a *API) describeEvents() {
	reg := a.huma.OpenAPI().Components.Schemas
	op := route("events", http.MethodPost, "/sources/{name}/events", "post-events", "Hand in events")
	op.Description = "One event, an array of events, or {\"events\":[…]}: at most 1,000 and 1 MiB. Answered when they are on disk together with their deliveries. " +
		"A call that is repeated with the same `id` changes nothing. `name` may be `-`: the source that the token belongs to.\n\n" +
		"The token may also be the password of HTTP Basic, with any user. Sources of the kinds alertmanager and grafana, and those of the kind generic that have a mapping, take their engine's own JSON."
	op.Security = []map[string][]string{{"sourceToken": {}}}
	op.Parameters = []*huma.Param{
		{Name: "name", In: "path", Required: true, Description: "The source's name, or -", Schema: &huma.Schema{Type: "string"}, Example: "nagios-berlin"},
		{Name: "Tocsin-Spool", In: "header", Description: "How many events wait in the sender's spool", Schema: &huma.Schema{Type: "integer"}},
	}
	one := reg.Schema(reflect.TypeFor[EventIn](), true, "Event")
	op.RequestBody = &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{OneOf: []*huma.Schema{
		one,
		{Type: "array", Items: one},
		{Type: "object", Properties: map[string]*huma.Schema{"events": {Type: "array", Items: one}}, Required: []string{"events"}},
	}}}}}
	op.Responses = map[string]*huma.Response{
		"200": {Description: "On disk", Content: map[string]*huma.MediaType{"application/json": {Schema: reg.Schema(reflect.TypeFor[ReceiptsOut](), true, "Receipts")}}},
	}
	for status, text := range map[int]string{
		400: "No JSON", 401: "Source not known, or token not its own, or the signature will not do", 403: "Source disabled",
		413: "Too large", 422: "A field is wrong; nothing of the call was kept", 503: "Too much at once, or the database is away; try again",
	} {
		op.Responses[strconv.Itoa(status)] = &huma.Response{Description: text, Content: a.problemContent()}
	}
	a.huma.OpenAPI().AddOperation(&op)
}

// EventIn is one event as sources send it.
type EventIn struct {
	ID             string            `json:"id,omitempty" doc:"The sender's id of this call; one id is taken once" example:"0198c0de-7f1b-7a54-9f6e-1f0f0c0ffee0"`
	Type           string            `json:"type" enum:"PROBLEM,RECOVERY,ACKNOWLEDGEMENT,FLAPPINGSTART,FLAPPINGSTOP,FLAPPINGDISABLED,DOWNTIMESTART,DOWNTIMEEND,DOWNTIMECANCELLED,CUSTOM" doc:"What happened" example:"PROBLEM"`
	Host           string            `json:"host" doc:"The engine's name of the host" example:"web01"`
	Service        string            `json:"service,omitempty" doc:"The engine's name of the service; none for a host" example:"HTTP"`
	HostDisplay    string            `json:"host_display,omitempty" doc:"The host's name for people"`
	ServiceDisplay string            `json:"service_display,omitempty" doc:"The service's name for people"`
	State          any               `json:"state,omitempty" doc:"Number or word; empty means Unreachable or Unknown" example:"2"`
	Output         string            `json:"output,omitempty" doc:"The check's output" example:"CRITICAL - no answer in 10 s"`
	LongOutput     string            `json:"long_output,omitempty" doc:"Its further lines"`
	Author         string            `json:"author,omitempty" doc:"Who acknowledged, or set the downtime"`
	Comment        string            `json:"comment,omitempty" doc:"What they wrote"`
	Contact        string            `json:"contact,omitempty" doc:"The contact that the engine names" example:"ops"`
	Contacts       []string          `json:"contacts,omitempty" doc:"Several of them; none: the rules choose"`
	UserID         string            `json:"user_id,omitempty" doc:"openITCOCKPIT's --user-id"`
	Time           any               `json:"time,omitempty" doc:"Unix seconds or RFC 3339; none: now" example:"1795300000"`
	URL            string            `json:"url,omitempty" doc:"The engine's page of the object"`
	Labels         map[string]string `json:"labels,omitempty" doc:"For rules to choose by"`
	NoEmoji        bool              `json:"no_emoji,omitempty" doc:"No emoji in the posts of this alert in Mattermost"`
}

// ReceiptsOut answers a call, in the order of its events.
type ReceiptsOut struct {
	Receipts []dispatch.Receipt `json:"receipts" doc:"One for each event, in their order"`
}

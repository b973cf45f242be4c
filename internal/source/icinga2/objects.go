package icinga2

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// post runs an action. The code is that of the object it was about, or of the
// request where there was none; words are Icinga's. An error says that nothing
// is known: Icinga cannot be reached, reloads, or does not let us in.
func (e *engine) post(ctx context.Context, path string, body any) (code int, words string, err error) {
	a, err := e.client.Call(ctx, http.MethodPost, path, nil, body)
	if err != nil {
		return 0, "", fmt.Errorf("icinga 2: %w", err)
	}
	if err := denied(a); err != nil {
		return 0, "", err
	}
	var answer struct {
		Results []struct {
			Code   float64 `json:"code"`
			Status string  `json:"status"`
		} `json:"results"`
		Error  float64 `json:"error"`
		Status string  `json:"status"`
	}
	if err := a.JSON(&answer); err != nil {
		return 0, "", fmt.Errorf("icinga 2: %w", err)
	}
	code, words = a.Status, answer.Status
	switch {
	case len(answer.Results) > 0:
		code, words = int(answer.Results[0].Code), answer.Results[0].Status
	case answer.Results != nil: // seen on 2.13: 500 and no results where the host is there and its service is not
		code = http.StatusNotFound
	}
	if code >= 500 || code == http.StatusTooManyRequests || code == 0 {
		return 0, "", fmt.Errorf("icinga 2: answered %d: %s", code, source.ReplyWords(words))
	}
	return code, words, nil
}

// denied is the error for an answer that says nothing of what was asked.
func denied(a source.APIAnswer) error {
	switch {
	case a.Status == http.StatusUnauthorized:
		return errors.New("icinga 2: the API user or its password was refused (401)")
	case a.Status == http.StatusForbidden:
		return errors.New("icinga 2: the API user may not do this (403): add " + strings.Join(needed(), ", ") + " to its permissions")
	case a.Status == http.StatusServiceUnavailable:
		return errors.New("icinga 2: is reloading (503)")
	case a.Status >= 500 && len(a.Body) == 0:
		return fmt.Errorf("icinga 2: answered %d", a.Status)
	}
	return nil
}

// get reads objects by a filter into a list; none is no error.
func (e *engine) get(ctx context.Context, path string, t target, attrs []string, into any) error {
	body := map[string]any{"filter": t.Filter, "attrs": attrs}
	if t.Vars != nil {
		body["filter_vars"] = t.Vars
	}
	// A GET with a body would be lost on the way; Icinga takes this for one.
	a, err := e.client.Call(ctx, http.MethodPost, path, http.Header{"X-Http-Method-Override": {"GET"}}, body)
	if err != nil {
		return fmt.Errorf("icinga 2: %w", err)
	}
	if err := denied(a); err != nil {
		return err
	}
	if a.Status == http.StatusNotFound {
		return nil
	}
	if a.Status != http.StatusOK {
		return fmt.Errorf("icinga 2: answered %d: %s", a.Status, a.Words())
	}
	return unpack(a, into)
}

// comments and downtimes, as they are read.
type entry struct {
	Name      string  `json:"__name"`
	Author    string  `json:"author"`
	Text      string  `json:"text"`    // of a comment
	Comment   string  `json:"comment"` // of a downtime
	EntryType float64 `json:"entry_type"`
	Entered   float64 `json:"entry_time"` // Unix seconds
	Start     float64 `json:"start_time"`
	End       float64 `json:"end_time"`
}

// acknowledgementComment is the entry type of the comment that comes with an
// acknowledgement.
const acknowledgementComment = 4

func unpack(a source.APIAnswer, into any) error {
	switch list := into.(type) {
	case *[]status:
		return attributes(a, list)
	case *[]entry:
		return attributes(a, list)
	}
	return fmt.Errorf("icinga 2: cannot read into %T", into)
}

func attributes[T any](a source.APIAnswer, list *[]T) error {
	var body struct {
		Results []struct {
			Attrs T `json:"attrs"`
		} `json:"results"`
	}
	if err := a.JSON(&body); err != nil {
		return fmt.Errorf("icinga 2: %w", err)
	}
	for _, r := range body.Results {
		*list = append(*list, r.Attrs)
	}
	return nil
}

func (e *engine) comments(ctx context.Context, o alert.Object) (list []entry, err error) {
	return list, e.get(ctx, "/v1/objects/comments", about(o, "Comment"), []string{"__name", "author", "text", "entry_type", "entry_time"}, &list)
}

func (e *engine) downtimes(ctx context.Context, o alert.Object) (list []entry, err error) {
	return list, e.get(ctx, "/v1/objects/downtimes", about(o, "Downtime"), []string{"__name", "author", "comment", "start_time", "end_time"}, &list)
}

// slack is how far Icinga's clock may be from ours: what is older than a command by
// more was not made for it.
const slack = 5 * time.Minute

// comment adds a comment, unless the very same stands there: it may have been
// handed over before a crash.
func (e *engine) comment(ctx context.Context, c source.Command) (source.Reply, error) {
	if r, err := e.commented(ctx, c); err != nil || r.Confirmation == alert.Confirmed {
		return r, err
	}
	return e.act(ctx, c, "add-comment", map[string]any{"author": author(c), "comment": comment(c)})
}

func (e *engine) commented(ctx context.Context, c source.Command) (source.Reply, error) {
	list, err := e.comments(ctx, c.Object)
	if err != nil {
		return source.Reply{}, err
	}
	for _, m := range list {
		if m.Author == author(c) && m.Text == comment(c) && m.Entered >= float64(c.From.Add(-slack).Unix()) {
			return confirmed("the comment stands in Icinga 2"), nil
		}
	}
	return pending("Icinga 2 does not show the comment"), nil
}

// ours marks the downtimes that were scheduled here, to find them again.
const ours = "[tocsin "

func mark(c source.Command) string {
	text := strings.TrimSpace(c.Comment)
	if text == "" {
		text = "downtime"
	}
	text, _, _ = source.Text(text, source.MaxComment)
	return text + " " + ours + c.AlertID + "]"
}

func (e *engine) schedule(ctx context.Context, c source.Command) (source.Reply, error) {
	if r, err := e.scheduled(ctx, c); err != nil || r.Confirmation == alert.Confirmed {
		return r, err
	}
	from := c.From
	if from.IsZero() {
		from = e.now()
	}
	if !c.Until.After(e.now()) {
		return refused("the downtime would be over already"), nil
	}
	return e.act(ctx, c, "schedule-downtime", map[string]any{"author": author(c), "comment": mark(c),
		"start_time": from.Unix(), "end_time": c.Until.Unix(), "fixed": true})
}

// scheduled looks for the downtime. Icinga begins it within seconds of its
// start, and that it is there is what was asked for.
func (e *engine) scheduled(ctx context.Context, c source.Command) (source.Reply, error) {
	list, err := e.downtimes(ctx, c.Object)
	if err != nil {
		return source.Reply{}, err
	}
	for _, d := range list {
		if d.Author == author(c) && d.Comment == mark(c) && math.Abs(d.End-float64(c.Until.Unix())) < 1 {
			r := confirmed("in a downtime in Icinga 2 until " + c.Until.UTC().Format(time.DateTime) + " UTC")
			r.Note = d.Name
			return r, nil
		}
	}
	return pending("Icinga 2 does not show the downtime"), nil
}

// cancel removes the downtimes of the object that were scheduled here.
func (e *engine) cancel(ctx context.Context, c source.Command) (source.Reply, error) {
	list, err := e.downtimes(ctx, c.Object)
	if err != nil {
		return source.Reply{}, err
	}
	for _, d := range list {
		if !strings.Contains(d.Comment, ours) {
			continue
		}
		code, words, err := e.post(ctx, "/v1/actions/remove-downtime", map[string]any{"type": "Downtime",
			"filter": "downtime.__name == n", "filter_vars": map[string]string{"n": d.Name}, "author": author(c)})
		if err != nil {
			return source.Reply{}, err
		}
		if code != http.StatusOK && code != http.StatusNotFound {
			return refused(words), nil
		}
	}
	return e.Check(ctx, c)
}

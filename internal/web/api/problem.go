package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/source"
	"tocsin/internal/status"
	"tocsin/internal/web"
)

// problem makes a problem document.
func problem(status int, detail string, fields ...*huma.ErrorDetail) *huma.ErrorModel {
	return &huma.ErrorModel{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Errors: fields}
}

// fieldProblem refuses one field of the body.
func fieldProblem(field, message string, value any) *huma.ErrorModel {
	return problem(http.StatusUnprocessableEntity, field+" "+message, &huma.ErrorDetail{Location: "body." + field, Message: message, Value: value})
}

// writeProblem answers with a problem outside of huma.
func writeProblem(w http.ResponseWriter, p *huma.ErrorModel) {
	p.Instance = web.Occurrence(w.Header().Get(web.RequestHeader))
	body, err := json.Marshal(p)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Tocsin"`)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body)
}

// refusal is the one table from errors of the rooms below to problems. What is
// not in it is ours: it is logged, and the caller is told no internals.
func (a *API) refusal(ctx context.Context, err error) error {
	var already *huma.ErrorModel
	var withHeaders huma.HeadersError
	switch {
	case errors.As(err, &withHeaders):
		return err
	case errors.As(err, &already):
		return already
	}
	var onContact *contact.FieldError
	var onAuth *auth.FieldError
	var onSetting *config.FieldError
	var onSource *source.FieldError
	var onPush *push.FieldError
	var onStatus *status.FieldError
	switch {
	case errors.As(err, &onContact):
		return fieldProblem(onContact.Field, onContact.Problem+"; "+onContact.Mend, nil)
	case errors.As(err, &onAuth):
		return fieldProblem(onAuth.Field, onAuth.Problem+"; "+onAuth.Mend, nil)
	case errors.As(err, &onSetting):
		return fieldProblem(onSetting.Field, onSetting.Problem+"; "+onSetting.Mend, nil)
	case errors.As(err, &onSource):
		return fieldProblem(onSource.Field, onSource.Problem+"; "+onSource.Mend, nil)
	case errors.As(err, &onPush):
		return fieldProblem(onPush.Field, onPush.Problem+"; "+onPush.Mend, nil)
	case errors.As(err, &onStatus):
		return statusRefusal(onStatus)
	case errors.Is(err, dispatch.ErrSnoozeLength):
		return fieldProblem("minutes", err.Error(), nil)
	case errors.Is(err, dispatch.ErrAckLength):
		return fieldProblem("expires_minutes", err.Error(), nil)
	case errors.Is(err, dispatch.ErrDowntimeLength):
		return fieldProblem("minutes", err.Error(), nil)
	case errors.Is(err, dispatch.ErrNoComment):
		return fieldProblem("comment", err.Error(), nil)
	case errors.Is(err, dispatch.ErrSnoozeContact):
		return fieldProblem("contacts", err.Error(), nil)
	case errors.Is(err, fault.ErrNotFound):
		return problem(http.StatusNotFound, "There is none with this id.")
	case errors.Is(err, fault.ErrCursor):
		return badCursor()
	case errors.Is(err, fault.ErrTaken):
		return problem(http.StatusConflict, "The name is taken.", &huma.ErrorDetail{Location: "body.name", Message: "is taken; choose another one"})
	case errors.Is(err, fault.ErrInUse):
		return problem(http.StatusConflict, "It is in use: "+err.Error()+".")
	case errors.Is(err, publish.ErrOver):
		return problem(http.StatusConflict, "Nothing was changed: the "+err.Error()+".")
	case errors.Is(err, dispatch.ErrAckedBefore), errors.Is(err, dispatch.ErrNotOpen), errors.Is(err, dispatch.ErrNotAcked),
		errors.Is(err, dispatch.ErrNotSnoozed), errors.Is(err, dispatch.ErrNoEngine):
		return problem(http.StatusConflict, "Nothing was changed: "+rootText(err)+".")
	case errors.Is(err, dispatch.ErrBusy):
		return huma.ErrorWithHeaders(problem(http.StatusServiceUnavailable, "Too much at once; try again in a second."), http.Header{"Retry-After": {"1"}})
	}
	a.d.Log.ErrorContext(ctx, "request not carried out", "error", err)
	if errors.Is(err, fault.ErrFull) {
		return huma.ErrorWithHeaders(problem(http.StatusServiceUnavailable, fullText), http.Header{"Retry-After": {fullRetry}})
	}
	return problem(http.StatusServiceUnavailable, "It could not be carried out just now; the program's log says why. Please try again.")
}

// What is answered while the disk of the database is full, and after how many
// seconds it is worth trying again.
const (
	fullText  = "The disk of the hub's database is full: nothing can be kept until there is room. Keep it and try again later."
	fullRetry = "10"
)

// rootText is the text of the sentinel behind err.
func rootText(err error) string {
	for _, s := range []error{dispatch.ErrAckedBefore, dispatch.ErrNotOpen, dispatch.ErrNotAcked, dispatch.ErrNotSnoozed, dispatch.ErrNoEngine} {
		if errors.Is(err, s) {
			return s.Error()
		}
	}
	return err.Error()
}

// keyProblem is for an Authorization that was not accepted.
func (a *API) keyProblem(err error) *huma.ErrorModel {
	if errors.Is(err, auth.ErrSignIn) {
		return problem(http.StatusUnauthorized, "The API key is not known, or revoked, or has expired.")
	}
	a.d.Log.Error("API key not checked", "error", err)
	return problem(http.StatusServiceUnavailable, "The database does not answer; try again in a moment.")
}

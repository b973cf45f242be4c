package api

import (
	"context"
	"net/http"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/dispatch"
)

// CommentBody is what somebody has to say about a problem.
type CommentBody struct {
	Comment string `json:"comment" minLength:"1" maxLength:"2000" example:"The disk is ordered"`
}

// DowntimeBody asks for a downtime that begins now.
type DowntimeBody struct {
	Minutes int    `json:"minutes" minimum:"1" maximum:"43200" doc:"How long it lasts"`
	Comment string `json:"comment,omitempty" maxLength:"2000" doc:"Why"`
}

type commentIn struct {
	ID   string `path:"id" maxLength:"100" doc:"The alert's id"`
	Body CommentBody
}

type downtimeIn struct {
	ID   string `path:"id" maxLength:"100" doc:"The alert's id"`
	Body DowntimeBody
}

// engineRoutes are what the engine is asked for besides acknowledgements. Whether
// it did it is on the timeline, as ENGINEREPLY.
func (a *API) engineRoutes() {
	ack, downtime := access{scope: auth.AckAlerts}, access{scope: auth.Downtime}
	comment := route("alerts", http.MethodPost, "/alerts/{id}/comments", "comment-alert", "Comment on an alert, here and in its engine")
	comment.Description = "409 when it is resolved. Where the source takes nothing back, the comment stands on the timeline alone."
	comment.Errors = []int{http.StatusNotFound, http.StatusConflict}
	register(a, ack, comment, func(ctx context.Context, in *commentIn) (*body[AlertOut], error) {
		r := ackRequest(ctx, "")
		return a.alertAfter(a.d.Dispatch.Comment(ctx, in.ID, dispatch.CommentRequest{
			UserID: r.UserID, Author: r.Author, Origin: r.Origin, Comment: in.Body.Comment,
		}))
	})
	begin := route("alerts", http.MethodPost, "/alerts/{id}/downtime", "schedule-downtime", "Ask the engine for a downtime of the object that begins now")
	begin.Description = "409 when the alert is resolved, or its source takes nothing back. The object is in downtime as soon as the engine confirms it."
	begin.Errors = []int{http.StatusNotFound, http.StatusConflict}
	register(a, downtime, begin, func(ctx context.Context, in *downtimeIn) (*body[AlertOut], error) {
		r := downtimeRequest(ctx)
		r.For, r.Comment = time.Duration(in.Body.Minutes)*time.Minute, in.Body.Comment
		return a.alertAfter(a.d.Dispatch.ScheduleDowntime(ctx, in.ID, r))
	})
	end := route("alerts", http.MethodDelete, "/alerts/{id}/downtime", "cancel-downtime", "Ask the engine to end the downtimes that were scheduled here")
	end.Description = "409 when the alert is resolved, or its source takes nothing back."
	end.Errors = []int{http.StatusNotFound, http.StatusConflict}
	register(a, downtime, end, func(ctx context.Context, in *byID) (*body[AlertOut], error) {
		return a.alertAfter(a.d.Dispatch.CancelDowntime(ctx, in.ID, downtimeRequest(ctx)))
	})
}

func (a *API) alertAfter(got alert.Alert, err error) (*body[AlertOut], error) {
	if err != nil {
		return nil, err
	}
	return give(a.alertOut(got)), nil
}

func downtimeRequest(ctx context.Context) dispatch.DowntimeRequest {
	r := ackRequest(ctx, "")
	return dispatch.DowntimeRequest{UserID: r.UserID, Author: r.Author, Origin: r.Origin}
}

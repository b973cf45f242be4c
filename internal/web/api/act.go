package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/source"
)

// ActIn is a button that was pressed on a notification.
type ActIn struct {
	Token      string `json:"token" maxLength:"200" doc:"From the notification; for one alert and one contact, good once"`
	Action     string `json:"action" enum:"acknowledge,snooze"`
	Minutes    int    `json:"minutes,omitempty" minimum:"1" maximum:"1440" doc:"Of a snooze; none: 30"`
	DeliveryID string `json:"delivery_id,omitempty" maxLength:"100" doc:"The notification's delivery"`
}

// ActOut says what became of it.
type ActOut struct {
	Result  string `json:"result" enum:"acknowledged,snoozed,already"`
	Message string `json:"message" doc:"For people"`
}

// PushReceiptIn is what a worker says of a notification.
type PushReceiptIn struct {
	DeliveryID string `json:"delivery_id" maxLength:"100"`
	Result     string `json:"result" enum:"shown,failed,clicked,closed"`
	Detail     string `json:"detail,omitempty" maxLength:"300" doc:"Which browser, or what failed" example:"Firefox on Linux"`
}

type pushReceiptsIn struct {
	Body struct {
		Receipts []PushReceiptIn `json:"receipts" minItems:"1" maxItems:"20"`
	}
}

// SnoozeBody is for how long contacts want to hear no more of an alert.
type SnoozeBody struct {
	Minutes  int      `json:"minutes" minimum:"1" maximum:"1440" doc:"For how long; at the end they are told again if it is still open"`
	Contacts []string `json:"contacts,omitempty" maxItems:"100" doc:"Ids of contacts; none: those of the user who is signed in"`
}

// SnoozeOut says until when.
type SnoozeOut struct {
	Until    time.Time `json:"until" doc:"When they are told again, unless it has recovered or was acknowledged"`
	Contacts []string  `json:"contacts" doc:"Ids of the contacts"`
}

type snoozeIn struct {
	ID   string `path:"id" maxLength:"100" doc:"The alert's id"`
	Body SnoozeBody
}

type unsnoozeIn struct {
	ID       string   `path:"id" maxLength:"100" doc:"The alert's id"`
	Contacts []string `query:"contact_id" maxItems:"100" doc:"Only those of these contacts; none: those of the user who is signed in"`
}

// finishWithin bounds what is written of a token after the act: it goes on when
// whoever pressed the button has gone.
const finishWithin = 5 * time.Second

func (a *API) actRoutes() {
	act := route("push", http.MethodPost, "/push/act", "push-act", "A button was pressed on a notification")
	act.Description = "The token is the authority; nobody signs in. 401: the token was not made here. 403: its contact may not. " +
		"409: the alert has recovered. 410: the token was used before, or has run out. 503: it is not known yet what becomes of an earlier press; send it again. Each with a sentence for people."
	act.Errors = []int{http.StatusUnauthorized, http.StatusConflict, http.StatusGone}
	registerOpen(a, a.acts, act, a.act)

	receipts := route("push", http.MethodPost, "/push/receipts", "push-receipts", "Say what became of notifications")
	receipts.Description = "For the record of their deliveries. 204 always: deliveries that there are not are passed over."
	registerOpen(a, a.tellings, receipts, func(ctx context.Context, in *pushReceiptsIn) (*struct{}, error) {
		for _, r := range in.Body.Receipts {
			if strings.ContainsRune(r.DeliveryID, 0) {
				continue // no id of ours, and no text that every database takes
			}
			detail, _, _ := source.Line(r.Detail, 300)
			if err := a.d.Store.ShownDelivery(ctx, r.DeliveryID, r.Result, detail); err != nil && !errors.Is(err, fault.ErrNotFound) {
				return nil, err
			}
		}
		return nil, nil
	})

	snooze := route("alerts", http.MethodPost, "/alerts/{id}/snooze", "snooze-alert", "Tell contacts no more of an alert for a while")
	snooze.Description = "409 when it is resolved."
	snooze.Errors = []int{http.StatusNotFound, http.StatusConflict}
	register(a, access{scope: auth.AckAlerts}, snooze, a.snooze)
	end := route("alerts", http.MethodDelete, "/alerts/{id}/snooze", "unsnooze-alert", "Tell contacts of a snoozed alert again")
	end.Description = "Of what happens from now on; no reminder follows. 409 when none of the contacts has it snoozed, or it is resolved."
	end.Errors = []int{http.StatusNotFound, http.StatusConflict}
	register(a, access{scope: auth.AckAlerts}, end, a.unsnooze)
}

// act does what a notification's button says. The token is reserved before and
// given back when nothing came of it.
func (a *API) act(ctx context.Context, in *postIn[ActIn]) (*body[ActOut], error) {
	what, err := a.d.Push.CheckToken(ctx, in.Body.Token)
	switch {
	case errors.Is(err, push.ErrTokenExpired):
		return nil, problem(http.StatusGone, "This notification is too old for its buttons; open the alert in Tocsin.")
	case errors.Is(err, push.ErrToken):
		return nil, problem(http.StatusUnauthorized, "The button's token is none that this Tocsin made; open the alert in Tocsin.")
	case err != nil:
		return nil, err
	}
	who, err := a.presser(ctx, what.ContactID)
	if err != nil {
		return nil, err
	}
	first, err := a.d.Store.UseToken(ctx, what.Nonce, what.Expires)
	if errors.Is(err, fault.ErrInUse) {
		// Whether it is done is not known yet, or never will be: the node may have
		// been killed. A worker keeps what is answered so, and sends it again.
		return nil, huma.ErrorWithHeaders(problem(http.StatusServiceUnavailable, "This button was pressed a moment ago, and it is not done yet; try again in half a minute."),
			http.Header{"Retry-After": {"30"}})
	}
	if err != nil {
		return nil, err
	}
	if !first {
		return nil, problem(http.StatusGone, "A button of this notification was pressed before; open the alert in Tocsin to see what became of it.")
	}
	out, err := a.press(ctx, in.Body, what, who)
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishWithin)
	defer cancel()
	if err != nil {
		if e := a.d.Store.ReleaseToken(after, what.Nonce); e != nil {
			a.d.Log.Warn("token of a notification not released", "alert_id", what.AlertID, "error", e)
		}
		return nil, err
	}
	if e := a.d.Store.FinishToken(after, what.Nonce); e != nil {
		a.d.Log.Warn("token of a notification not finished", "alert_id", what.AlertID, "error", e)
	}
	if in.Body.DeliveryID != "" && !strings.ContainsRune(in.Body.DeliveryID, 0) {
		if e := a.d.Store.ShownDelivery(after, in.Body.DeliveryID, "clicked", out.Result); e != nil && !errors.Is(e, fault.ErrNotFound) {
			a.d.Log.Warn("press not noted", "error", e)
		}
	}
	return give(*out), nil
}

// presser is the person behind a contact, who must still be allowed to act.
type presser struct {
	contact contact.Contact
	user    auth.User
}

func (a *API) presser(ctx context.Context, contactID string) (presser, error) {
	var who presser
	var err error
	if who.contact, err = a.d.Store.Contact(ctx, contactID); err == nil && who.contact.UserID != "" {
		who.user, err = a.d.Store.UserByID(ctx, who.contact.UserID)
	}
	switch {
	case errors.Is(err, fault.ErrNotFound), err == nil && who.user.ID == "":
		return who, problem(http.StatusForbidden, "The contact that this notification was for is gone, or nobody's any more; sign in and open the alert.")
	case err != nil:
		return who, err
	case who.user.Disabled:
		return who, problem(http.StatusForbidden, who.user.Label()+" is disabled here and may not act on alerts.")
	case !(auth.Principal{Scopes: who.user.Role.Scopes()}).May(auth.AckAlerts):
		return who, problem(http.StatusForbidden, fmt.Sprintf("%s has the role %s, which may look at alerts but not acknowledge or snooze them.", who.user.Label(), who.user.Role))
	}
	return who, nil
}

// press acknowledges or snoozes.
func (a *API) press(ctx context.Context, in ActIn, what push.Action, who presser) (*ActOut, error) {
	before, err := a.d.Store.Alert(ctx, what.AlertID)
	if errors.Is(err, fault.ErrNotFound) {
		return nil, problem(http.StatusConflict, "The alert of this notification is over and no longer kept.")
	}
	if err != nil {
		return nil, err
	}
	name := before.Object.Name()
	out := &ActOut{}
	if in.Action == "snooze" {
		minutes := in.Minutes
		if minutes == 0 {
			minutes = 30
		}
		_, err = a.d.Dispatch.Snooze(ctx, what.AlertID, dispatch.SnoozeRequest{
			ContactIDs: []string{what.ContactID}, UserID: who.user.ID, Author: who.user.Label(),
			For: time.Duration(minutes) * time.Minute, Origin: alert.FromNotification,
		})
		out.Result, out.Message = "snoozed", fmt.Sprintf("Snoozed: you hear of %s again in %s unless it is over by then.", name, minutesText(minutes))
	} else {
		var settings, e = a.d.Store.Settings(ctx)
		if e != nil {
			return nil, e
		}
		_, err = a.d.Dispatch.Acknowledge(ctx, what.AlertID, dispatch.AckRequest{
			UserID: who.user.ID, Author: who.user.Label(), Origin: alert.FromNotification, Sticky: settings.AckSticky,
		})
		out.Result, out.Message = "acknowledged", fmt.Sprintf("You have acknowledged %s.", name)
	}
	switch {
	case errors.Is(err, dispatch.ErrNotOpen):
		return nil, problem(http.StatusConflict, fmt.Sprintf("%s has recovered already; nothing is left to do.", name))
	case errors.Is(err, dispatch.ErrAckedBefore):
		out.Result, out.Message = "already", a.alreadyText(ctx, what.AlertID, name)
	case err != nil:
		return nil, err
	}
	return out, nil
}

// alreadyText says who was quicker.
func (a *API) alreadyText(ctx context.Context, alertID, name string) string {
	if now, err := a.d.Store.Alert(ctx, alertID); err == nil && now.Ack != nil && now.Ack.Author != "" {
		return fmt.Sprintf("%s has acknowledged %s already.", now.Ack.Author, name)
	}
	return name + " is acknowledged already."
}

func minutesText(n int) string {
	switch {
	case n == 1:
		return "one minute"
	case n == 60:
		return "one hour"
	case n%60 == 0:
		return fmt.Sprintf("%d hours", n/60)
	}
	return fmt.Sprintf("%d minutes", n)
}

func (a *API) snooze(ctx context.Context, in *snoozeIn) (*body[SnoozeOut], error) {
	r, err := a.snoozeRequest(ctx, in.Body.Contacts)
	if err != nil {
		return nil, err
	}
	if len(r.ContactIDs) == 0 {
		return nil, fieldProblem("contacts", noContact, nil)
	}
	if err := existAll(ctx, "contacts", in.Body.Contacts, "contact", a.d.Store.Contact); err != nil {
		return nil, err
	}
	r.For = time.Duration(in.Body.Minutes) * time.Minute
	until, err := a.d.Dispatch.Snooze(ctx, in.ID, r)
	if err != nil {
		return nil, err
	}
	return give(SnoozeOut{Until: until.UTC(), Contacts: r.ContactIDs}), nil
}

// unsnooze asks no contact to exist: one that does not has nothing snoozed.
func (a *API) unsnooze(ctx context.Context, in *unsnoozeIn) (*body[AlertOut], error) {
	r, err := a.snoozeRequest(ctx, in.Contacts)
	if err != nil {
		return nil, err
	}
	if len(r.ContactIDs) == 0 {
		return nil, problem(http.StatusUnprocessableEntity, "contact_id "+noContact, &huma.ErrorDetail{Location: "query.contact_id", Message: noContact})
	}
	got, err := a.d.Dispatch.Unsnooze(ctx, in.ID, r)
	if err != nil {
		return nil, err
	}
	return give(a.alertOut(got)), nil
}

const noContact = "is left out, and no contact belongs to whoever asks; name contacts by their ids"

// snoozeRequest says who asks, and for whose contacts: those that are named, or
// the asker's own, which may be none.
func (a *API) snoozeRequest(ctx context.Context, named []string) (dispatch.SnoozeRequest, error) {
	p, _ := auth.From(ctx)
	r := dispatch.SnoozeRequest{ContactIDs: named, UserID: p.UserID, Author: p.Label(), Origin: alert.FromConsole}
	if p.UserID == "" {
		r.Origin = alert.FromAPI
		return r, nil
	}
	if len(named) > 0 {
		return r, nil
	}
	all, err := a.d.Store.Contacts(ctx)
	if err != nil {
		return r, err
	}
	for _, c := range all {
		if c.UserID == p.UserID {
			r.ContactIDs = append(r.ContactIDs, c.ID)
		}
	}
	return r, nil
}

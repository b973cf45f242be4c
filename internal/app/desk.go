package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/auth"
	"tocsin/internal/channel/mattermost"
	"tocsin/internal/contact"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/web"
)

// desk is what people in Mattermost have done here: mattermost.Desk. Who they are
// and what they may is looked up at each act, so that a user who was disabled a
// moment ago does nothing any more.
type desk struct{ a *App }

var _ mattermost.Desk = desk{}

// Acknowledge takes an alert.
func (d desk) Acknowledge(ctx context.Context, alertID string, who mattermost.Actor, comment string, until time.Time, sticky *bool) (alert.Alert, error) {
	r := dispatch.AckRequest{UserID: who.UserID, Author: who.Name, Comment: comment, Origin: alert.FromMattermost, Until: until}
	if sticky != nil {
		r.Sticky = *sticky
	} else {
		s, err := d.a.push.settings.get(ctx)
		if err != nil {
			return alert.Alert{}, fmt.Errorf("read settings: %w", err)
		}
		r.Sticky = s.AckSticky
	}
	got, err := d.a.dispatch.Acknowledge(ctx, alertID, r)
	d.used(ctx)
	return d.after(ctx, alertID, got, err)
}

// Unacknowledge gives an alert back.
func (d desk) Unacknowledge(ctx context.Context, alertID string, who mattermost.Actor) (alert.Alert, error) {
	got, err := d.a.dispatch.Unacknowledge(ctx, alertID, dispatch.AckRequest{UserID: who.UserID, Author: who.Name, Origin: alert.FromMattermost})
	d.used(ctx)
	return d.after(ctx, alertID, got, err)
}

// used notes that the API key of Mattermost was used, once a minute at most.
func (d desk) used(ctx context.Context) {
	s, err := d.a.chat.get(ctx)
	now := time.Now()
	if before := d.a.chat.used.Load(); err != nil || s.APIKeyID == "" || now.Unix()-before < 60 || !d.a.chat.used.CompareAndSwap(before, now.Unix()) {
		return
	}
	if err := d.a.db.TouchAPIKey(ctx, s.APIKeyID, now, "Mattermost"); err != nil {
		d.a.log.Warn("time of use of an API key not written", "key_id", s.APIKeyID, "error", err)
	}
}

// after says in the channel's words what dispatch refused, with the alert as it
// is then.
func (d desk) after(ctx context.Context, alertID string, got alert.Alert, err error) (alert.Alert, error) {
	err = refusal(err)
	if got.ID == "" && (errors.Is(err, mattermost.ErrNotOpen) || errors.Is(err, mattermost.ErrAcked) || errors.Is(err, mattermost.ErrNotAcked)) {
		now, e := d.Alert(ctx, alertID)
		if e != nil {
			return got, e
		}
		got = now
	}
	return got, err
}

// refusal is dispatch's answer in the channel's words.
func refusal(err error) error {
	for theirs, ours := range map[error]error{
		dispatch.ErrNotOpen: mattermost.ErrNotOpen, dispatch.ErrAckedBefore: mattermost.ErrAcked, dispatch.ErrNotAcked: mattermost.ErrNotAcked,
		dispatch.ErrBusy: mattermost.ErrBusy, fault.ErrNotFound: mattermost.ErrNotFound,
	} {
		if errors.Is(err, theirs) {
			return ours
		}
	}
	return err
}

// Snooze leaves a contact, and the room where the button stands, in peace.
func (d desk) Snooze(ctx context.Context, alertID string, who mattermost.Actor, destination string, length time.Duration) (time.Time, error) {
	now, err := d.Alert(ctx, alertID)
	if err != nil {
		return time.Time{}, err
	}
	switch now.Status {
	case alert.Resolved:
		return time.Time{}, mattermost.ErrNotOpen
	case alert.Acknowledged:
		return time.Time{}, mattermost.ErrAcked // nobody is reminded of it
	}
	r := dispatch.SnoozeRequest{UserID: who.UserID, Author: who.Name, For: length, Origin: alert.FromMattermost}
	if who.ContactID != "" {
		r.ContactIDs = []string{who.ContactID}
	}
	if destination != "" {
		r.RoomDestinations = []string{destination}
	}
	d.used(ctx)
	until, err := d.a.dispatch.Snooze(ctx, alertID, r)
	if errors.Is(err, dispatch.ErrSnoozeContact) && len(r.ContactIDs) > 0 && len(r.RoomDestinations) > 0 {
		r.RoomDestinations = nil // the room is one that nothing is posted to any more
		until, err = d.a.dispatch.Snooze(ctx, alertID, r)
	}
	return until, refusal(err)
}

// Open lists open alerts, worst and newest first. It reads no more than are shown,
// however many there are, and one list after the other: when everything fails,
// everybody asks at once.
func (d desk) Open(ctx context.Context, text string, limit int) ([]alert.Alert, int, error) {
	select {
	case d.a.chat.listing <- struct{}{}:
		defer func() { <-d.a.chat.listing }()
	case <-ctx.Done():
		return nil, 0, fmt.Errorf("wait for other lists: %w", ctx.Err())
	}
	found, err := d.a.db.OpenAlerts(ctx, text, limit+1)
	if err != nil || len(found) <= limit {
		return found, len(found), err
	}
	if found = found[:limit]; text != "" {
		return found, mattermost.Many, nil
	}
	total, err := d.a.db.CountOpen(ctx)
	return found, max(total, len(found)), err
}

// Alert answers one alert.
func (d desk) Alert(ctx context.Context, id string) (alert.Alert, error) {
	got, err := d.a.db.Alert(ctx, id)
	if errors.Is(err, fault.ErrNotFound) {
		return got, mattermost.ErrNotFound
	}
	return got, err
}

// Find answers the open alerts whose id ends so.
func (d desk) Find(ctx context.Context, short string) ([]alert.Alert, error) {
	return d.a.db.FindAlerts(ctx, short, 10)
}

// Who answers who a Mattermost user is here. A contact that nobody signs in for
// may; else its user's role says.
func (d desk) Who(ctx context.Context, mattermostUserID string) (mattermost.Actor, error) {
	p, err := d.a.db.Person(ctx, mattermostUserID)
	if errors.Is(err, fault.ErrNotFound) {
		return mattermost.Actor{}, nil
	}
	if err != nil {
		return mattermost.Actor{}, fmt.Errorf("who is %s in Mattermost: %w", mattermostUserID, err)
	}
	c, err := d.a.db.Contact(ctx, p.ContactID)
	if errors.Is(err, fault.ErrNotFound) {
		return mattermost.Actor{}, nil // unlinked at this moment
	}
	if err != nil {
		return mattermost.Actor{}, fmt.Errorf("contact %s: %w", p.ContactID, err)
	}
	who := mattermost.Actor{ContactID: c.ID, Name: cmp.Or(c.DisplayName, c.Name), Linked: true, May: true}
	if c.UserID == "" {
		return who, nil
	}
	u, err := d.a.db.UserByID(ctx, c.UserID)
	if errors.Is(err, fault.ErrNotFound) {
		who.May, who.Barred = false, true
		return who, nil
	}
	if err != nil {
		return mattermost.Actor{}, fmt.Errorf("user %s: %w", c.UserID, err)
	}
	who.UserID, who.Name = u.ID, u.Label()
	who.May = !u.Disabled && (auth.Principal{Scopes: u.Role.Scopes()}).May(auth.AckAlerts)
	who.Barred = u.Disabled
	return who, nil
}

// EngineName is the name of a source whose engine is told what is done here.
func (d desk) EngineName(ctx context.Context, sourceID string) string {
	if s := d.a.links.source(ctx, sourceID); s.WriteBack.On() && !s.Disabled {
		return s.Name
	}
	return ""
}

// KeyValid says whether the API key in whose name Mattermost acts is still good.
func (d desk) KeyValid(ctx context.Context) (bool, error) {
	s, err := d.a.chat.get(ctx)
	if err != nil {
		return false, fmt.Errorf("read the settings of Mattermost: %w", err)
	}
	if s.APIKeyID == "" {
		return false, nil
	}
	keys, err := d.a.chat.apiKeys.get(ctx)
	if err != nil {
		return false, fmt.Errorf("list API keys: %w", err)
	}
	i := slices.IndexFunc(keys, func(k auth.APIKey) bool { return k.ID == s.APIKeyID })
	if i < 0 || !keys[i].Live(time.Now()) {
		return false, nil
	}
	return (auth.Principal{Scopes: keys[i].Scopes}).May(auth.AckAlerts), nil
}

// Rotas answers who is on call in each schedule. One that cannot be worked out has
// nobody, which System health says as well.
func (d desk) Rotas(ctx context.Context) ([]mattermost.Rota, error) {
	all, err := web.OnCallAt(ctx, d.a.db, time.Now())
	if err != nil {
		return nil, fmt.Errorf("who is on call: %w", err)
	}
	out := make([]mattermost.Rota, 0, len(all))
	for _, o := range all {
		out = append(out, mattermost.Rota{Schedule: o.Schedule, Now: o.Now.Contact, Until: o.Until, Next: o.Next.Contact})
	}
	return out, nil
}

// OnCall are all contacts, those first who are told of problems now.
func (d desk) OnCall(ctx context.Context) ([]mattermost.OnCall, error) {
	contacts, err := d.a.db.Contacts(ctx)
	if err != nil {
		return nil, fmt.Errorf("list contacts: %w", err)
	}
	periods, err := d.a.db.Periods(ctx)
	if err != nil {
		return nil, fmt.Errorf("list time periods: %w", err)
	}
	schedules := map[string]*contact.Schedule{}
	for _, p := range periods {
		if s, err := p.Schedule(); err == nil {
			schedules[p.ID] = s // one that cannot be read covers everything
		}
	}
	now := time.Now()
	out := make([]mattermost.OnCall, 0, len(contacts))
	for _, c := range contacts {
		told := duty{c, schedules}
		entry := mattermost.OnCall{Contact: cmp.Or(c.DisplayName, c.Name), Now: told.at(now)}
		entry.Until = told.until(now, entry.Now)
		out = append(out, entry)
	}
	slices.SortStableFunc(out, func(x, y mattermost.OnCall) int {
		switch {
		case x.Now == y.Now:
			return cmp.Compare(x.Contact, y.Contact)
		case x.Now:
			return -1
		}
		return 1
	})
	return out, nil
}

// duty is when a contact is told of problems.
type duty struct {
	contact.Contact
	schedules map[string]*contact.Schedule
}

func (d duty) at(t time.Time) bool {
	covers := func(on bool, id string) bool {
		s := d.schedules[id]
		return on && (s == nil || s.Covers(t))
	}
	return covers(d.HostNotifications, d.HostPeriodID) || covers(d.ServiceNotifications, d.ServicePeriodID)
}

// until is when being told changes, zero when it does not within a week.
func (d duty) until(now time.Time, told bool) time.Time {
	limit := now.AddDate(0, 0, 7)
	for at := now; ; {
		var next time.Time
		for _, id := range []string{d.HostPeriodID, d.ServicePeriodID} {
			if s := d.schedules[id]; s != nil {
				if n := s.Next(at); !n.IsZero() && (next.IsZero() || n.Before(next)) {
					next = n
				}
			}
		}
		if next.IsZero() || next.After(limit) || !next.After(at) {
			return time.Time{}
		}
		if d.at(next) != told {
			return next
		}
		at = next
	}
}

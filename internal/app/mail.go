package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/channel/email"
	"tocsin/internal/fault"
	"tocsin/internal/health"
	"tocsin/internal/web"
	"tocsin/internal/web/console"
)

// letters is telling contacts by e-mail put together. It has connections of its own
// to the mail server: an alert does not queue behind the letters of ten thousand
// visitors.
type letters struct {
	a       *App
	sender  *email.Sender
	channel *email.Channel

	counting sync.Mutex // over the two below
	refused  health.Refused
	counted  time.Time
}

// alertConnections is how many connections to the mail server alerts may have.
const alertConnections = 2

func newLetters(a *App) (*letters, error) {
	l := &letters{a: a, sender: email.New(email.Options{Settings: a.visitors.settings.get, Connections: alertConnections, Log: a.log})}
	var err error
	l.channel, err = email.NewChannel(email.ChannelOptions{
		Store: a.db, Send: l.sender.Send, On: l.sender.On,
		LinkFor: func(ctx context.Context) time.Duration {
			s, err := a.push.settings.get(ctx)
			if err != nil {
				return 0
			}
			return time.Duration(s.AckLinkHours) * time.Hour
		},
		May: func(ctx context.Context, contactID string) (bool, error) {
			who, err := l.actor(ctx, contactID)
			return who.May, err
		},
		BaseURL: a.cfg.BaseURL, Zone: time.Local, Log: a.log,
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // the constructor's own words
	}
	return l, nil
}

// links answers what the links in letters lead to.
func (l *letters) links() http.Handler {
	return console.NewAckLinks(console.AckLinkDeps{
		Store: l.a.db, Acknowledge: l.a.dispatch.Acknowledge, Actor: l.actor,
		On: func(ctx context.Context) (bool, error) {
			s, err := l.a.push.settings.get(ctx)
			return err == nil && s.AckLinkHours > 0, err
		},
		Sticky: func(ctx context.Context) bool {
			s, err := l.a.push.settings.get(ctx)
			return err == nil && s.AckSticky
		},
		Version: Version, Log: l.a.log,
	})
}

// actor is whom a letter's link acts for. A contact that nobody signs in for may
// acknowledge; else its user's role says.
func (l *letters) actor(ctx context.Context, contactID string) (console.LinkActor, error) {
	c, err := l.a.db.Contact(ctx, contactID)
	if errors.Is(err, fault.ErrNotFound) {
		return console.LinkActor{}, nil
	} else if err != nil {
		return console.LinkActor{}, fmt.Errorf("contact %s: %w", contactID, err)
	}
	who := console.LinkActor{Name: cmp.Or(c.DisplayName, c.Name), May: true}
	if c.UserID == "" {
		return who, nil
	}
	u, err := l.a.db.UserByID(ctx, c.UserID)
	if errors.Is(err, fault.ErrNotFound) {
		return console.LinkActor{}, nil
	} else if err != nil {
		return console.LinkActor{}, fmt.Errorf("user %s: %w", c.UserID, err)
	}
	return console.LinkActor{UserID: u.ID, Name: u.Label(), May: !u.Disabled && (auth.Principal{Scopes: u.Role.Scopes()}).May(auth.AckAlerts)}, nil
}

// facts adds how letters to contacts fare to how those to visitors do: both go to one
// server, so the one that was heard last is right.
func (l *letters) facts(ctx context.Context, m *health.Mail) {
	if m == nil {
		return
	}
	s := l.sender.State()
	if m.Failing.IsZero() && !s.Failing.IsZero() && !m.LastOK.After(s.Failing) {
		m.Failing, m.Problem = s.Failing, s.Problem
	} else if !m.Failing.IsZero() && s.LastOK.After(m.Failing) {
		m.Failing, m.Problem = time.Time{}, ""
	}
	if s.LastOK.After(m.LastOK) {
		m.LastOK = s.LastOK
	}
	m.Refused = l.bad(ctx)
}

// How many letters that did not arrive are counted, and for how long a count is good.
const (
	mostRefused = 100
	refusedFor  = 5 * time.Second
)

// bad are the letters to contacts of the last day that were refused, or came back.
func (l *letters) bad(ctx context.Context) health.Refused {
	l.counting.Lock()
	defer l.counting.Unlock()
	if time.Since(l.counted) < refusedFor {
		return l.refused
	}
	dead, err := l.a.db.DeadLetters(ctx, "", time.Now().Add(-24*time.Hour), mostRefused)
	if err != nil {
		return l.refused // the database's part says so
	}
	l.refused, l.counted = health.Refused{Count: len(dead)}, time.Now()
	if len(dead) > 0 {
		l.refused.At, l.refused.Contact, l.refused.Detail = dead[0].Done, dead[0].ContactName, dead[0].Detail
	}
	return l.refused
}

// figures are for Prometheus.
func (l *letters) figures(count func(name, help string, v float64, kv ...string)) {
	for result, n := range l.sender.Stats() {
		count("tocsin_mail_alert_letters_total", "Letters of alerts that were brought to the mail server, by what became of the attempt.", float64(n), "result", result)
	}
}

// linkPath keeps the secrets of letters and calendars, which are in addresses, out of
// the log.
func linkPath(path string) string {
	for _, secret := range []string{console.AckLinkPath, web.CalendarPath} {
		if len(path) > len(secret) && strings.HasPrefix(path, secret) {
			return secret + "…"
		}
	}
	return path
}

func (l *letters) close() { l.sender.Close() }

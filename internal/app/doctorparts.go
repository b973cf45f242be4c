package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin/internal/channel/email"
	"tocsin/internal/chat"
	"tocsin/internal/config"
	"tocsin/internal/doctor"
	"tocsin/internal/health"
	"tocsin/internal/hook"
	"tocsin/internal/mail"
	"tocsin/internal/push"
	"tocsin/internal/source"
	"tocsin/internal/writeback"
)

// mostParts is how many sources, rooms and webhooks each are looked at one by one.
const mostParts = 200

// inside are the checks of what is set up in the database.
func (p *patient) inside(ctx context.Context) []doctor.Check {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	set, err := p.db.Settings(ctx)
	if err != nil {
		return []doctor.Check{doctor.Known("settings", doctor.GroupData, "Settings", doctor.Bad(err.Error(), "look at the database"))}
	}
	checks := []doctor.Check{
		{ID: "secrets", Group: doctor.GroupData, Title: "Secrets", Look: p.secrets},
		{ID: "people", Group: doctor.GroupSite, Title: "People", Look: p.people},
		{ID: "push-key", Group: doctor.GroupSite, Title: "Key of Web Push", Look: func(ctx context.Context) doctor.Verdict { return p.pushKey(ctx, set) }},
	}
	checks = append(checks, p.sources(ctx, set)...)
	checks = append(checks, doctor.Check{ID: "queue", Group: doctor.GroupChannels, Title: "Deliveries", Look: p.queue})
	checks = append(checks, p.pushServices(ctx, set)...)
	checks = append(checks, p.mattermost(ctx)...)
	checks = append(checks, doctor.Check{ID: "email", Group: doctor.GroupChannels, Title: "E-mail", Look: p.email, Slow: "look whether this machine reaches the mail server, and at the port"})
	checks = append(checks, p.webhooks(ctx)...)
	return append(checks, doctor.Check{ID: "ping", Group: doctor.GroupChannels, Title: "Ping to the outside", Look: p.outside, Slow: "look at the firewall, and whether an outgoing proxy is needed (TOCSIN_PUSH_PROXY)"})
}

// unread is the verdict on what the database did not give.
func unread(err error) doctor.Verdict {
	return doctor.Bad("it cannot be read: "+err.Error(), "look at the database")
}

// secrets looks whether those in the database can be read with the key that was given.
func (p *patient) secrets(ctx context.Context) doctor.Verdict {
	sealed, err := p.db.Keys(ctx)
	switch {
	case err != nil:
		return doctor.Bad(err.Error(), "the hub does not start without it; docs/security.md says where the key is kept")
	case !sealed && p.cfg.Postgres():
		return doctor.Worry("tokens and passwords of engines, Mattermost and the mail server stand plain in the database", "make a key with tocsin secret new, and give it to every node as TOCSIN_SECRET_KEY_FILE")
	case !sealed:
		return doctor.Good("not sealed yet; the hub makes a key at its start")
	}
	return doctor.Good("sealed, and the key opens them")
}

func (p *patient) people(ctx context.Context) doctor.Verdict {
	users, err := p.db.Users(ctx)
	if err != nil {
		return unread(err)
	}
	admins, all := 0, 0
	for _, u := range users {
		if !u.Disabled {
			all++
			if u.Role == "admin" {
				admins++
			}
		}
	}
	switch {
	case all == 0:
		return doctor.Worry("nobody can sign in yet", "make a first user: tocsin user add NAME --role admin")
	case admins == 0:
		return doctor.Worry("no administrator can sign in", "make one: tocsin user add NAME --role admin")
	}
	return doctor.Good("%s can sign in", health.Count(all, "user", "users"))
}

func (p *patient) pushKey(ctx context.Context, set config.Settings) doctor.Verdict {
	keys, err := p.db.PushKeys(ctx)
	if err != nil {
		return unread(err)
	}
	switch given := p.cfg.VAPIDPublicKey; {
	case len(keys) == 0 || !keys[0].Retired.IsZero():
		return doctor.Worry("there is none yet", "start the hub once, which makes it")
	case given != "" && keys[0].Public != given:
		return doctor.Worry("VAPID_PUBLIC_KEY is not the key that the hub uses", "start the hub again; devices move to the new key when their browsers come by")
	case set.WebPush && p.push.subject(set) == "":
		return doctor.Worry("nothing is sent by Web Push: push services want to know how to reach who runs this, and no subject is set",
			"set one under Settings → Notifications, or VAPID_SUBJECT=mailto:you@your-domain.org")
	case given != "":
		return doctor.Good("given in the configuration, in use since %s", keys[0].Created.UTC().Format("2 January 2006"))
	}
	return doctor.Good("kept in the database, in use since %s", keys[0].Created.UTC().Format("2 January 2006"))
}

func (p *patient) queue(ctx context.Context) doctor.Verdict {
	q, err := p.db.QueueFigures(ctx)
	if err != nil {
		return unread(err)
	}
	now := time.Now()
	switch {
	case !q.Ends.IsZero() && now.Sub(q.Ends) > 10*time.Minute:
		return doctor.Worry("one still waits whose time ran out "+health.Age(now.Sub(q.Ends))+" ago", "look whether the hub serves, and at the clock of this machine")
	case q.Dead24h > 0:
		return doctor.Worry(health.Count(q.Dead24h, "message", "messages")+" of the last 24 hours could not be delivered", "Deliveries in the console says which, and why")
	}
	return doctor.Good("%d wait, %d were sent in the last 24 hours", q.Waiting+q.Handed, q.Sent24h)
}

func (p *patient) sources(ctx context.Context, set config.Settings) []doctor.Check {
	list, err := p.db.Sources(ctx)
	if err != nil {
		return []doctor.Check{doctor.Known("sources", doctor.GroupSources, "Sources", unread(err))}
	}
	if len(list) == 0 {
		return []doctor.Check{doctor.Known("sources", doctor.GroupSources, "Sources", doctor.Worry("there is none yet", "make one for your monitoring engine: tocsin source add NAME --kind nagios, or Sources in the console"))}
	}
	titles := map[string]string{}
	for _, k := range Kinds() {
		titles[k.Name()] = k.Title()
	}
	quiet := time.Duration(set.SourceQuietMinutes) * time.Minute
	var checks []doctor.Check
	for _, s := range list[:min(len(list), mostParts)] {
		title := cmp.Or(titles[s.Kind], s.Kind) + " “" + s.Name + "”"
		checks = append(checks, doctor.Known("source:"+s.Name, doctor.GroupSources, title, events(&s, quiet, time.Now())))
		if !s.Disabled && s.WriteBack.On() {
			checks = append(checks, doctor.Check{
				ID: "engine:" + s.Name, Group: doctor.GroupSources, Title: "write-back to “" + s.Name + "”",
				Slow: "look whether the engine runs, and at the firewall between",
				Look: func(ctx context.Context) doctor.Verdict { return p.engine(ctx, s) },
			})
		}
	}
	return append(checks, more("sources", doctor.GroupSources, len(list))...)
}

// more says that some were left out.
func more(what, group string, n int) []doctor.Check {
	if n <= mostParts {
		return nil
	}
	return []doctor.Check{doctor.Known("more-"+what, group, "More "+what, doctor.Unseen(fmt.Sprintf("%d more, of which only the first %d are looked at", n-mostParts, mostParts)))}
}

// events judges what a source last said. It looks at the times itself: a hub that does
// not run alerts of no silence.
func events(s *source.Source, quiet time.Duration, now time.Time) doctor.Verdict {
	heard, may := s.Heard(), time.Duration(s.QuietMinutes)*time.Minute
	last := "its last event came " + health.Age(now.Sub(s.LastEventAt)) + " ago"
	if heard.After(s.LastEventAt) {
		last = "its last heartbeat came " + health.Age(now.Sub(heard)) + " ago"
	}
	switch {
	case s.Disabled:
		return doctor.Good("disabled")
	case s.LastError != "" && s.LastError != source.WrongToken:
		return doctor.Worry(fmt.Sprintf("its last call was refused %s ago: %s", health.Age(now.Sub(s.LastErrorAt)), strings.TrimRight(s.LastError, ". ")),
			"compare the notification command's token and arguments with the source's page")
	case !s.SilentSince.IsZero():
		return doctor.Worry("nothing has been heard of it for "+health.Age(now.Sub(s.SilentSince))+", and there is an alert of that", "look whether the engine runs, and whether its heartbeat still does")
	case may > 0 && !heard.IsZero() && now.Sub(heard) > may:
		return doctor.Worry(last+", and it is to be heard of every "+health.Age(may), "look whether the engine runs, and whether its heartbeat still does; the hub alerts of it once it has listened for that long")
	case heard.IsZero() && s.LastError != "":
		return doctor.Worry("it has sent nothing yet, and a call with a wrong token was refused "+health.Age(now.Sub(s.LastErrorAt))+" ago", "make a new token on the source's page, and write it into the engine's configuration")
	case heard.IsZero():
		return doctor.Worry("no event has come yet", "the source's page says what to write into the engine's configuration, and how to send a test from there")
	case s.Spooled > 0:
		return doctor.Worry(health.Count(s.Spooled, "event waits", "events wait")+" in its spool; "+last, "run tocsin notify --flush on the engine's machine; the next notification hands them in as well")
	case quiet > 0 && now.Sub(heard) > quiet:
		return doctor.Worry(last, "look whether the engine runs and whether its notifications are enabled")
	}
	return doctor.Good("%s", last)
}

// engine tries to reach the engine of a source, as the hub does when it tells it something.
func (p *patient) engine(ctx context.Context, s source.Source) doctor.Verdict {
	err := p.engines.probe(ctx, s)
	switch {
	case errors.Is(err, writeback.ErrNoProbe):
		return doctor.Good("set up; it cannot be tried without telling the engine something")
	case err != nil:
		return doctor.Bad(err.Error(), "mend what it says, then try it on the source's page; what waits is handed over as soon as the engine answers, for a day")
	}
	return doctor.Good("the engine answers")
}

// wellKnown are push services to try where no device has subscribed yet: those of Chrome,
// Firefox and Safari.
var wellKnown = []string{"https://fcm.googleapis.com", "https://updates.push.services.mozilla.com", "https://web.push.apple.com"}

func (p *patient) pushServices(ctx context.Context, set config.Settings) []doctor.Check {
	if !set.WebPush {
		return []doctor.Check{doctor.Known("push", doctor.GroupChannels, "Web Push", doctor.Good("switched off in the settings"))}
	}
	figures, err := p.db.ServiceFigures(ctx)
	if err != nil {
		return []doctor.Check{doctor.Known("push", doctor.GroupChannels, "Web Push", unread(err))}
	}
	slices.SortStableFunc(figures, func(a, b push.ServiceFigures) int { return b.LastSuccess.Compare(a.LastSuccess) })
	origins, used := []string{}, map[string]bool{}
	for _, f := range figures[:min(len(figures), 10)] {
		origins, used[f.Origin] = append(origins, f.Origin), true
	}
	if len(origins) == 0 {
		origins = wellKnown
	}
	var checks []doctor.Check
	for _, origin := range origins {
		host := strings.TrimPrefix(origin, "https://")
		checks = append(checks, doctor.Check{
			ID: "push:" + host, Group: doctor.GroupChannels, Title: host, Slow: "look at the firewall, and whether an outgoing proxy is needed (TOCSIN_PUSH_PROXY)",
			Look: func(ctx context.Context) doctor.Verdict { return p.pushService(ctx, origin, used[origin]) },
		})
	}
	return checks
}

func (p *patient) pushService(ctx context.Context, origin string, used bool) doctor.Verdict {
	w := doctor.Way{Proxy: p.push.proxy(), Guarded: true, Allow: p.cfg.PushPrivate}
	a, err := w.Ask(ctx, http.MethodHead, origin+"/")
	if err != nil {
		v := doctor.Bad("this push service cannot be reached: "+err.Error(), doctor.MendOf(err))
		if !used {
			v.Result = doctor.Warning
			v.Detail += "; no device uses it yet"
		}
		return v
	}
	if v := doctor.OutsideClock(a, "this push service", time.Now()); v.Result != doctor.OK {
		return v
	}
	return doctor.Good("this push service answers after %s", health.Took(a.Took))
}

func (p *patient) mattermost(ctx context.Context) []doctor.Check {
	known := func(v doctor.Verdict) []doctor.Check {
		return []doctor.Check{doctor.Known("mattermost", doctor.GroupChannels, "Mattermost", v)}
	}
	s, err := p.db.ChatSettings(ctx)
	if err != nil {
		return known(unread(err))
	}
	if !s.Enabled {
		return known(doctor.Good("not used"))
	}
	rooms, err := p.db.Rooms(ctx)
	if err != nil {
		return known(unread(err))
	}
	checks := []doctor.Check{{
		ID: "mattermost", Group: doctor.GroupChannels, Title: "Mattermost", Slow: "look whether Mattermost runs, and at the firewall between",
		Look: func(ctx context.Context) doctor.Verdict { return p.bot(ctx, &s) },
	}}
	for _, r := range rooms[:min(len(rooms), mostParts)] {
		if r.Disabled {
			continue
		}
		checks = append(checks, doctor.Check{
			ID: "room:" + r.Name, Group: doctor.GroupChannels, Title: "room “" + r.Name + "”", Slow: "look whether Mattermost runs, and at the firewall between",
			Look: func(ctx context.Context) doctor.Verdict { return p.room(ctx, &s, r) },
		})
	}
	return append(checks, more("rooms", doctor.GroupChannels, len(rooms))...)
}

// bot looks whether the bot is let in, and whether its buttons do something.
func (p *patient) bot(ctx context.Context, s *chat.Settings) doctor.Verdict {
	if s.TwoWay {
		if good, err := (desk{p.App}).KeyValid(ctx); err != nil {
			return unread(err)
		} else if !good {
			return doctor.Bad("buttons in Mattermost do nothing: the API key in whose name they act is missing, revoked or expired", "make a new key under Mattermost in the console")
		}
	}
	if s.BotToken == "" {
		return doctor.Good("used by webhooks only")
	}
	name, err := p.chat.channel.Bot(ctx)
	if err != nil {
		return doctor.Bad(err.Error(), "test a room under Mattermost in the console once that is mended")
	}
	return doctor.Good("lets the bot @%s in", name)
}

func (p *patient) room(ctx context.Context, s *chat.Settings, r chat.Room) doctor.Verdict {
	if r.Kind == chat.Webhook {
		u, err := url.Parse(r.WebhookURL)
		if err != nil || u.Host == "" {
			return doctor.Bad("its webhook's address is none", "enter it anew under Mattermost in the console")
		}
		w := doctor.Way{}
		if s.UseProxy {
			w.Proxy = p.push.proxy()
		}
		if v, ok := knock(ctx, &w, u); !ok {
			return v
		}
	} else if _, err := p.chat.channel.Look(ctx, r); err != nil {
		return doctor.Bad(err.Error(), "test the room under Mattermost in the console once that is mended")
	}
	if r.LastError != "" {
		return doctor.Worry(fmt.Sprintf("it can be reached now; %s ago nothing could be posted: %s", health.Age(time.Since(r.LastErrorAt)), r.LastError), "test the room under Mattermost in the console")
	}
	return doctor.Good("it can be reached")
}

// knock connects, and judges the certificate.
func knock(ctx context.Context, w *doctor.Way, u *url.URL) (v doctor.Verdict, well bool) {
	expires, err := w.Knock(ctx, u)
	return reached(u, expires, err)
}

// reached judges what knocking came to.
func reached(u *url.URL, expires time.Time, err error) (v doctor.Verdict, well bool) {
	if err != nil {
		return doctor.Bad(u.Host+" cannot be reached: "+err.Error(), doctor.MendOf(err)), false
	}
	if !expires.IsZero() {
		if v := doctor.Expiry(expires, time.Now()); v.Result != doctor.OK {
			v.Detail = u.Host + " is reached, but " + v.Detail
			return v, false
		}
	}
	return doctor.Good("%s can be reached", u.Host), true
}

// email signs in to the mail server and sends nothing.
func (p *patient) email(ctx context.Context) doctor.Verdict {
	s, err := p.db.MailSettings(ctx)
	if err != nil {
		return unread(err)
	}
	if !s.Enabled {
		return doctor.Good("not used")
	}
	sender := email.New(email.Options{Settings: func(context.Context) (mail.Settings, error) { return s, nil }, Connect: 4 * time.Second, Log: p.log})
	defer sender.Close()
	if err := sender.Try(ctx, s); err != nil {
		return doctor.Bad(err.Error(), "mend it under E-mail in the console, and send a test from there")
	}
	if s.Username == "" {
		return doctor.Good("%s takes our connection", s.Host)
	}
	return doctor.Good("%s lets us in", s.Host)
}

func (p *patient) webhooks(ctx context.Context) []doctor.Check {
	list, err := p.db.Hooks(ctx)
	if err != nil {
		return []doctor.Check{doctor.Known("webhooks", doctor.GroupChannels, "Webhooks", unread(err))}
	}
	var checks []doctor.Check
	for _, h := range list[:min(len(list), mostParts)] {
		if h.Disabled {
			continue
		}
		checks = append(checks, doctor.Check{
			ID: "webhook:" + h.Name, Group: doctor.GroupChannels, Title: "webhook “" + h.Name + "”", Slow: "look whether it runs, and at the firewall between",
			Look: func(ctx context.Context) doctor.Verdict { return p.webhook(ctx, &h) },
		})
	}
	return append(checks, more("webhooks", doctor.GroupChannels, len(list))...)
}

// webhook connects to one and posts nothing. What its address is but for the host is a secret.
func (p *patient) webhook(ctx context.Context, h *hook.Hook) doctor.Verdict {
	u, err := url.Parse(h.URL)
	if err != nil || u.Host == "" {
		return doctor.Bad("its address is none", "enter it anew under Webhooks in the console")
	}
	w := doctor.Way{Guarded: true}
	if h.Private {
		w.Allow = hook.Networks()
	}
	if h.UseProxy {
		w.Proxy = p.push.proxy()
	}
	if v, ok := knock(ctx, &w, u); !ok {
		return v
	}
	if h.LastError != "" {
		return doctor.Worry(fmt.Sprintf("%s can be reached now; %s ago it did not take a message: %s", u.Host, health.Age(time.Since(h.LastErrorAt)), h.LastError), "send a test under Webhooks in the console")
	}
	return doctor.Good("%s can be reached", u.Host)
}

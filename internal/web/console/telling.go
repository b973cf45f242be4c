package console

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/visitor"
)

// subscribersPath is where it is said how many hear of a page.
const subscribersPath = "/console/subscribers"

// Subscribers counts who hears of a page; New are those that came since a time.
type Subscribers interface {
	StatusSubscribers(ctx context.Context, pageID string, since time.Time) (publish.Subscribers, error)
	// EndedVisitors are subscriptions that ended by what became of their messages,
	// the newest first.
	EndedVisitors(ctx context.Context, pageID string, limit int) ([]visitor.Ended, error)
}

// tellingRoutes are how visitors are told: triggers, subscribers, mail.
func (c *console) tellingRoutes() []routing {
	return []routing{
		{"POST " + notificationsPath + "/triggers/{id}", auth.WriteConfig, c.setTriggers},
		{"GET " + subscribersPath, auth.ReadConfig, c.subscribers},
	}
}

// triggerWords are the kinds of change that visitors can be told of, and when.
func triggerWords() []struct {
	Kind        push.Kind
	Word, Means string
} {
	return []struct {
		Kind        push.Kind
		Word, Means string
	}{
		{push.IncidentNew, "New Incident", "An incident is published."},
		{push.IncidentUpdate, "Incident Update", "An update of it is posted."},
		{push.IncidentResolved, "Incident Resolved", "It is over."},
		{push.ComponentDown, "Component Down", "A component has a partial or major outage, by an alert or by hand."},
		{push.ComponentRecovered, "Component Recovered", "It works again."},
		{push.Maintenance, "Maintenance Starting", "A maintenance is announced, moved, begins or ends; reminders a day and an hour before."},
	}
}

// triggerPage is a page with its switches.
type triggerPage struct {
	Page status.Page
	Rows []triggerRow
	Said *flash // what became of saving them
}

type triggerRow struct {
	Kind        push.Kind
	Word, Means string
	On, Usual   bool // Usual: as on a new page
}

// triggerPages are the switches of every page.
func (c *console) triggerPages(ctx context.Context) ([]triggerPage, error) {
	pages, err := c.Store.StatusPages(ctx)
	if err != nil {
		return nil, err
	}
	var out []triggerPage
	for i := range pages {
		t := triggerPage{Page: pages[i]}
		for _, k := range triggerWords() {
			t.Rows = append(t.Rows, triggerRow{k.Kind, k.Word, k.Means, publish.Triggered(&pages[i], k.Kind), slices.Contains(push.DefaultKinds(), k.Kind)})
		}
		out = append(out, t)
	}
	return out, nil
}

func (c *console) setTriggers(w http.ResponseWriter, v *visit) error {
	// Only what was switched is changed: somebody else may have switched another.
	on, was := map[string]bool{}, v.PostForm["was"]
	for _, k := range triggerWords() {
		now := v.PostForm.Get(string(k.Kind)) != ""
		if len(was) == 0 || now != slices.Contains(was, string(k.Kind)) {
			on[string(k.Kind)] = now
		}
	}
	p, err := c.Desk.SetTriggers(v.Context(), v.author(), v.PathValue("id"), on)
	if err != nil {
		return err
	}
	var told []string
	for _, k := range triggerWords() {
		if publish.Triggered(&p, k.Kind) {
			told = append(told, k.Word)
		}
	}
	text := "Visitors of " + p.Name + " are told of: " + strings.Join(told, ", ") + "."
	if len(told) == 0 {
		text = "Visitors of " + p.Name + " are told of nothing."
	}
	sayOf(w, "triggers-"+p.ID, "good", text)
	http.Redirect(w, v.Request, notificationsPath+"#triggers-"+p.ID, http.StatusSeeOther)
	return nil
}

type subscribersView struct {
	shell
	pageChoice
	Channels []subscriberChannel
	Total    int
	Kinds    []subscriberLine
	Impacts  []subscriberLine
	What     []subscriberLine
	Parts    []subscriberLine
	More     int // components that are not listed
	Off      []string
	Address  string
	Ended    []endedRow
}

// endedRow is a subscription that ended by what became of its messages.
type endedRow struct {
	At           time.Time
	Channel, Why string
}

// Twentieths is the share for a bar, which has a class for each.
func (l subscriberLine) Twentieths() int { return (l.Share + 4) / 5 }

// subscriberChannel is how many a channel reaches.
type subscriberChannel struct {
	Name, Icon, Means string
	N, New, Asked     int
}

// subscriberLine is how many want one thing, by channel.
type subscriberLine struct {
	Name, Note string
	N          int
	Share      int // of all, in percent
}

// How many components, and ends of subscriptions, the page lists.
const (
	shownParts = 50
	shownEnds  = 20
)

func (c *console) subscribers(w http.ResponseWriter, v *visit) error {
	choice, err := c.choosePage(v)
	if err != nil {
		return err
	}
	view := subscribersView{shell: c.shell(w, v, subscribersPath, "Subscribers"), pageChoice: choice}
	if choice.Page.ID == "" {
		return c.show(w, v, "subscribers", view)
	}
	s, err := c.Store.StatusSubscribers(v.Context(), choice.Page.ID, v.now.Add(-publish.Since))
	if err != nil {
		return err
	}
	_, parts, err := c.Store.StatusParts(v.Context(), choice.Page.ID)
	if err != nil {
		return err
	}
	view.Address = publicAddress(choice.Page, "/subscribe")
	counts := s.Counts()
	for _, k := range []subscriberChannel{
		{Name: "webpush", Icon: "deliveries", Means: "Browsers, also closed ones. A browser counts once, whoever uses it; no address of anybody is known."},
		{Name: "email", Icon: "mail", Means: "Addresses that were confirmed by a click."},
		{Name: "webhook", Icon: "link", Means: "Programs of others that are called."},
	} {
		k.N, k.New, k.Asked = counts[k.Name], s.New[k.Name], s.Asked[k.Name]
		view.Total += k.N
		k.Name = channelWord(k.Name)
		view.Channels = append(view.Channels, k)
	}
	view.count(&s, parts)
	ended, err := c.Store.EndedVisitors(v.Context(), choice.Page.ID, shownEnds)
	if err != nil {
		return err
	}
	for _, e := range ended {
		view.Ended = append(view.Ended, endedRow{e.At, channelWord(string(e.Channel)), e.Why})
	}
	for _, k := range triggerWords() {
		if !publish.Triggered(&choice.Page, k.Kind) {
			view.Off = append(view.Off, k.Word)
		}
	}
	return c.show(w, v, "subscribers", view)
}

// count sums up what subscribers want. Who wants several things counts in each.
func (view *subscribersView) count(s *publish.Subscribers, parts []status.Component) {
	kinds, impacts := map[push.Kind]int{}, map[push.Impact]int{}
	byPart := map[string]int{}
	whole, some, one := 0, 0, 0
	for i := range s.Wishes {
		wish := &s.Wishes[i]
		n := wish.N
		for j := range wish.Wants {
			want := &wish.Wants[j]
			if want.Incident != "" {
				one += n
				continue
			}
			if len(want.Components) == 0 {
				whole += n
			} else {
				some += n
			}
			for _, id := range want.Components {
				byPart[id] += n
			}
			hears := want.Kinds
			if len(hears) == 0 {
				hears = push.DefaultKinds()
			}
			for _, k := range hears {
				kinds[k] += n
			}
			least := want.MinImpact
			if least == "" {
				least = push.ImpactNone
			}
			impacts[least] += n
		}
	}
	line := func(name, note string, n int) subscriberLine {
		l := subscriberLine{Name: name, Note: note, N: n}
		if view.Total > 0 {
			l.Share = min(100, (n*100+view.Total/2)/view.Total)
		}
		return l
	}
	view.What = []subscriberLine{line("The whole page", "", whole), line("Components of their choice", "", some), line("One incident", "until it is over", one)}
	for _, k := range triggerWords() {
		note := ""
		if !publish.Triggered(&view.Page, k.Kind) {
			note = "off on this page"
		}
		view.Kinds = append(view.Kinds, line(k.Word, note, kinds[k.Kind]))
	}
	for _, i := range []struct {
		impact push.Impact
		word   string
	}{{push.ImpactNone, "Any impact"}, {push.ImpactMinor, "Minor or worse"}, {push.ImpactMajor, "Major or worse"}, {push.ImpactCritical, "Critical only"}} {
		view.Impacts = append(view.Impacts, line(i.word, "", impacts[i.impact]))
	}
	for _, k := range parts {
		if byPart[k.ID] > 0 {
			view.Parts = append(view.Parts, line(k.Name, "", byPart[k.ID]))
		}
	}
	slices.SortStableFunc(view.Parts, func(a, b subscriberLine) int { return b.N - a.N })
	if len(view.Parts) > shownParts {
		view.More = len(view.Parts) - shownParts
		view.Parts = view.Parts[:shownParts]
	}
}

package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/push"
	"tocsin/internal/source"
)

// TextIO is a publication's text in one language.
type TextIO struct {
	Title string `json:"title" maxLength:"200"`
	Body  string `json:"body" maxLength:"4000"`
}

// PublicationIn is one message to all subscribers of a page who want it.
type PublicationIn struct {
	Page       string            `json:"page,omitempty" pattern:"^([a-z0-9-]{1,64})?$" doc:"The page; none: main" example:"main"`
	Components []string          `json:"components,omitempty" maxItems:"100" doc:"Ids of those it is about; none: the page as a whole"`
	Kind       string            `json:"kind" enum:"incident_new,incident_update,incident_resolved,component_down,component_recovered,maintenance"`
	Impact     string            `json:"impact,omitempty" enum:"none,minor,major,critical" doc:"None given: none"`
	Texts      map[string]TextIO `json:"texts" doc:"By language; the one of the empty language is for all others and must be there"`
	URL        string            `json:"url,omitempty" maxLength:"1000" doc:"Where a click leads: a path of this site, or https; none: /"`
	Icon       string            `json:"icon,omitempty" maxLength:"1000" doc:"A path of this site, or https; none: the program's"`
	Topic      string            `json:"topic,omitempty" maxLength:"100" doc:"What later ones with the same topic replace, the incident's id; none: nothing"`
	Urgency    string            `json:"urgency,omitempty" enum:"very-low,low,normal,high" doc:"None: high for what is new and major or worse, else normal"`
	TTL        int               `json:"ttl_minutes,omitempty" minimum:"1" maximum:"40320" doc:"Undelivered for so long it is not sent any more; none: as in the settings"`
}

// ProgressOut is how far a publication is.
type ProgressOut struct {
	Total    int            `json:"total" doc:"An upper bound until all were looked at"`
	Sent     int            `json:"sent" doc:"Accepted by their push service"`
	Gone     int            `json:"gone" doc:"Had unsubscribed, and are deleted"`
	Failed   int            `json:"failed" doc:"Refused for good; problems says why"`
	Expired  int            `json:"expired" doc:"Their time ran out first"`
	Waiting  int            `json:"waiting" doc:"Still to be sent"`
	Retrying int            `json:"retrying" doc:"Those of waiting that failed before"`
	Unwanted int            `json:"unwanted" doc:"Did not want this kind"`
	Repeats  int            `json:"repeats" doc:"Perhaps sent twice, after a crash; devices show one"`
	Done     bool           `json:"done"`
	Finished *time.Time     `json:"finished"`
	Problems map[string]int `json:"problems" doc:"What went wrong, with how often"`
	// Channels has the same of the other channels.
	Channels map[string]ProgressOut `json:"channels,omitempty" doc:"How far it is by email and webhook; all else here is Web Push"`
}

// PublicationOut is a publication with its progress.
type PublicationOut struct {
	ID         string            `json:"id"`
	Page       string            `json:"page"`
	Components []string          `json:"components"`
	Kind       string            `json:"kind"`
	Impact     string            `json:"impact"`
	Texts      map[string]TextIO `json:"texts"`
	URL        string            `json:"url"`
	Topic      string            `json:"topic"`
	Urgency    string            `json:"urgency"`
	By         string            `json:"by" doc:"Who published it"`
	Created    time.Time         `json:"created"`
	Expires    time.Time         `json:"expires"`
	Progress   ProgressOut       `json:"progress"`
}

func (a *API) publicationRoutes() {
	create := route("push", http.MethodPost, "/publications", "create-publication", "Tell all subscribers of a page")
	create.Description = "Answered when it is on disk; it is sent from then on. 409 when Web Push is switched off."
	create.DefaultStatus = http.StatusCreated
	create.Errors = []int{http.StatusConflict}
	register(a, writeConfig(), create, a.publish)
	get := route("push", http.MethodGet, "/publications/{id}", "get-publication", "One publication, and how far it is")
	get.Errors = []int{http.StatusNotFound}
	register(a, readConfig(), get, func(ctx context.Context, in *byID) (*body[PublicationOut], error) {
		p, progress, err := a.d.Store.Publication(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		return give(publicationOut(p, progress)), nil
	})
	register(a, readConfig(), route("push", http.MethodGet, "/publications", "list-publications", "List publications, the newest first"),
		func(ctx context.Context, in *Paging) (*body[list[PublicationOut]], error) {
			items, progress, next, err := a.d.Store.Publications(ctx, in.Limit, in.Cursor)
			if err != nil {
				return nil, err
			}
			out := list[PublicationOut]{Items: make([]PublicationOut, 0, len(items)), Next: next}
			for i, p := range items {
				out.Items = append(out.Items, publicationOut(p, progress[i]))
			}
			return give(out), nil
		})
}

func (a *API) publish(ctx context.Context, in *postIn[PublicationIn]) (*body[PublicationOut], error) {
	settings, err := a.d.Store.Settings(ctx)
	if err != nil {
		return nil, err
	}
	if !settings.WebPush {
		return nil, webPushIsOff()
	}
	who, _ := auth.From(ctx)
	by, _, _ := source.Line(who.Label(), push.MaxPublisher)
	p := in.Body.publication(by, a.d.Now(), settings.PushTTL)
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if err := a.d.Store.CreatePublication(ctx, p); err != nil {
		return nil, err
	}
	saved, progress, err := a.d.Store.Publication(ctx, p.ID)
	if err != nil {
		return nil, fmt.Errorf("read the publication that was just made: %w", err)
	}
	return give(publicationOut(saved, progress)), nil
}

// publication fills in what was left out.
func (in PublicationIn) publication(by string, now time.Time, ttl int) push.Publication {
	p := push.Publication{
		ID: newID(), PageID: in.Page, Components: in.Components, Kind: push.Kind(in.Kind), Impact: push.Impact(in.Impact),
		Texts: map[string]push.Text{}, URL: in.URL, Icon: in.Icon, Topic: in.Topic, Urgency: push.Urgency(in.Urgency), By: by, Created: now,
	}
	for language, t := range in.Texts {
		p.Texts[language] = push.Text{Title: t.Title, Body: t.Body}
	}
	if p.PageID == "" {
		p.PageID = mainPage
	}
	if p.Impact == "" {
		p.Impact = push.ImpactNone
	}
	if p.URL == "" {
		p.URL = "/"
	}
	if p.Topic == "" {
		p.Topic = p.ID
	}
	if p.Urgency == "" {
		p.Urgency = push.Normal
		if (p.Kind == push.IncidentNew || p.Kind == push.ComponentDown) && p.Impact.Rank() >= push.ImpactMajor.Rank() {
			p.Urgency = push.High
		}
	}
	if in.TTL > 0 {
		ttl = in.TTL
	}
	p.Expires = now.Add(time.Duration(ttl) * time.Minute)
	return p
}

func publicationOut(p push.Publication, g push.Progress) PublicationOut {
	out := PublicationOut{
		ID: p.ID, Page: p.PageID, Components: words(p.Components), Kind: string(p.Kind), Impact: string(p.Impact), Texts: map[string]TextIO{},
		URL: p.URL, Topic: p.Topic, Urgency: string(p.Urgency), By: p.By, Created: p.Created.UTC(), Expires: p.Expires.UTC(),
		Progress: progressOut(g),
	}
	for language, t := range p.Texts {
		out.Texts[language] = TextIO{Title: t.Title, Body: t.Body}
	}
	return out
}

func progressOut(g push.Progress) ProgressOut {
	out := ProgressOut{
		Total: g.Total, Sent: g.Sent, Gone: g.Gone, Failed: g.Failed, Expired: g.Expired, Waiting: g.Waiting, Retrying: g.Retrying,
		Unwanted: g.Unwanted, Repeats: g.Repeats, Done: g.Done, Finished: timeOut(g.Finished), Problems: g.Problems,
	}
	if out.Problems == nil {
		out.Problems = map[string]int{}
	}
	for name, c := range g.Channels {
		if out.Channels == nil {
			out.Channels = map[string]ProgressOut{}
		}
		out.Channels[name] = progressOut(c)
	}
	return out
}

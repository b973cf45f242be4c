package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

// VisitorIn is the browser of a visitor of a public page, and what it wants to
// hear. Nothing else of the visitor is kept.
type VisitorIn struct {
	Subscription SubscriptionIn `json:"subscription"`
	KeyID        string         `json:"key_id" maxLength:"64" doc:"The key that it subscribed with, from GET /push/key"`
	Page         string         `json:"page,omitempty" pattern:"^([a-z0-9-]{1,64})?$" doc:"The page; none: main" example:"main"`
	Components   []string       `json:"components,omitempty" maxItems:"100" doc:"Ids of its components; none: the whole page"`
	Kinds        []string       `json:"kinds,omitempty" maxItems:"10" enum:"incident_new,incident_update,incident_resolved,component_down,component_recovered,maintenance" doc:"None: incidents from beginning to end"`
	MinImpact    string         `json:"min_impact,omitempty" enum:"none,minor,major,critical" doc:"Only what is at least so bad; none given: all"`
	Incident     string         `json:"incident,omitempty" maxLength:"64" pattern:"^[A-Za-z0-9_-]*$" doc:"Id of one of its incidents; none: all"`
	Language     string         `json:"language,omitempty" maxLength:"35" pattern:"^[A-Za-z0-9-]*$" doc:"navigator.language" example:"de-AT"`
	Replaces     *Holder        `json:"replaces,omitempty" doc:"The subscription that this browser had before"`
}

// VisitorSaved says that a subscription was taken.
type VisitorSaved struct {
	KeyID string `json:"key_id" doc:"The current key; if it is another than yours, subscribe anew with it"`
}

// FollowIn proves that somebody has a subscription, and names the page that is
// meant, for a browser may follow several.
type FollowIn struct {
	Holder
	Page     string `json:"page,omitempty" pattern:"^([a-z0-9-]{1,64})?$" doc:"The page; none: the first that it follows, to delete all" example:"main"`
	Incident string `json:"incident,omitempty" maxLength:"64" pattern:"^[A-Za-z0-9_-]*$" doc:"What it wants of this incident of the page alone; none: of the page"`
}

// WantOut is what a subscription wants to hear.
type WantOut struct {
	Page       string   `json:"page"`
	Pages      []string `json:"pages" doc:"All pages that it follows"`
	Incidents  []string `json:"incidents" doc:"Incidents of the page that it wants to hear of besides"`
	Components []string `json:"components"`
	Kinds      []string `json:"kinds"`
	MinImpact  string   `json:"min_impact"`
	Incident   string   `json:"incident,omitempty" doc:"The one incident that it is about; none: all"`
	Language   string   `json:"language"`
	KeyID      string   `json:"key_id" doc:"The key that it is bound to"`
}

// ChangeIn is what a browser says when it was given another subscription.
type ChangeIn struct {
	Old          Holder         `json:"old" doc:"The subscription before"`
	Subscription SubscriptionIn `json:"subscription"`
	KeyID        string         `json:"key_id" maxLength:"64" doc:"The key that the new one was made with"`
}

// mainPage is the page that is meant when none is named.
const mainPage = "main"

// registerOpen adds a route that asks for nobody. It must take no authority of
// a cookie: open paths do not look at any, see ServeHTTP.
func registerOpen[I, O any](a *API, l *limiter, op huma.Operation, h func(ctx context.Context, in *I) (*O, error)) {
	op.Security = []map[string][]string{{}}
	op.Errors = append(op.Errors, http.StatusServiceUnavailable)
	if l != nil {
		op.Errors = append(op.Errors, http.StatusTooManyRequests)
		op.Middlewares = append(op.Middlewares, limited(l))
	}
	if op.Method != http.MethodGet {
		op.MaxBodyBytes = maxPushBody
		op.Errors = append(op.Errors, http.StatusForbidden)
	}
	a.open[op.Method+" "+op.Path] = true
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := h(ctx, in)
		if err != nil {
			return nil, a.refusal(ctx, err)
		}
		return out, nil
	})
}

func (a *API) visitorRoutes() {
	put := route("push", http.MethodPut, "/push/subscription", "put-push-subscription", "Tell this visitor's browser of incidents")
	put.Description = "Sent again at each visit. What it wants of other pages stays, and so does what it wants of the page beside one of its incidents." +
		" Neither address nor browser of a visitor are kept. 409 when Web Push is switched off. " +
		"The answer is the same whether the subscription was known or not."
	put.Description += " 404 for a page that there is not, and for one that whoever asks may not see."
	put.Errors = []int{http.StatusNotFound, http.StatusConflict}
	registerOpen(a, a.visits, put, a.putVisitor)

	lookup := route("push", http.MethodPost, "/push/subscription/lookup", "lookup-push-subscription", "What a subscription wants to hear")
	lookup.Errors = []int{http.StatusNotFound}
	registerOpen(a, a.visits, lookup, func(ctx context.Context, in *postIn[FollowIn]) (*body[WantOut], error) {
		s, err := a.holder(ctx, in.Body.Holder)
		if err != nil {
			return nil, err
		}
		w, found := wantOf(&s, in.Body.Page, in.Body.Incident)
		if !found {
			return nil, errUnknownSubscription()
		}
		if len(w.Kinds) == 0 {
			w.Kinds = words(push.DefaultKinds())
		}
		if w.MinImpact == "" {
			w.MinImpact = string(push.ImpactNone)
		}
		return give(w), nil
	})

	del := route("push", http.MethodPost, "/push/subscription/delete", "delete-push-subscription", "Tell this visitor's browser no more")
	del.Description = "Of the page that is named, of the one incident where that is, else altogether. 204 always, whether it was known or not."
	registerOpen(a, a.visits, del, func(ctx context.Context, in *postIn[FollowIn]) (*struct{}, error) {
		s, err := a.holder(ctx, in.Body.Holder)
		var refused *huma.ErrorModel
		switch {
		case errors.As(err, &refused) && refused.Status == http.StatusNotFound:
			return nil, nil
		case err != nil:
			return nil, err
		case s.Subscribed():
			err = a.d.Store.DeleteVisitor(ctx, s.ID, in.Body.Page, in.Body.Incident)
		}
		if errors.Is(err, fault.ErrNotFound) {
			err = nil // somebody was quicker
		}
		return nil, err
	})

	change := route("push", http.MethodPost, "/push/change", "change-push-subscription", "The browser was given another subscription")
	change.Description = "From the event pushsubscriptionchange. A contact's device and a visitor's subscription alike stay what they were, at the new address."
	change.Errors = []int{http.StatusNotFound, http.StatusConflict}
	registerOpen(a, a.visits, change, a.changeSubscription)
}

func (a *API) putVisitor(ctx context.Context, in *postIn[VisitorIn]) (*body[VisitorSaved], error) {
	s, err := in.Body.Subscription.read(in.Body.KeyID, in.Body.Language, a.d.Now())
	if err != nil {
		return nil, err
	}
	s.Created, s.Seen = day(s.Created), day(s.Seen)
	want := push.Want{Components: in.Body.Components, MinImpact: push.Impact(in.Body.MinImpact), Incident: in.Body.Incident}
	for _, k := range in.Body.Kinds {
		want.Kinds = append(want.Kinds, push.Kind(k))
	}
	page := in.Body.Page
	if page == "" {
		page = mainPage
	}
	s.Pages = []push.Follow{{PageID: page, Wants: []push.Want{want}}}
	current, err := a.acceptable(ctx, &s)
	if err != nil {
		return nil, err
	}
	if err := a.mayHear(ctx, page, &want); err != nil {
		return nil, err
	}
	replaces, err := in.Body.Replaces.subscription("replaces")
	if err != nil {
		return nil, err
	}
	old, err := a.held(ctx, &s)
	stranger := errors.Is(err, errNotHolder)
	if err != nil && !stranger {
		return nil, err
	}
	if old.Follows(page) == nil {
		// A contact's device and a stranger's count as any newcomer: who asks here
		// learns of none.
		remote, _ := ctx.Value(remoteKey{}).(string)
		if wait := a.newcomers.take(remote); wait > 0 {
			return nil, huma.ErrorWithHeaders(tooMany(wait), http.Header{"Retry-After": {seconds(wait)}})
		}
	}
	if stranger {
		// Whoever has the address alone changes nothing.
		return give(VisitorSaved{KeyID: current.ID}), nil
	}
	_, _, err = a.d.Store.SaveSubscription(ctx, s, replaces)
	// Taken is what somebody has since a moment ago, with another secret: as above.
	if err != nil && !errors.Is(err, fault.ErrTaken) {
		return nil, err
	}
	return give(VisitorSaved{KeyID: current.ID}), nil
}

// Visitors are those who look at public pages; *page.Site knows them.
type Visitors interface {
	// MaySee says whether who sends a request may see a page; a page that there
	// is not nobody may see.
	MaySee(pageID string, r *http.Request) bool
	// CheckWant answers a *status.FieldError for what the page does not show.
	CheckWant(pageID string, w *push.Want) error
}

// askedKey is where a handler of an open route finds the request as it came, for
// Visitors alone.
type askedKey struct{}

// mayHear refuses a page that whoever asks may not see, and what that page does
// not show. Whether there is a page is not to be learnt from the answer.
func (a *API) mayHear(ctx context.Context, pageID string, w *push.Want) error {
	if a.d.Visitors == nil {
		return nil
	}
	asked, _ := ctx.Value(askedKey{}).(*http.Request)
	if asked == nil || !a.d.Visitors.MaySee(pageID, asked) {
		return problem(http.StatusNotFound, "There is no such page, or it is not for everybody: open the page first, and subscribe there.",
			&huma.ErrorDetail{Location: "body.page", Message: "is no page that you may see; open it first, and subscribe there"})
	}
	err := a.d.Visitors.CheckWant(pageID, w)
	var f *status.FieldError
	if errors.As(err, &f) {
		return fieldProblem(f.Field, f.Problem+"; "+f.Mend, nil)
	}
	return err
}

// wantOf is what a browser wants of a page, of the first that it follows where
// none is named; of one incident where that is named, or is all that it wants.
func wantOf(s *push.Subscription, page, incident string) (out WantOut, found bool) {
	if page == "" && s.Subscribed() {
		page = s.Pages[0].PageID
	}
	f := s.Follows(page)
	want := f.Of(incident)
	if want == nil && f != nil && incident == "" {
		want = &f.Wants[len(f.Wants)-1]
	}
	if want == nil {
		return out, false
	}
	out = WantOut{
		Page: page, Pages: []string{}, Incidents: []string{}, Components: words(want.Components), Kinds: words(want.Kinds),
		MinImpact: string(want.MinImpact), Incident: want.Incident, Language: s.Language, KeyID: s.KeyID,
	}
	for _, p := range s.Pages {
		out.Pages = append(out.Pages, p.PageID)
	}
	for _, w := range f.Wants {
		if w.Incident != "" {
			out.Incidents = append(out.Incidents, w.Incident)
		}
	}
	return out, true
}

// day is the day of t: more is not to be known of a visitor.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// holder answers the subscription that somebody proves to have; a problem 404
// for an unknown one and for a wrong secret alike.
func (a *API) holder(ctx context.Context, h Holder) (push.Subscription, error) {
	s, err := h.subscription("body")
	if err != nil {
		return push.Subscription{}, errUnknownSubscription()
	}
	old, err := a.held(ctx, s)
	if errors.Is(err, errNotHolder) || (err == nil && old.ID == "") {
		return old, errUnknownSubscription()
	}
	return old, err
}

func errUnknownSubscription() error {
	return problem(http.StatusNotFound, "There is no such subscription; subscribe anew.")
}

func (a *API) changeSubscription(ctx context.Context, in *postIn[ChangeIn]) (*body[VisitorSaved], error) {
	s, err := in.Body.Subscription.read(in.Body.KeyID, "", a.d.Now())
	if err != nil {
		return nil, err
	}
	old, err := a.holder(ctx, in.Body.Old)
	if err != nil {
		return nil, err
	}
	s.Language = old.Language
	if old.Visitor() {
		s.Pages = old.Pages
		s.Created, s.Seen = day(s.Created), day(s.Seen)
	} else {
		s.UserID, s.Name = old.UserID, old.Name // its pages go with it
	}
	current, err := a.acceptable(ctx, &s)
	if err != nil {
		return nil, err
	}
	switch now, err := a.held(ctx, &s); {
	case errors.Is(err, errNotHolder):
		return nil, errUnknownSubscription()
	case err != nil:
		return nil, err
	case old.UserID != "" && now.UserID != "" && now.UserID != old.UserID:
		return nil, errUnknownSubscription() // the new address is somebody's already
	}
	_, _, err = a.d.Store.SaveSubscription(ctx, s, &push.Subscription{Endpoint: old.Endpoint, Auth: old.Auth})
	if errors.Is(err, fault.ErrTaken) {
		return nil, errUnknownSubscription()
	}
	if err != nil {
		return nil, err
	}
	return give(VisitorSaved{KeyID: current.ID}), nil
}

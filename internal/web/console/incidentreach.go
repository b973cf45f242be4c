package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/words"
)

// reachView is who would be told, before anything is published.
type reachView struct {
	Nothing bool // nobody is told of such a change
	Silent  bool
	Lines   []reachLine
	Total   int    // of the most that hear of one of it
	Button  string // what the button that publishes says
}

type reachLine struct {
	Kind     string
	On       bool // the page tells of such at all
	Total    int
	Channels []reachChannel
}

type reachChannel struct {
	Name string
	N    int
}

// verb is what the button says that sends a form.
func (w *writing) verb() string {
	switch w.mode {
	case writeNew, writeDraft, asStored:
		return "Publish"
	case writeUpdate:
		return "Publish update"
	case writePostmortem:
		if text(w.in, "body") == "" {
			return "Take it away"
		}
		return "Publish postmortem"
	}
	return "Save"
}

// reach answers who would be told of what a form says.
func (c *console) reach(ctx context.Context, w *writing) (reachView, error) {
	kind := w.kind()
	view := reachView{Nothing: kind == "", Silent: w.silent(), Button: w.verb()}
	if view.Nothing {
		return view, nil
	}
	if view.Silent {
		view.Button += " silently"
		return view, nil
	}
	i := w.incident(c.Now())
	add := func(kind push.Kind, impact status.Impact, components []string, of string) error {
		r, err := c.Desk.Reach(ctx, w.page.ID, kind, impact, components, of)
		if err != nil {
			return err
		}
		line := reachLine{Kind: kindOf(kind), On: r.On}
		for name, n := range r.Channels {
			line.Channels = append(line.Channels, reachChannel{channelWord(name), n})
			line.Total += n
		}
		slices.SortFunc(line.Channels, func(a, b reachChannel) int { return strings.Compare(a.Name, b.Name) })
		view.Lines, view.Total = append(view.Lines, line), max(view.Total, line.Total)
		return nil
	}
	if err := add(kind, i.Impact, i.Components, w.stored.ID); err != nil {
		return view, err
	}
	downs, ups, worst := w.moves(&i)
	if len(downs) > 0 && publish.Triggered(&w.page, push.ComponentDown) {
		impact := status.ImpactMajor
		if worst == status.Major {
			impact = status.ImpactCritical
		}
		if err := add(push.ComponentDown, impact, downs, ""); err != nil {
			return view, err
		}
	}
	if len(ups) > 0 && publish.Triggered(&w.page, push.ComponentRecovered) {
		if err := add(push.ComponentRecovered, status.ImpactCritical, ups, ""); err != nil {
			return view, err
		}
	}
	if view.Total > 0 {
		view.Button += " and tell " + count(view.Total, "visitor", "visitors")
	}
	return view, nil
}

// moves are the components that go down or work again with what is published, as
// visitors hear of it.
func (w *writing) moves(i *status.Incident) (downs, ups []string, worst status.State) {
	if len(i.Updates) == 0 || w.mode == writePostmortem {
		return nil, nil, ""
	}
	u := &i.Updates[len(i.Updates)-1]
	if publish.ByAlerts(u) {
		return nil, nil, "" // that was told when the alerts came
	}
	worst = status.Operational
	for _, ch := range u.Changes {
		at := slices.IndexFunc(w.parts, func(c status.Component) bool { return c.ID == ch.ComponentID })
		if at < 0 || w.parts[at].Hidden {
			continue
		}
		was, is := w.parts[at].State.Rank() >= status.Partial.Rank(), ch.To.Rank() >= status.Partial.Rank()
		switch {
		case is && !was:
			downs, worst = append(downs, ch.ComponentID), status.Worst(worst, ch.To)
		case was && !is:
			ups = append(ups, ch.ComponentID)
		}
	}
	return downs, ups, worst
}

// sent is the form that a preview or a count of who is told is asked for.
func (c *console) sent(v *visit) (*writing, error) {
	in := v.URL.Query()
	if v.Method == http.MethodPost {
		in = v.PostForm
	}
	mode := in.Get("mode")
	if mode == "" {
		mode = asStored
	}
	if mode == writeNew {
		return c.writing(v, mode, "", in)
	}
	return c.writing(v, mode, in.Get("id"), in)
}

func (c *console) incidentReach(w http.ResponseWriter, v *visit) error {
	x, err := c.sent(v)
	if err != nil {
		return err
	}
	view, err := c.reach(v.Context(), x)
	if err != nil {
		return err
	}
	c.write(w, v.Request, http.StatusOK, "incident-edit", "reach", view)
	return nil
}

// previewPolicy is that of the page in the editor's frame: nothing runs in it, and
// it stands in our own pages alone.
const previewPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-same-origin"

func (c *console) previewIncident(w http.ResponseWriter, v *visit) error {
	x, err := c.sent(v)
	if err != nil {
		return err
	}
	if c.Preview == nil {
		return fmt.Errorf("preview: %w", fault.ErrNotFound)
	}
	body, err := c.Preview(v.Context(), x.page.ID, x.incident(v.now), x.in.Get("lang"))
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Security-Policy", previewPolicy)
	h.Set("X-Frame-Options", "SAMEORIGIN")
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(body)
	return nil
}

// languages are those that a preview can be seen in, the page's own chosen.
var languages = sync.OnceValue(func() words.Languages {
	all, err := words.Load()
	if err != nil {
		return words.Languages{} // the site says so when it starts
	}
	return all
})

func languageOptions(chosen string, page status.Page) []option {
	if chosen == "" {
		if l := languages().For(page.Language, ""); l != nil {
			chosen = l.Tag
		}
	}
	var out []option
	for _, tag := range languages().Tags() {
		out = append(out, option{tag, languages()[tag].Name, tag == chosen})
	}
	return out
}

// previewAddress is where the frame begins.
func (w *writing) previewAddress() string {
	q := url.Values{"page": {w.page.ID}, "mode": {writeNew}}
	if w.stored.ID != "" {
		q = url.Values{"id": {w.stored.ID}}
	}
	return incidentsPath + "/preview?" + q.Encode()
}

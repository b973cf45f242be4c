// Package transfer is how a public page comes from elsewhere, and how it goes
// there: our own document, which holds all of a page but its visitors and its
// secrets, and the pages of Statuspage, Uptime Kuma and Cachet as their public
// interfaces give them.
//
// Our own document is read strictly: Read refuses what it does not know, and says
// where. What others give is read for what there is in it: whatever is missing,
// too long or unknown is left out, and a note says so.
//
//	doc, err := transfer.Read(file)
//	page, notes, err := transfer.Statuspage(now, bodies...)
//	page, notes, err := transfer.FetchStatuspage(ctx, get, "https://status.example.com", now)
//
// Everything here is pure: whoever calls gives the bytes, or a Get that fetches.
package transfer

import (
	"encoding/json"
	"time"

	"tocsin/internal/status"
)

// Format and Version name our own document.
const (
	Format  = "tocsin-status"
	Version = 1
)

// Where a page came from.
const (
	FromStatuspage = "statuspage"
	FromUptimeKuma = "uptime-kuma"
	FromCachet     = "cachet"
	FromATStatus   = "atstatus"
)

// Document is an export: everything of all pages, or of one.
type Document struct {
	Format   string    `json:"format"`
	Version  int       `json:"version"`
	Exported time.Time `json:"exported"`
	Program  string    `json:"program,omitempty"` // that wrote it, for people
	Pages    []Page    `json:"pages"`
}

// Page is all of one public page. Ids are those that things had where they came
// from; they name each other by them.
type Page struct {
	From string `json:"-"` // FromStatuspage …; empty: an export of ours

	ID       string          `json:"id"`
	Slug     string          `json:"slug"`
	Host     string          `json:"host,omitempty"`
	Main     bool            `json:"main,omitempty"`
	Name     string          `json:"name"`
	About    string          `json:"about,omitempty"`
	Language string          `json:"language,omitempty"`
	Zone     string          `json:"zone"`
	Accent   string          `json:"accent,omitempty"`
	Support  string          `json:"support,omitempty"`
	Triggers map[string]bool `json:"triggers,omitempty"`
	Private  Private         `json:"private,omitzero"`
	Logo     *Logo           `json:"logo,omitempty"`
	Created  time.Time       `json:"created,omitzero"`
	Closed   string          `json:"closed,omitempty"` // last date whose days are closed
	Kept     time.Time       `json:"kept,omitzero"`    // intervals that ended before may be gone

	Groups       []Group       `json:"groups,omitempty"`
	Components   []Component   `json:"components,omitempty"`
	Incidents    []Incident    `json:"incidents,omitempty"`
	Maintenances []Maintenance `json:"maintenances,omitempty"`
	Series       []Series      `json:"series,omitempty"`
	Templates    []Template    `json:"templates,omitempty"`
	Audit        []Audit       `json:"audit,omitempty"`
}

// Private says who may see the page. The password itself is in no export.
type Private struct {
	Password bool     `json:"password,omitempty"`
	SignedIn bool     `json:"signed_in,omitempty"`
	Networks []string `json:"networks,omitempty"`
}

// Logo is the page's picture, PNG or JPEG.
type Logo struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Body    []byte    `json:"body"` // base64
	Created time.Time `json:"created,omitzero"`
}

// Group is a heading over components.
type Group struct {
	ID       string    `json:"id"`
	ParentID string    `json:"parent_id,omitempty"`
	Name     string    `json:"name"`
	About    string    `json:"about,omitempty"`
	Position int       `json:"position"`
	Open     bool      `json:"open,omitempty"`
	Created  time.Time `json:"created,omitzero"`
}

// Component is a component with all that was recorded of it.
type Component struct {
	ID        string           `json:"id"`
	GroupID   string           `json:"group_id,omitempty"`
	Name      string           `json:"name"`
	About     string           `json:"about,omitempty"`
	Link      string           `json:"link,omitempty"`
	Position  int              `json:"position"`
	Hidden    bool             `json:"hidden,omitempty"`
	State     status.State     `json:"state"`
	Since     time.Time        `json:"since,omitzero"`
	ByHand    bool             `json:"by_hand,omitempty"`
	Created   time.Time        `json:"created,omitzero"`
	Bindings  []status.Binding `json:"bindings,omitempty"`
	Intervals []Interval       `json:"intervals,omitempty"` // in order
	Days      []Days           `json:"days,omitempty"`      // in order
}

// Interval is for how long it had a state; only the last one has no end.
type Interval struct {
	State status.State `json:"state"`
	Start time.Time    `json:"start"`
	End   time.Time    `json:"end,omitzero"`
	By    string       `json:"by,omitempty"`
}

// Days are closed days that follow each other and are alike.
type Days struct {
	From    string               `json:"from"`
	To      string               `json:"to"`
	Seconds map[status.State]int `json:"seconds"` // of each day
	Worst   status.State         `json:"worst"`
}

// Incident is an incident with its updates, oldest first.
type Incident struct {
	ID         string        `json:"id"`
	Title      string        `json:"title"`
	Phase      status.Phase  `json:"phase"`
	Impact     status.Impact `json:"impact"`
	Draft      bool          `json:"draft,omitempty"`
	Automatic  bool          `json:"automatic,omitempty"`
	PublishAt  time.Time     `json:"publish_at,omitzero"`
	Created    time.Time     `json:"created,omitzero"`
	Started    time.Time     `json:"started"`
	ResolvedAt time.Time     `json:"resolved_at,omitzero"`
	Components []string      `json:"components,omitempty"`
	AlertIDs   []string      `json:"alert_ids,omitempty"`
	Postmortem string        `json:"postmortem,omitempty"`
	Updates    []Update      `json:"updates,omitempty"`
}

// Update is one message of an incident or a maintenance.
type Update struct {
	ID      string       `json:"id"`
	Phase   status.Phase `json:"phase"`
	Body    string       `json:"body"`
	At      time.Time    `json:"at"`
	Posted  time.Time    `json:"posted,omitzero"`
	By      string       `json:"by,omitempty"`
	Silent  bool         `json:"silent,omitempty"`
	Changes []Change     `json:"changes,omitempty"`
}

// Change is what an update made of a component.
type Change struct {
	ComponentID string       `json:"component_id"`
	From        status.State `json:"from,omitempty"`
	To          status.State `json:"to"`
}

// Maintenance is announced work with its updates, oldest first.
type Maintenance struct {
	ID         string        `json:"id"`
	Title      string        `json:"title"`
	Phase      status.Phase  `json:"phase"`
	Impact     status.Impact `json:"impact"`
	Components []string      `json:"components,omitempty"`
	Start      time.Time     `json:"start"`
	End        time.Time     `json:"end"`
	Ended      time.Time     `json:"ended,omitzero"` // when it was completed or cancelled
	AutoStart  bool          `json:"auto_start,omitempty"`
	AutoEnd    bool          `json:"auto_end,omitempty"`
	Automatic  bool          `json:"automatic,omitempty"`
	Series     string        `json:"series,omitempty"`
	Reminded   []string      `json:"reminded,omitempty"`
	Created    time.Time     `json:"created,omitzero"`
	Updates    []Update      `json:"updates,omitempty"`
}

// Series is maintenance that comes again.
type Series struct {
	ID         string        `json:"id"`
	Title      string        `json:"title"`
	Body       string        `json:"body"`
	Components []string      `json:"components,omitempty"`
	Impact     status.Impact `json:"impact"`
	Rule       string        `json:"rule"`
	Zone       string        `json:"zone"`
	Start      time.Time     `json:"start"`
	Minutes    int           `json:"minutes"`
	Until      time.Time     `json:"until,omitzero"`
	Planned    time.Time     `json:"planned,omitzero"` // begin of the last one that was announced
}

// Template is a prepared text.
type Template struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	Title      string        `json:"title,omitempty"`
	Body       string        `json:"body,omitempty"`
	Phase      status.Phase  `json:"phase,omitempty"`
	Impact     status.Impact `json:"impact,omitempty"`
	Components []string      `json:"components,omitempty"`
}

// Audit is one line of the audit trail, in the order of their ids.
type Audit struct {
	ID        string          `json:"id"`
	At        time.Time       `json:"at"`
	UserID    string          `json:"user_id,omitempty"`
	By        string          `json:"by,omitempty"`
	What      string          `json:"what"`
	SubjectID string          `json:"subject_id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Before    json.RawMessage `json:"before,omitempty"`
	After     json.RawMessage `json:"after,omitempty"`
}

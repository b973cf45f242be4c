// Package publish is the desk of the public status pages: whatever visitors can
// see is changed here. Each change is one transaction, with the rows, what was
// recorded of components, the page's version, the line of the audit trail and
// the messages to visitors in it.
//
// A Desk has three users: people (SavePage, OpenIncident, PostUpdate …), the
// clock (RunClock: maintenance, reminders, days that end) and alerts (RunAlerts).
// Any number of nodes may run both loops: all changes of a page are made one
// after the other, and each looks again, once it has its turn, whether what it
// came for is still to be done.
package publish

import (
	"context"
	"encoding/json"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/push"
	"tocsin/internal/status"
)

// Store is what the desk needs of the database.
type Store interface {
	// ChangePage runs fn in one write transaction while nobody else changes the
	// page; fn's error rolls it back. It may run again after a deadlock.
	// fault.ErrNotFound if there is no such page; the empty id is for a new one.
	ChangePage(ctx context.Context, pageID string, fn func(ctx context.Context, tx Tx) error) error
	// StatusPages are all pages, each with the version that it has.
	StatusPages(ctx context.Context) ([]status.Page, error)
	// PageOf answers the page that something belongs to; fault.ErrNotFound if
	// there is no such thing.
	PageOf(ctx context.Context, of Subject, id string) (pageID string, err error)
	// Audience is who would get a message to all of a page now.
	Audience(ctx context.Context, pageID string) (Audience, error)
	// Interested counts who would be told of a publication, by channel.
	Interested(ctx context.Context, p *push.Publication) (map[string]int, error)
	// Timetable is what the clock has to look at, of every page.
	Timetable(ctx context.Context) ([]Timetable, error)
	// Bound are the components that are bound to alerts, of every page.
	Bound(ctx context.Context) ([]Bound, error)
	// Troubles are the open alerts, and the objects in a downtime.
	Troubles(ctx context.Context) ([]Trouble, error)
	// Began answers since when open alerts have been in the state that they have,
	// by this hub's clock; those of which that is not known are left out.
	Began(ctx context.Context, alertIDs []string) (map[string]time.Time, error)
	// StatusImage answers a picture; fault.ErrNotFound if there is none.
	StatusImage(ctx context.Context, id string) (Image, error)
	// StatusWhole is everything of a page; fault.ErrNotFound if there is no such
	// page.
	StatusWhole(ctx context.Context, pageID string) (Whole, error)
}

// Tx is one write transaction at one page. Lists are in the order of their
// positions, else of their making.
type Tx interface {
	// Now is the database's time on PostgreSQL, this machine's on SQLite.
	Now() time.Time
	// Page is the page as it was when the transaction began, with the last date
	// whose days are closed ("" for none) and since when intervals are kept; nil
	// for a new one.
	Page() (p *status.Page, closed string, kept time.Time)
	// Raise says that visitors see something else from now on.
	Raise(ctx context.Context) error
	Audit(ctx context.Context, a Audit) error
	// Audits writes many lines at once.
	Audits(ctx context.Context, list []Audit) error
	// Publish has visitors told.
	Publish(ctx context.Context, p push.Publication, to Audience) error

	// SavePage inserts or updates; fault.ErrTaken for its slug or host. It leaves
	// Version alone.
	SavePage(ctx context.Context, p *status.Page) error
	DeletePage(ctx context.Context) error

	Groups(ctx context.Context) ([]status.Group, error)
	SaveGroup(ctx context.Context, g *status.Group) error
	DeleteGroup(ctx context.Context, id string) error
	Components(ctx context.Context) ([]status.Component, error)
	SaveComponent(ctx context.Context, c *status.Component) error
	DeleteComponent(ctx context.Context, id string) error

	// Incidents are those that are open, drafts too.
	Incidents(ctx context.Context) ([]status.Incident, error)
	// EndedDrafts are drafts of alerts that ended at a time or later, the oldest first.
	EndedDrafts(ctx context.Context, since time.Time) ([]status.Incident, error)
	// Incident is one of the page; fault.ErrNotFound if there is none.
	Incident(ctx context.Context, id string) (status.Incident, error)
	// SaveIncident inserts or updates all but its updates.
	SaveIncident(ctx context.Context, i *status.Incident) error
	DeleteIncident(ctx context.Context, id string) error
	// SaveUpdate inserts or updates an update of an incident or a maintenance.
	SaveUpdate(ctx context.Context, of string, u *status.Update) error

	// Maintenances are those that are not over.
	Maintenances(ctx context.Context) ([]status.Maintenance, error)
	Maintenance(ctx context.Context, id string) (status.Maintenance, error)
	// SaveMaintenance inserts or updates all but its updates. fault.ErrTaken when
	// its series has one at that time.
	SaveMaintenance(ctx context.Context, m *status.Maintenance) error
	DeleteMaintenance(ctx context.Context, id string) error
	// Series lists those of the page, each with the last time that was planned.
	Series(ctx context.Context) ([]Planned, error)
	SaveSeries(ctx context.Context, s *Planned) error
	DeleteSeries(ctx context.Context, id string) error
	// Begins are those of a series' maintenances from a time on, whatever became of
	// them.
	Begins(ctx context.Context, seriesID string, from time.Time) ([]time.Time, error)

	// Intervals are those that last after from, by component; of one component,
	// or of all where componentID is empty.
	Intervals(ctx context.Context, componentID string, from time.Time) (map[string][]status.Interval, error)
	// PutIntervals replaces those of a component that begin at from or later.
	PutIntervals(ctx context.Context, componentID string, from time.Time, list []status.Interval) error
	// SaveDays writes closed days down, in the place of those of the same dates.
	SaveDays(ctx context.Context, days []status.Day) error
	// Close says that the days up to a date are closed.
	Close(ctx context.Context, date string) error

	Templates(ctx context.Context) ([]Template, error)
	SaveTemplate(ctx context.Context, t *Template) error
	DeleteTemplate(ctx context.Context, id string) error
	SaveImage(ctx context.Context, i *Image) error
	// Images are the ids of the page's images.
	Images(ctx context.Context) ([]string, error)
	DeleteImage(ctx context.Context, id string) error

	// Bound and Troubles are as they are of Store, within this transaction and of
	// this page.
	Bound(ctx context.Context) ([]Bound, error)
	Troubles(ctx context.Context) ([]Trouble, error)
	SaveWatch(ctx context.Context, componentID string, w Watch) error

	Moves
}

// Subject is what a line of the audit trail is about.
type Subject string

// The subjects.
const (
	OfPage        Subject = "page"
	OfGroup       Subject = "group"
	OfComponent   Subject = "component"
	OfIncident    Subject = "incident"
	OfMaintenance Subject = "maintenance"
	OfSeries      Subject = "series"
	OfTemplate    Subject = "template"
	OfImage       Subject = "image"
)

// Audience is who a message to all of a page goes to, see Publish.
type Audience struct {
	Expected int64
	Until    string
}

// Audit is one line of the audit trail.
type Audit struct {
	ID        string // UUIDv7
	PageID    string
	At        time.Time
	UserID    string // empty when the clock or an alert did it
	By        string // for people
	What      string // "incident.open", see the desk's methods
	SubjectID string
	Name      string          // of the subject, as it was then
	Before    json.RawMessage // nil: there was none
	After     json.RawMessage // nil: there is none any more
}

// AuditFilter narrows a list of the audit trail.
type AuditFilter struct {
	PageID    string // empty: of all pages
	SubjectID string
	Limit     int // 1 to 500; 0 is 100
	Cursor    string
}

// Which narrows a list by how far something is; the empty one is all.
type Which string

// What can be asked for: Open is what is public and not over.
const (
	Open     Which = "open"
	Over     Which = "over"
	Drafts   Which = "draft"    // of incidents
	Upcoming Which = "upcoming" // of maintenances: those that have not begun
	Active   Which = "active"   // of maintenances
)

// IncidentFilter narrows a list of incidents.
type IncidentFilter struct {
	PageID   string // empty: of all pages
	Which    Which
	AlertID  string    // those that it belongs to
	From, To time.Time // began then; zero: whenever
	Limit    int       // 1 to 500; 0 is 100
	Cursor   string
}

// MaintenanceFilter narrows a list of maintenances.
type MaintenanceFilter struct {
	PageID   string // empty: of all pages
	Which    Which
	From, To time.Time // lie at least partly within; zero: whenever
	Limit    int       // 1 to 500; 0 is 100
	Cursor   string
}

// Template is a prepared text.
type Template struct {
	ID         string        `json:"id"`
	PageID     string        `json:"page_id"`
	Name       string        `json:"name"` // for who writes
	Title      string        `json:"title"`
	Body       string        `json:"body"` // Markdown
	Phase      status.Phase  `json:"phase"`
	Impact     status.Impact `json:"impact"`
	Components []string      `json:"components,omitempty"`
}

// Image is a picture that a page shows, PNG or JPEG.
type Image struct {
	ID, PageID string
	Kind       string // image/png or image/jpeg
	Body       []byte // at most MaxImage
	Created    time.Time
}

// Planned is a series with the begin of the last maintenance that was made of it.
type Planned struct {
	status.Series
	Last time.Time // zero: none yet
}

// Timetable is what the clock has to look at of one page.
type Timetable struct {
	Page         status.Page
	Closed       string // last date whose days are closed
	Maintenances []status.Maintenance
	Series       []Planned
	Drafts       []time.Time // when drafts are to be published
}

// Watch is what alerts and downtimes last said of a component.
type Watch struct {
	State    status.State
	Downtime bool
}

// Bound is a component that is bound to alerts.
type Bound struct {
	Component  status.Component
	Watch      Watch
	Maintained bool // work goes on at it, of which the page tells; known where a binding makes maintenance of downtimes
}

// Trouble is an open alert; AlertID is empty for an object that is only in a
// downtime.
type Trouble struct {
	AlertID string
	State   alert.State
	Since   time.Time
	Object  alert.Object
	began   time.Time // in this state, as far as it matters
}

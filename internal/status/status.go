// Package status is what the public is told: pages with their components,
// incidents, maintenance, and how available it all was.
//
// Everything here is pure: it takes what was recorded and the time, and answers
// what is true. Snapshot puts a whole page together, for people and machines
// alike; whoever renders adds nothing of its own.
package status

import (
	"slices"
	"time"
)

// State is how a component does, in Statuspage's words.
type State string

// The states, from good to bad. Maintenance is announced, so it is not as bad as
// any trouble, and never hides one. NoData is only ever a day's, never a component's.
const (
	Operational State = "operational"
	Maintained  State = "under_maintenance"
	Degraded    State = "degraded_performance"
	Partial     State = "partial_outage"
	Major       State = "major_outage"
	NoData      State = "no_data"
)

// States are those that a component can have, from good to bad.
func States() []State { return []State{Operational, Maintained, Degraded, Partial, Major} }

// Rank orders states, 0 for Operational to 4 for Major; -1 for what is none.
func (s State) Rank() int { return slices.Index(States(), s) }

// Worst is the worst of states, Operational when there is none.
func Worst(states ...State) State {
	worst := Operational
	for _, s := range states {
		if s.Rank() > worst.Rank() {
			worst = s
		}
	}
	return worst
}

// Impact is how bad an incident is for visitors.
type Impact string

// The impacts, from harmless to worst.
const (
	ImpactNone     Impact = "none"
	ImpactMinor    Impact = "minor"
	ImpactMajor    Impact = "major"
	ImpactCritical Impact = "critical"
)

// Phase is where an incident or a maintenance stands.
type Phase string

// The phases of an incident, and those of a maintenance.
const (
	Investigating Phase = "investigating"
	Identified    Phase = "identified"
	Monitoring    Phase = "monitoring"
	Resolved      Phase = "resolved"
	Postmortem    Phase = "postmortem"

	Scheduled  Phase = "scheduled"
	InProgress Phase = "in_progress"
	Verifying  Phase = "verifying"
	Completed  Phase = "completed"
	Cancelled  Phase = "cancelled"
)

// Page is one public page.
type Page struct {
	ID       string
	Slug     string // in its address: /s/SLUG; one page is the main one, at /
	Host     string // a host name of its own; empty: none
	Main     bool
	Name     string
	About    string          // Markdown, above the components
	Language string          // BCP 47; for visitors whose own we do not have
	Zone     string          // IANA; for visitors without JavaScript, and for days
	Accent   string          // #rrggbb; empty: ours
	Logo     string          // id of an image here; empty: the name is shown
	Support  string          // https or mailto, "Get help"; empty: none
	Triggers map[string]bool // what visitors are told of at all, by push.Kind
	Private  Private
	Version  int64 // rises with every change that visitors can see
	Created  time.Time
}

// Private says who may see a page; the zero value is everybody.
type Private struct {
	PasswordHash string
	SignedIn     bool
	Networks     []string // CIDR
}

// Group is a heading over components; it may stand in another one, once.
type Group struct {
	ID, PageID, ParentID string
	Name, About          string
	Position             int
	Open                 bool // unfolded even when all is well
	Created              time.Time
}

// Component is one thing that visitors know by name.
type Component struct {
	ID, PageID, GroupID string
	Name, About, Link   string
	Position            int
	Hidden              bool  // kept with its history, not shown
	State               State // as a person or an alert has it, without maintenance
	Since               time.Time
	ByHand              bool // a person set State: automation leaves it alone until it agrees
	Created             time.Time
	Bindings            []Binding
}

// Binding says what of the engines a component stands for.
type Binding struct {
	SourceIDs []string          `json:"source_ids,omitempty"`
	Hosts     []string          `json:"hosts,omitempty"` // globs
	Services  []string          `json:"services,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	States    map[string]State  `json:"states,omitempty"` // alert state to ours; missing: DefaultStates
	HoldDown  int               `json:"hold_down_seconds,omitempty"`
	Incident  string            `json:"incident,omitempty"` // "" none, "draft", "publish"
	After     int               `json:"publish_after_minutes,omitempty"`
	Downtime  bool              `json:"downtime,omitempty"` // a downtime there is a maintenance here
}

// Incident is something that went wrong, as the public is told.
type Incident struct {
	ID, PageID string
	Title      string
	Phase      Phase
	Impact     Impact
	Draft      bool
	Automatic  bool      // made by alerts; ends to be so with the first edit of a person
	PublishAt  time.Time // of an automatic draft: when it is published unless a person acts; zero: never by itself
	Created    time.Time
	Started    time.Time // may lie before Created
	ResolvedAt time.Time
	Components []string
	Updates    []Update // oldest first
	AlertIDs   []string
	Postmortem string // Markdown
}

// Update is one message of an incident or maintenance.
type Update struct {
	ID      string
	Phase   Phase
	Body    string    // Markdown
	At      time.Time // shown; may be backdated
	Posted  time.Time
	By      string // for the audit trail; not shown
	Changes []Change
	Silent  bool
}

// Change is what an update made of a component.
type Change struct {
	ComponentID string
	From, To    State
}

// Maintenance is announced work.
type Maintenance struct {
	ID, PageID string
	Title      string
	Phase      Phase
	Impact     Impact
	Components []string
	Start, End time.Time
	Updates    []Update
	AutoStart  bool
	AutoEnd    bool
	Series     string   // id of what it recurs by; empty: once
	Reminded   []string // "24h", "1h"
	Automatic  bool     // made by a downtime in an engine; ends to be so with the first edit of a person
	Created    time.Time
}

// Series is maintenance that comes again.
type Series struct {
	ID, PageID  string
	Title, Body string
	Components  []string
	Impact      Impact
	Rule        string // RFC 5545 RRULE
	Zone        string
	Start       time.Time // of the first
	Minutes     int
	Until       time.Time
}

// Interval is for how long a component had a state. End is zero while it lasts.
type Interval struct {
	ComponentID string
	State       State
	Start, End  time.Time
	By          string // "alert Disk on db01", "Mira Sand", "maintenance …"
}

// Day is one closed day of a component, frozen: seconds in each state.
type Day struct {
	ComponentID string
	Date        string        // 2006-01-02 in the page's zone
	Seconds     map[State]int // NoData where nothing was recorded
	Worst       State
}

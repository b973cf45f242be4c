package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
	rules "tocsin/internal/route"
	"tocsin/internal/web"
)

// GroupIn is what a group is made of.
type GroupIn struct {
	Name        string   `json:"name" minLength:"1" maxLength:"100" example:"operators"`
	Description string   `json:"description,omitempty" maxLength:"500"`
	ContactIDs  []string `json:"contact_ids,omitempty" maxItems:"5000" doc:"Its contacts"`
	ScheduleIDs []string `json:"schedule_ids,omitempty" maxItems:"200" doc:"Whoever is on call there belongs to it at that moment"`
}

// GroupOut is several contacts under one name.
type GroupOut struct {
	ID          string   `json:"id"`
	Name        string   `json:"name" example:"operators"`
	Description string   `json:"description"`
	ContactIDs  []string `json:"contact_ids"`
	ScheduleIDs []string `json:"schedule_ids"`
}

func (a *API) groupRoutes() {
	st := a.d.Store
	registerCRUD(a, crud[GroupIn, GroupOut, contact.Group]{
		tag: "contacts", path: "/groups", one: "group", many: "groups", read: readConfig(), write: writeConfig(),
		list: st.Groups, get: st.Group, save: st.SaveGroup, remove: st.DeleteGroup,
		key: func(g contact.Group) string { return strings.ToLower(g.Name) + "\x00" + g.ID },
		out: func(g contact.Group) GroupOut {
			return GroupOut{ID: g.ID, Name: g.Name, Description: g.Description, ContactIDs: words(g.ContactIDs), ScheduleIDs: words(g.ScheduleIDs)}
		},
		fill: func(ctx context.Context, id string, in GroupIn) (contact.Group, error) {
			g := contact.Group{ID: id, Name: strings.TrimSpace(in.Name), Description: in.Description, ContactIDs: distinct(in.ContactIDs), ScheduleIDs: distinct(in.ScheduleIDs)}
			return g, web.CheckGroup(ctx, st, g)
		},
	})
}

// distinct drops repeats and keeps the order.
func distinct(in []string) []string {
	out := make([]string, 0, len(in))
	for _, s := range in {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// RuleIn is what a rule is made of. Conditions that are left out fit everything.
type RuleIn struct {
	Name       string            `json:"name" minLength:"1" maxLength:"100" example:"Night shift"`
	Position   int               `json:"position,omitempty" minimum:"0" maximum:"1000000" doc:"Rules are looked at in this order"`
	Enabled    *bool             `json:"enabled,omitempty" doc:"None: true"`
	SourceIDs  []string          `json:"source_ids,omitempty" doc:"Of these sources"`
	Hosts      []string          `json:"hosts,omitempty" doc:"Patterns with * and ?" example:"[\"web*\"]"`
	Services   []string          `json:"services,omitempty" doc:"Patterns with * and ?; an empty one fits the host itself"`
	States     []string          `json:"states,omitempty" enum:"down,unreachable,warning,critical,unknown" doc:"The problem's state"`
	Labels     map[string]string `json:"labels,omitempty" doc:"Label to pattern"`
	ContactIDs []string          `json:"contact_ids,omitempty" doc:"Whom it tells"`
	GroupIDs   []string          `json:"group_ids,omitempty" doc:"Groups that it tells"`
	Rooms      []string          `json:"rooms,omitempty" doc:"Ids of rooms of Mattermost that get it"`
	Hooks      []string          `json:"hooks,omitempty" doc:"Ids of webhooks that get it"`
	Schedules  []string          `json:"schedule_ids,omitempty" doc:"Schedules: whoever is on call there is told"`
	PolicyID   string            `json:"policy_id,omitempty" maxLength:"100" doc:"Escalation policy: what is done while nobody takes it. Of the rules that fit, the first that names one counts"`
	Channels   []string          `json:"channels,omitempty" doc:"By which channels; none: all that the contact has" example:"[\"browser\"]"`
	Stop       bool              `json:"stop,omitempty" doc:"Rules after it are not looked at when it fits"`
}

// RuleOut says which contacts hear of which alerts.
type RuleOut struct {
	ID         string            `json:"id"`
	Name       string            `json:"name" example:"Night shift"`
	Position   int               `json:"position"`
	Enabled    bool              `json:"enabled"`
	SourceIDs  []string          `json:"source_ids"`
	Hosts      []string          `json:"hosts"`
	Services   []string          `json:"services"`
	States     []string          `json:"states"`
	Labels     map[string]string `json:"labels"`
	ContactIDs []string          `json:"contact_ids"`
	GroupIDs   []string          `json:"group_ids"`
	Rooms      []string          `json:"rooms"`
	Hooks      []string          `json:"hooks"`
	Schedules  []string          `json:"schedule_ids"`
	PolicyID   string            `json:"policy_id"`
	Channels   []string          `json:"channels"`
	Stop       bool              `json:"stop"`
}

func ruleOut(r rules.Rule) RuleOut {
	labels := r.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	return RuleOut{
		ID: r.ID, Name: r.Name, Position: r.Position, Enabled: r.Enabled, SourceIDs: words(r.SourceIDs), Hosts: words(r.Hosts),
		Services: words(r.Services), States: words(r.States), Labels: labels, ContactIDs: words(r.ContactIDs),
		GroupIDs: words(r.GroupIDs), Rooms: words(r.Rooms), Hooks: words(r.Hooks), Schedules: words(r.ScheduleIDs), PolicyID: r.PolicyID, Channels: words(r.Channels), Stop: r.Stop,
	}
}

func (a *API) ruleRoutes() {
	st := a.d.Store
	registerCRUD(a, crud[RuleIn, RuleOut, rules.Rule]{
		tag: "contacts", path: "/rules", one: "rule", many: "rules", read: readConfig(), write: writeConfig(),
		list: st.Rules, get: st.Rule, save: st.SaveRule, remove: st.DeleteRule, out: ruleOut, fill: a.fillRule,
		key: func(r rules.Rule) string { return fmt.Sprintf("%010d\x00%s", r.Position, r.ID) },
	})
}

func (a *API) fillRule(ctx context.Context, id string, in RuleIn) (rules.Rule, error) {
	r := rules.Rule{
		ID: id, Name: strings.TrimSpace(in.Name), Position: in.Position, Enabled: in.Enabled == nil || *in.Enabled,
		SourceIDs: distinct(in.SourceIDs), Hosts: in.Hosts, Services: in.Services, Labels: in.Labels,
		States:     each(in.States, func(s string) alert.State { return alert.State(s) }),
		ContactIDs: distinct(in.ContactIDs), GroupIDs: distinct(in.GroupIDs), Rooms: distinct(in.Rooms), Hooks: distinct(in.Hooks), ScheduleIDs: distinct(in.Schedules), PolicyID: in.PolicyID, Channels: distinct(in.Channels), Stop: in.Stop,
	}
	return r, web.CheckRule(ctx, a.d.Store, r)
}

package console

import (
	"net/http"
	"net/url"
	"slices"

	"tocsin/internal/delivery"
	"tocsin/internal/route"
)

type deliveriesView struct {
	shell
	Queue    delivery.Queue
	States   []option
	Channels []option
	Contacts []option
	Rows     []delivery.Delivery
	Older    string
	First    string
	Narrow   bool
	Together string // a digest, or a storm: what the list is narrowed to
	Storm    string
	Bundle   string
}

func (c *console) deliveries(w http.ResponseWriter, v *visit) error {
	ctx := v.Context()
	in := v.URL.Query()
	f := delivery.Filter{Channel: in.Get("channel"), ContactID: in.Get("contact"), Storm: in.Get("storm"), Bundle: in.Get("bundle"), Cursor: in.Get("cursor"), Limit: 100}
	q := url.Values{}
	for _, key := range []string{"state", "channel", "contact", "storm", "bundle"} {
		if s := in.Get(key); s != "" {
			q.Set(key, s)
		}
	}
	all := []delivery.State{delivery.Waiting, delivery.Collected, delivery.Handed, delivery.Sent, delivery.Expired, delivery.Cancelled, delivery.Dead, delivery.Skipped}
	if s := delivery.State(in.Get("state")); slices.Contains(all, s) {
		f.States = []delivery.State{s}
	}
	rows, next, err := c.Store.Deliveries(ctx, f)
	if err != nil {
		return err
	}
	queue, err := c.Store.QueueFigures(ctx)
	if err != nil {
		return err
	}
	contacts, err := c.Store.Contacts(ctx)
	if err != nil {
		return err
	}
	view := deliveriesView{shell: c.shell(w, v, "/console/deliveries", "Deliveries"), Queue: queue, Rows: v.linked(rows), Narrow: len(q) > 0,
		Storm: f.Storm, Bundle: f.Bundle}
	switch {
	case f.Bundle != "":
		view.Together = "What one message tells of"
	case f.Storm != "":
		view.Together = "One storm, or one stretch in which messages were held back"
	}
	view.States = []option{{"", "Any state", f.States == nil}}
	for _, s := range all {
		view.States = append(view.States, option{string(s), toldOf(s).Word, slices.Contains(f.States, s)})
	}
	view.Channels = append([]option{{"", "Any channel", f.Channel == ""}}, channelOptions([]string{f.Channel})...)
	view.Channels = append(view.Channels, option{route.Engine, channelWord(route.Engine), f.Channel == route.Engine})
	view.Contacts = []option{{"", "Any contact", f.ContactID == ""}}
	for _, k := range contacts {
		view.Contacts = append(view.Contacts, option{k.ID, contactLabel(k), f.ContactID == k.ID})
	}
	if f.Cursor != "" {
		view.First = "/console/deliveries?" + q.Encode()
	}
	if next != "" {
		q.Set("cursor", next)
		view.Older = "/console/deliveries?" + q.Encode()
	}
	return c.show(w, v, "deliveries", view)
}

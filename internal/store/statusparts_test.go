package store_test

import (
	"errors"
	"slices"
	"testing"

	"tocsin/internal/alert"
	"tocsin/internal/fault"
	desk "tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/store"
)

func TestThePartsOfAPage(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		ctx := t.Context()
		d, err := desk.New(db, desk.Options{})
		ok(t, err)
		who := desk.Who{Name: "Mira"}
		p, err := d.SavePage(ctx, who, status.Page{Slug: "main", Name: "Main", Zone: "UTC"})
		ok(t, err)
		g, err := d.SaveGroup(ctx, who, status.Group{PageID: p.ID, Name: "Shop"})
		ok(t, err)
		c, err := d.SaveComponent(ctx, who, status.Component{PageID: p.ID, GroupID: g.ID, Name: "Web", Bindings: []status.Binding{{Hosts: []string{"web*"}}}})
		ok(t, err)

		groups, parts, err := db.StatusParts(ctx, p.ID)
		ok(t, err)
		if len(groups) != 1 || groups[0].ID != g.ID || len(parts) != 1 || parts[0].ID != c.ID {
			t.Errorf("parts are %+v and %+v", groups, parts)
		}
		b, err := db.StatusComponent(ctx, c.ID)
		ok(t, err)
		if b.Component.GroupID != g.ID || len(b.Component.Bindings) != 1 || b.Watch.State != status.Operational {
			t.Errorf("component is %+v", b)
		}
		if got, err := db.StatusGroup(ctx, g.ID); err != nil || got.Name != "Shop" || got.PageID != p.ID {
			t.Errorf("group is %+v, %v", got, err)
		}
		if _, err := db.StatusComponent(ctx, "none"); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("no component: %v", err)
		}
		if _, err := db.StatusGroup(ctx, "none"); !errors.Is(err, fault.ErrNotFound) {
			t.Errorf("no group: %v", err)
		}
	})
}

func TestEachObjectIsLookedAt(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, _ func() *store.DB) {
		for n := range 5 {
			write(t, db, problem(n))
		}
		var hosts []string
		ok(t, db.EachObject(t.Context(), func(o *alert.Object) bool { hosts = append(hosts, o.Host); return true }))
		slices.Sort(hosts)
		if want := []string{"web0000", "web0001", "web0002", "web0003", "web0004"}; !slices.Equal(hosts, want) {
			t.Errorf("got %v", hosts)
		}
		n := 0
		ok(t, db.EachObject(t.Context(), func(*alert.Object) bool { n++; return n < 2 }))
		if n != 2 {
			t.Errorf("looked at %d after it had enough", n)
		}
	})
}

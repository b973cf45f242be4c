package store_test

import (
	"errors"
	"sync"
	"testing"

	"tocsin/internal/auth"
	"tocsin/internal/store"
)

// However many admins take one another's rights away at one moment, on however many
// nodes: one stays.
func TestOneAdminStays(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, another func() *store.DB) {
		ctx, ids := t.Context(), []string{"a", "b", "c", "d"}
		for _, id := range ids {
			ok(t, db.SaveUser(ctx, auth.User{ID: id, Name: id, Role: auth.Admin, CreatedAt: day()}))
		}
		var nodes []*auth.Service
		for _, d := range []*store.DB{db, another()} {
			s, err := auth.NewService(d, auth.Options{})
			ok(t, err)
			nodes = append(nodes, s)
		}
		off, viewer := true, auth.Viewer
		var all sync.WaitGroup
		refused := make(chan error, len(ids))
		for i, id := range ids {
			all.Go(func() {
				var err error
				switch s := nodes[i%2]; i {
				case 0:
					_, err = s.ChangeUser(ctx, id, auth.UserChange{Role: &viewer})
				case 1:
					_, err = s.ChangeUser(ctx, id, auth.UserChange{Disabled: &off})
				default:
					err = s.RemoveUser(ctx, id)
				}
				if err != nil {
					refused <- err
				}
			})
		}
		all.Wait()
		close(refused)
		n := 0
		for err := range refused {
			var field *auth.FieldError
			if n++; !errors.As(err, &field) {
				t.Error(err)
			}
		}
		us, err := db.Users(ctx)
		ok(t, err)
		left := 0
		for _, u := range us {
			if u.Role == auth.Admin && !u.Disabled {
				left++
			}
		}
		if n != 1 || left != 1 {
			t.Errorf("%d were refused, %d admins are left", n, left)
		}
	})
}

// Two who change different things of one user at one moment both have their way.
func TestChangesOfAUserAreBothKept(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB, another func() *store.DB) {
		ctx := t.Context()
		ok(t, db.SaveUser(ctx, auth.User{ID: "a", Name: "a", Role: auth.Admin, CreatedAt: day()}))
		ok(t, db.SaveUser(ctx, auth.User{ID: "u", Name: "u", Role: auth.Viewer, CreatedAt: day()}))
		other := another()
		inside, changed := make(chan struct{}), make(chan error, 1)
		go func() {
			<-inside
			_, _, err := other.ChangeUser(ctx, "u", func(u *auth.User, _ []auth.User) error { u.DisplayName = "You"; return nil })
			changed <- err
		}()
		var first sync.Once
		_, _, err := db.ChangeUser(ctx, "u", func(u *auth.User, _ []auth.User) error {
			first.Do(func() { close(inside) })
			u.Disabled = true
			return nil
		})
		ok(t, err)
		ok(t, <-changed)
		u, err := db.UserByID(ctx, "u")
		ok(t, err)
		if !u.Disabled || u.DisplayName != "You" {
			t.Errorf("%+v", u)
		}
	})
}

package dispatch

import (
	"context"
	"fmt"

	"tocsin/internal/alert"
)

// Rename gives an object its names for people, which were learned after the engine
// told of it; an empty one stays as it was. Open tabs draw it anew, and posts of
// its open alert are brought up to date quietly. Nothing changes where the names
// are these already. fault.ErrNotFound if there is no such object.
func (s *Service) Rename(ctx context.Context, objectID, hostDisplay, serviceDisplay string) error {
	_, err := s.call(ctx, &request{aside: true, act: func(w *work) (alert.Alert, error) {
		return alert.Alert{}, w.rename(objectID, hostDisplay, serviceDisplay)
	}})
	return err
}

func (w *work) rename(objectID, hostDisplay, serviceDisplay string) error {
	changed, err := w.tx.Rename(w.ctx, objectID, hostDisplay, serviceDisplay)
	if err != nil {
		return fmt.Errorf("name object %s: %w", objectID, err)
	}
	if !changed || !w.directory.Chats() {
		return nil
	}
	if err := w.load(nil, []string{objectID}); err != nil {
		return err
	}
	rec := w.records[objectID]
	if rec == nil || !rec.Alert.Open() {
		return nil
	}
	a := rec.Alert
	// Nothing happened, so there is no event of it: the post still shows the latest.
	last := rec.Last
	if last == nil || last.AlertID != a.ID {
		if last, err = w.tx.Latest(w.ctx, a.ID, alert.Problem); err != nil {
			return fmt.Errorf("load the latest problem of alert %s: %w", a.ID, err)
		}
		if last == nil {
			return nil
		}
	}
	e := *last
	e.Object = rec.Object
	e.Contacts, e.UserIDs = nil, nil // no further call of it tells this aloud
	t := turn{event: &e, outcome: alert.Noted, posts: alert.NoticeProblem}
	if a.Status == alert.Acknowledged {
		t.posts = alert.NoticeAck
	}
	w.turns[a.ID] = t
	w.turnOrder = append(w.turnOrder, a.ID)
	return nil
}

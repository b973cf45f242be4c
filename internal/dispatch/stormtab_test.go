package dispatch_test

import (
	"testing"
	"time"

	"tocsin/internal/route"
	"tocsin/internal/store"
)

// A night of alerts must not be a hundred messages for whoever opens a tab at eight.
func TestAStormThatNobodyIsThereToSeeIsOneMessage(t *testing.T) {
	onEach(t, func(t *testing.T, db *store.DB) {
		r, now := stormy(t, db)
		now.move(-2 * time.Hour)
		for i := range 20 {
			r.receive(t, problems(5*i, 5, at(now.now()))...)
			now.move(2 * time.Minute)
		}
		now.move(-2 * time.Minute) // the last came then
		same(t, "the log", r.log(t, jane, route.Browser), "1 digest waiting", "3 problem waiting", "97 problem collected")
		d := r.digests(t, jane)[0]
		if late := now.now().Sub(d.Due); late > time.Minute || d.Expires.Sub(d.Due) != 480*time.Minute {
			t.Errorf("due %s late, and it lasts %s", late, d.Expires.Sub(d.Due))
		}
		held := r.claim(t)
		r.complete(t, held)
		if len(held) != 4 || held[3].Digest == nil || held[3].Digest.Total != 97 {
			t.Errorf("%+v", held)
		}
		same(t, "in the end", r.log(t, jane, route.Browser), "1 digest sent", "100 problem sent")
	})
}

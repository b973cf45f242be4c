package publish

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"tocsin/internal/push"
	"tocsin/internal/status"
)

// SetTriggers changes what visitors of a page are told of at all, by push.Kind.
// What is not named stays, and so does all else of the page, whoever changes that
// at the same time.
func (d *Desk) SetTriggers(ctx context.Context, who Who, pageID string, on map[string]bool) (status.Page, error) {
	var made status.Page
	for k := range on {
		if !slices.Contains(push.Kinds(), push.Kind(k)) {
			return made, refuse("triggers", fmt.Sprintf("%q is none", k), fmt.Sprintf("the triggers are %v", push.Kinds()))
		}
	}
	_, err := d.change(ctx, pageID, who, true, func(j *job) error {
		before := *j.page
		made = before
		made.Triggers = maps.Clone(before.Triggers)
		if made.Triggers == nil {
			made.Triggers = map[string]bool{}
		}
		maps.Copy(made.Triggers, on)
		if maps.Equal(made.Triggers, before.Triggers) {
			return nil
		}
		made.Version, j.raised = before.Version+1, true
		if err := j.tx.SavePage(ctx, &made); err != nil {
			return err
		}
		return j.audit("page.triggers", made.ID, made.Name, &before, &made)
	})
	return made, err
}

// Subscribers are how many hear of a page, without who they are.
type Subscribers struct {
	Wishes []Wish
	New    map[string]int // by channel, since the time that was asked for
	Asked  map[string]int // by channel: have not confirmed yet
}

// Wish is what some subscribers of a channel want to hear: what any of Wants asks
// for.
type Wish struct {
	Channel string
	Wants   []push.Want
	N       int
}

// Counts answers how many subscribers there are by channel.
func (s *Subscribers) Counts() map[string]int {
	n := map[string]int{}
	for i := range s.Wishes {
		n[s.Wishes[i].Channel] += s.Wishes[i].N
	}
	return n
}

// Since is for how long a subscriber counts as new.
const Since = 30 * 24 * time.Hour

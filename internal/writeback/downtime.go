package writeback

import (
	"context"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/source"
)

// endTold is how long after a downtime's end the engine should have told of it, and
// endLook how often that is looked for: many objects may be in a downtime.
const (
	endTold = 5 * time.Minute
	endLook = 10 * time.Minute
)

// watchDowntimes asks an engine that keeps what recovers in a downtime to itself
// about all of them that were asked for here. Others tell of their end, or are not
// set to: then it is when it was to be.
func (w *Writer) watchDowntimes(ctx context.Context, e *engine, watcher source.Watcher, missing *missing) error {
	e.mu.Lock()
	sourceID, kind := e.source.ID, e.w.kinds[e.source.WriteBack.Kind]
	releases := kind != nil && kind.Releases(e.source.WriteBack)
	now := w.o.Now()
	due := releases || now.Sub(e.ended) >= endLook
	if due && !releases {
		e.ended = now
	}
	e.mu.Unlock()
	if !due {
		return nil
	}
	for after := ""; ; {
		list, err := w.o.Store.Downtimes(ctx, sourceID, after, watchPage)
		if err != nil || len(list) == 0 {
			return err
		}
		after = list[len(list)-1].Object.ID
		last := len(list) < watchPage
		if !releases {
			if err := w.endDowntimes(ctx, list); err != nil || last {
				return err
			}
			continue
		}
		commands := make([]source.Command, len(list))
		for i, d := range list {
			commands[i] = downtimeOf(d)
			if since := missing.since(d.Asked.ID); since.After(commands[i].From) {
				commands[i].From = since
			}
		}
		replies := w.put(ctx, e, watcher, commands)
		for i, d := range list[:min(len(list), len(replies))] {
			if err := w.watchedDowntime(ctx, d, replies[i], missing); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
	}
}

// endDowntimes ends those whose end the engine should have told of by now.
func (w *Writer) endDowntimes(ctx context.Context, list []dispatch.Downtime) error {
	for _, d := range list {
		if w.o.Now().Before(d.Asked.Until.Add(endTold)) {
			continue
		}
		if err := w.o.Desk.DowntimeGone(ctx, d.Object.ID, "its time is over, and the engine told nothing of its end", false); err != nil {
			return err
		}
	}
	return nil
}

// downtimeOf is a downtime as the command that asked for it.
func downtimeOf(d dispatch.Downtime) source.Command {
	return source.Command{
		EventID: d.Asked.ID, Verb: source.ScheduleDowntime, Object: d.Object, AlertID: d.Asked.AlertID, Since: d.Since,
		Author: d.Asked.Author, Comment: d.Asked.Comment, Until: d.Asked.Until, From: d.Asked.Time,
	}
}

// watchedDowntime tells the desk what an engine says of one downtime: that it is
// over at once where its time is, else when two readings say so.
func (w *Writer) watchedDowntime(ctx context.Context, d dispatch.Downtime, r source.Reply, missing *missing) error {
	words, _, _ := source.Text(r.Words, maxWords)
	if r.Recovered && !d.Since.IsZero() {
		return w.o.Desk.DowntimeGone(ctx, d.Object.ID, words, true)
	}
	now := w.o.Now()
	switch {
	case r.Confirmation == alert.Confirmed:
		missing.found(d.Asked.ID)
	case r.Confirmation != alert.Refused:
	case now.Before(d.Asked.Until) && missing.since(d.Asked.ID).IsZero():
		missing.note(d.Asked.ID, now)
	default:
		missing.found(d.Asked.ID)
		return w.o.Desk.DowntimeGone(ctx, d.Object.ID, words, false)
	}
	return nil
}

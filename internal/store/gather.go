package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/delivery"
	"tocsin/internal/route"
)

// stormSQL asks for all messages of storms, each with the object and the alert that
// it is about as they are now; %s is the condition of the storms.
const stormSQL = `SELECT d.storm, d.id, d.bundle, d.notice, d.state, d.alert_id, d.object_id, d.created,
	COALESCE(a.rank, -1), COALESCE(a.state, ''), COALESCE(a.since, 0), COALESCE(o.source_id, ''), COALESCE(o.host, ''), COALESCE(o.host_display, '')
	FROM delivery d LEFT JOIN alert a ON a.id = d.alert_id LEFT JOIN object o ON o.id = d.object_id WHERE d.storm <> '' AND %s`

// stormRow is one message of a storm: a digest, or what is told or was by one.
type stormRow struct {
	id, bundle, notice       string
	state                    delivery.State
	alertID, objectID        string
	created, rank, since     int64 // rank is -1 where there is no alert
	worst                    alert.State
	sourceID, host, hostName string
}

// about is what a message is about: an alert, else an object.
func (r *stormRow) about() string {
	if r.alertID == "" {
		return "object " + r.objectID
	}
	return r.alertID
}

// gather gives digests among claimed deliveries what they tell of. One that has a
// single thing to tell, and of whose storm nothing was told before, gives way to
// that: the delivery that it had collected is claimed in its place.
//
// Where there are no digests it costs nothing.
func (db *DB) gather(ctx context.Context, cs []delivery.Claimed) ([]delivery.Claimed, error) {
	var storms []string
	for i := range cs {
		if cs[i].Notice == alert.NoticeDigest && cs[i].Storm != "" {
			storms = append(storms, cs[i].Storm)
		}
	}
	if len(storms) == 0 {
		return cs, nil
	}
	storms = distinct(storms)
	rows, err := db.readStorms(ctx, storms)
	if err != nil {
		return nil, err
	}
	var alone []single
	var wanted []string
	var tolds []*told
	for i := range cs {
		c := &cs[i]
		if c.Notice != alert.NoticeDigest || c.Storm == "" {
			continue
		}
		t := tell(c, rows[c.Storm])
		if len(t.about) == 1 && !c.Before && !c.Quiet && !c.Handed && c.Detail == "" {
			alone = append(alone, single{digest: c, id: t.left})
			continue
		}
		tolds = append(tolds, t)
		wanted = append(wanted, t.worst...)
	}
	if err := db.fillDigests(ctx, tolds, wanted); err != nil {
		return nil, err
	}
	return db.makeWay(ctx, cs, alone)
}

// FillDigest gives a digest that was claimed before what it tells of, and changes
// nothing.
func (db *DB) FillDigest(ctx context.Context, c *delivery.Claimed) error {
	rows, err := db.readStorms(ctx, []string{c.Storm})
	if err != nil {
		return err
	}
	t := tell(c, rows[c.Storm])
	return db.fillDigests(ctx, []*told{t}, t.worst)
}

func (db *DB) readStorms(ctx context.Context, storms []string) (map[string][]stormRow, error) {
	rows := make(map[string][]stormRow, len(storms))
	err := db.t.storms.read(ctx, db.reads, len(storms), texts(storms), func(s scanner) error {
		var storm, state, worst string
		var r stormRow
		err := s.Scan(&storm, &r.id, &r.bundle, &r.notice, &state, &r.alertID, &r.objectID, &r.created,
			&r.rank, &worst, &r.since, &r.sourceID, &r.host, &r.hostName)
		r.state, r.worst = delivery.State(state), alert.State(worst)
		rows[storm] = append(rows[storm], r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what digests tell of: %w", err)
	}
	return rows, nil
}

// told is what a digest tells of, before its worst alerts are read.
type told struct {
	of     *delivery.Claimed
	digest channel.Digest
	left   string          // the last of what it still collects
	about  map[string]bool // alerts, or objects, of which it still collects something
	worst  []string        // ids of alerts
	source string          // id of the source that they have in common; empty: there are several
}

// tell counts what a digest tells of, in c too. What a storm was of counts until its
// end, also what was over before it was told; of what was held back that does not.
func tell(c *delivery.Claimed, rows []stormRow) *told {
	t := &told{of: c, digest: channel.Digest{Storm: c.Storm}, about: map[string]bool{}}
	held := c.Reason == route.ReasonQuiet || c.Reason == route.ReasonPeriod || c.Reason == route.ReasonWindow
	open := map[string]*stormRow{} // by what they are about, each once
	fresh, before := map[string]bool{}, map[string]bool{}
	began := c.Created
	for i := range rows {
		r := &rows[i]
		if at := fromMillis(r.created); at.Before(began) {
			began = at
		}
		seen := r.state == delivery.Sent || r.state == delivery.Handed
		if r.notice == digestNotice {
			c.Before = c.Before || r.id != c.ID && seen
			continue
		}
		switch own := r.bundle == c.ID; {
		case own && r.state == delivery.Collected:
			c.Left++
			t.left = max(t.left, r.id) // ids ascend with time
			t.about[r.about()] = true
			fresh[r.about()] = true
		case own && r.state == delivery.Cancelled:
			c.Gone++
		case !own && r.state != delivery.Cancelled:
			before[r.about()] = true
			c.Before = c.Before || r.bundle == "" && seen // told by itself
		}
		if !held || r.state != delivery.Cancelled {
			open[r.about()] = r
		}
	}
	t.count(open, fresh, before)
	t.digest.Began = began
	return t
}

// count counts alerts by what they are now, and finds the worst and what they have
// in common.
func (t *told) count(rows map[string]*stormRow, fresh, before map[string]bool) {
	d := &t.digest
	d.Total = len(rows)
	var worst []*stormRow
	var first *stormRow
	oneHost, oneSource := true, true
	for about, r := range rows {
		switch r.rank {
		case 2:
			d.Open++
		case 1:
			d.Acked++
		case 0:
			d.Recovered++
		}
		if r.rank > 0 {
			worst = append(worst, r)
		}
		if fresh[about] && !before[about] {
			d.New++
		}
		if first == nil {
			first = r
		}
		oneSource = oneSource && r.sourceID == first.sourceID
		oneHost = oneHost && r.sourceID == first.sourceID && r.host == first.host
	}
	if first != nil && oneHost {
		d.About = "host " + cmp.Or(first.hostName, first.host)
	} else if first != nil && oneSource {
		t.source = first.sourceID
	}
	slices.SortFunc(worst, func(a, b *stormRow) int {
		return cmp.Or(cmp.Compare(b.worst.Severity(), a.worst.Severity()), cmp.Compare(b.rank, a.rank),
			cmp.Compare(a.since, b.since), strings.Compare(a.alertID, b.alertID))
	})
	for _, r := range worst[:min(len(worst), channel.MaxWorst)] {
		t.worst = append(t.worst, r.alertID)
	}
}

// fillDigests reads the alerts that digests name, and the names of their sources.
func (db *DB) fillDigests(ctx context.Context, tolds []*told, wanted []string) error {
	alerts := map[string]*alert.Alert{}
	wanted = distinct(wanted)
	err := db.t.stormAlerts.read(ctx, db.reads, len(wanted), texts(wanted), func(s scanner) error {
		a, err := scanAlert(s)
		alerts[a.ID] = &a
		return err
	})
	if err != nil {
		return fmt.Errorf("read the alerts that digests name: %w", err)
	}
	names := map[string]string{}
	for _, t := range tolds {
		if t.source != "" {
			if _, known := names[t.source]; !known {
				list, err := collect(ctx, db.reads, scanText, "SELECT name FROM source WHERE id = $1", t.source)
				if err != nil {
					return fmt.Errorf("read the name of a source: %w", err)
				}
				names[t.source] = strings.Join(list, "") // there is one, or none any more
			}
			if name := names[t.source]; name != "" {
				t.digest.About = "source " + name
			}
		}
		for _, id := range t.worst {
			if a := alerts[id]; a != nil {
				t.digest.Worst = append(t.digest.Worst, channel.Line{AlertID: id, Object: a.Object, State: a.State, Status: a.Status,
					Output: a.Output, Since: a.Since})
			}
		}
		t.of.Digest = &t.digest
	}
	return nil
}

// single is a digest that has collected one delivery alone.
type single struct {
	digest *delivery.Claimed
	id     string
}

// makeWay ends digests as Cancelled and claims in their place what they collected,
// under the same lease. A digest whose claim was lost meanwhile is claimed no more,
// and one whose delivery was cancelled is due again at once.
func (db *DB) makeWay(ctx context.Context, cs []delivery.Claimed, alone []single) ([]delivery.Claimed, error) {
	if len(alone) == 0 {
		return cs, nil
	}
	// In one order on every node, and digests before what they collected.
	slices.SortFunc(alone, func(a, b single) int { return strings.Compare(a.digest.ID, b.digest.ID) })
	var ds []delivery.Delivery
	err := db.write(ctx, func(ctx context.Context, w *work) error {
		now, err := db.now(ctx, w)
		if err != nil {
			return err
		}
		ds = nil
		for _, s := range alone {
			d := s.digest
			held, err := collect(ctx, w, scanText, "SELECT id FROM delivery WHERE id = $1 AND attempt = $2 AND "+unfinishedSQL+db.d.forUpdate,
				d.ID, int64(d.Attempt))
			if err != nil {
				return err
			}
			if len(held) == 0 {
				continue
			}
			got, err := collect(ctx, w, scanDelivery, `UPDATE delivery SET state = 'waiting', bundle = '', attempt = $3, due = $4, expires = $5
				WHERE id = $1 AND bundle = $2 AND state = 'collected' RETURNING `+deliveryColumns,
				s.id, d.ID, int64(d.Attempt), millis(d.Due), millis(d.Expires))
			if err != nil {
				return err
			}
			if len(got) == 0 { // whoever claims it next sees what is left
				if _, err := w.exec(ctx, "UPDATE delivery SET due = $2 WHERE id = $1", d.ID, millis(now)); err != nil {
					return err
				}
				continue
			}
			_, err = w.exec(ctx, `UPDATE delivery SET state = 'cancelled', detail = $2, done = $3, room = '' WHERE id = $1`, d.ID, toldAlone, millis(now))
			if err != nil {
				return err
			}
			// What was collected of the same alert before says less.
			_, err = w.exec(ctx, `UPDATE delivery SET state = 'cancelled', detail = $2, done = $3, room = '' WHERE bundle = $1 AND bundle <> '' AND state = 'collected'`,
				d.ID, toldLater, millis(now))
			if err != nil {
				return err
			}
			ds = append(ds, got...)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("tell by themselves what digests collected: %w", err)
	}
	gone := make(map[string]bool, len(alone))
	for _, s := range alone {
		gone[s.digest.ID] = true
	}
	cs = slices.DeleteFunc(cs, func(c delivery.Claimed) bool { return gone[c.ID] })
	more, err := db.situate(ctx, ds)
	if err != nil {
		return nil, err
	}
	cs = append(cs, more...)
	slices.SortStableFunc(cs, func(a, b delivery.Claimed) int { return a.Created.Compare(b.Created) })
	return cs, nil
}

// toldAlone is the detail of a digest that gave way.
const toldAlone = "there was one alone to tell of, which is told by itself"

// toldLater is the detail of what was collected of an alert before the one that is
// told of it.
const toldLater = "what came of the same alert later is told instead"

package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"tocsin/internal/publish"
	"tocsin/internal/status"
)

const incidentColumns = "id, page_id, title, phase, impact, draft, automatic, publish_at, started, ended, components, postmortem, created"

func scanIncident(s scanner) (i status.Incident, err error) {
	var phase, impact, components string
	var publishAt, started, ended, created int64
	err = s.Scan(&i.ID, &i.PageID, &i.Title, &phase, &impact, &i.Draft, &i.Automatic, &publishAt, &started, &ended, &components, &i.Postmortem, &created)
	if err != nil {
		return i, err
	}
	i.Phase, i.Impact = status.Phase(phase), status.Impact(impact)
	i.PublishAt, i.Started, i.ResolvedAt, i.Created = fromMillis(publishAt), fromMillis(started), fromMillis(ended), fromMillis(created)
	i.Components, err = decodeList[string](components)
	return i, err
}

// change is a status.Change as it is kept.
type stateChange struct {
	ComponentID string       `json:"component_id"`
	From        status.State `json:"from"`
	To          status.State `json:"to"`
}

func encodeStateChanges(list []status.Change) string {
	if len(list) == 0 {
		return ""
	}
	out := make([]stateChange, len(list))
	for i, c := range list {
		out[i] = stateChange(c)
	}
	return encodeJSON(out)
}

type updateRow struct {
	of string
	status.Update
}

func scanUpdate(s scanner) (u updateRow, err error) {
	var phase, changes string
	var at, posted int64
	if err = s.Scan(&u.of, &u.ID, &phase, &u.Body, &at, &posted, &u.By, &changes, &u.Silent); err != nil {
		return u, err
	}
	u.Phase, u.At, u.Posted = status.Phase(phase), fromMillis(at), fromMillis(posted)
	if changes != "" {
		var list []stateChange
		if err := json.Unmarshal([]byte(changes), &list); err != nil {
			return u, fmt.Errorf("read what update %s changed: %w", u.ID, err)
		}
		for _, c := range list {
			u.Changes = append(u.Changes, status.Change(c))
		}
	}
	return u, nil
}

// readUpdates answers the updates of incidents or maintenances by their ids, the
// oldest first.
func readUpdates(ctx context.Context, q querier, d dialect, ids []string) (map[string][]status.Update, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := collect(ctx, q, scanUpdate, `SELECT of_id, id, phase, body, happened, posted, author, changes, silent FROM page_update
		WHERE `+d.among("of_id", d.list("$1"))+" ORDER BY of_id, happened, id", encodeList(ids))
	if err != nil {
		return nil, fmt.Errorf("read updates: %w", err)
	}
	found := make(map[string][]status.Update, len(ids))
	for _, u := range rows {
		found[u.of] = append(found[u.of], u.Update)
	}
	return found, nil
}

// readIncidents answers incidents with their updates; where and order are SQL.
// alerts says whether the ids of their alerts are wanted.
func readIncidents(ctx context.Context, q querier, d dialect, alerts bool, where string, args ...any) ([]status.Incident, error) {
	list, err := collect(ctx, q, scanIncident, "SELECT "+incidentColumns+" FROM incident WHERE "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read incidents: %w", err)
	}
	if len(list) == 0 {
		return nil, nil
	}
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	updates, err := readUpdates(ctx, q, d, ids)
	if err != nil {
		return nil, err
	}
	linked := map[string][]string{}
	if alerts {
		_, err = collect(ctx, q, func(s scanner) (struct{}, error) {
			var incident, id string
			err := s.Scan(&incident, &id)
			linked[incident] = append(linked[incident], id)
			return struct{}{}, err
		}, "SELECT incident_id, alert_id FROM incident_alert WHERE "+d.among("incident_id", d.list("$1"))+" ORDER BY incident_id, alert_id", encodeList(ids))
		if err != nil {
			return nil, fmt.Errorf("read the alerts of incidents: %w", err)
		}
	}
	for i := range list {
		list[i].Updates, list[i].AlertIDs = updates[list[i].ID], linked[list[i].ID]
	}
	return list, nil
}

func readIncident(ctx context.Context, q querier, d dialect, id string) (status.Incident, error) {
	list, err := readIncidents(ctx, q, d, true, "id = $1", id)
	if err != nil {
		return status.Incident{}, err
	}
	if len(list) == 0 {
		return status.Incident{}, notFound("incident", id)
	}
	return list[0], nil
}

// Incident answers one incident, draft or not, with its updates and the ids of
// its alerts; fault.ErrNotFound if there is none.
func (db *DB) Incident(ctx context.Context, id string) (status.Incident, error) {
	return readIncident(ctx, db.reads, db.d, id)
}

// OpenIncidents lists what is open of a page, drafts too, the newest first; of every
// page where pageID is empty.
func (db *DB) OpenIncidents(ctx context.Context, pageID string) ([]status.Incident, error) {
	return readIncidents(ctx, db.reads, db.d, true, "ended = 0 AND ($1 = '' OR page_id = $1) ORDER BY started DESC, id DESC", pageID)
}

// mostDrafts bounds how many drafts are shown: what a person looks through.
const mostDrafts = 200

// Drafts lists incidents that nobody has published, of one page or of all, the
// newest first, up to 200: those that have ended, too.
func (db *DB) Drafts(ctx context.Context, pageID string) ([]status.Incident, error) {
	return readIncidents(ctx, db.reads, db.d, true, "draft AND ($1 = '' OR page_id = $1) ORDER BY created DESC, id DESC LIMIT $2", pageID, int64(mostDrafts))
}

// AlertIncidents lists the incidents that an alert belongs to.
func (db *DB) AlertIncidents(ctx context.Context, alertID string) ([]status.Incident, error) {
	return readIncidents(ctx, db.reads, db.d, true, db.d.among("id", "SELECT incident_id FROM incident_alert WHERE alert_id = $1")+" ORDER BY created DESC, id DESC", alertID)
}

// StatusMonth answers what began within a time, as the history shows it: public
// incidents and maintenances that were not cancelled, the oldest first.
func (db *DB) StatusMonth(ctx context.Context, pageID string, from, to time.Time) ([]status.Incident, []status.Maintenance, error) {
	is, err := readIncidents(ctx, db.reads, db.d, false, "page_id = $1 AND started >= $2 AND started < $3 AND NOT draft ORDER BY started, id", pageID, millis(from), millis(to))
	if err != nil {
		return nil, nil, err
	}
	ms, err := readMaintenances(ctx, db.reads, db.d, "page_id = $1 AND begins >= $2 AND begins < $3 AND phase <> 'cancelled' ORDER BY begins, id", pageID, millis(from), millis(to))
	return is, ms, err
}

// mostOpen bounds how many incidents of a page can be open at once, and of how
// many a page's record tells: those that began last.
const mostOpen = 500

func (t *pageTx) Incidents(ctx context.Context) ([]status.Incident, error) {
	return readIncidents(ctx, t, t.db.d, true, "page_id = $1 AND ended = 0 ORDER BY created, id", t.held.ID)
}

func (t *pageTx) EndedDrafts(ctx context.Context, since time.Time) ([]status.Incident, error) {
	return readIncidents(ctx, t, t.db.d, true, "page_id = $1 AND ended >= $2 AND draft AND automatic ORDER BY ended, id", t.held.ID, millis(since))
}

func (t *pageTx) Incident(ctx context.Context, id string) (status.Incident, error) {
	i, err := readIncident(ctx, t, t.db.d, id)
	if err == nil && i.PageID != t.held.ID {
		return i, notFound("incident", id)
	}
	return i, err
}

func (t *pageTx) SaveIncident(ctx context.Context, i *status.Incident) error {
	_, err := t.exec(ctx, "INSERT INTO incident ("+incidentColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (id) DO UPDATE SET title = excluded.title, phase = excluded.phase, impact = excluded.impact, draft = excluded.draft,
		automatic = excluded.automatic, publish_at = excluded.publish_at, started = excluded.started, ended = excluded.ended,
		components = excluded.components, postmortem = excluded.postmortem`,
		i.ID, t.held.ID, i.Title, string(i.Phase), string(i.Impact), i.Draft, i.Automatic, millis(i.PublishAt), millis(i.Started), millis(i.ResolvedAt),
		encodeList(i.Components), i.Postmortem, millis(i.Created))
	for _, id := range i.AlertIDs {
		if err != nil {
			break
		}
		_, err = t.exec(ctx, "INSERT INTO incident_alert (incident_id, alert_id) VALUES ($1, $2) ON CONFLICT (incident_id, alert_id) DO NOTHING", i.ID, id)
	}
	return taken(err, "incident", i.ID)
}

func (t *pageTx) DeleteIncident(ctx context.Context, id string) error {
	if err := t.drop(ctx, "incident", "incident", id); err != nil {
		return err
	}
	return t.each(ctx, id, "DELETE FROM page_update WHERE of_id = $1")
}

func (t *pageTx) SaveUpdate(ctx context.Context, of string, u *status.Update) error {
	_, err := t.exec(ctx, `INSERT INTO page_update (id, of_id, phase, body, happened, posted, author, changes, silent)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO UPDATE SET phase = excluded.phase, body = excluded.body,
		happened = excluded.happened, changes = excluded.changes, silent = excluded.silent`,
		u.ID, of, string(u.Phase), u.Body, millis(u.At), millis(u.Posted), cleaned(u.By, mostName), encodeStateChanges(u.Changes), u.Silent)
	return taken(err, "update", u.ID)
}

const maintenanceColumns = "id, page_id, title, phase, impact, components, begins, ends, auto_start, auto_end, automatic, series, reminded, created"

func scanMaintenance(s scanner) (m status.Maintenance, err error) {
	var phase, impact, components, reminded string
	var begins, ends, created int64
	err = s.Scan(&m.ID, &m.PageID, &m.Title, &phase, &impact, &components, &begins, &ends, &m.AutoStart, &m.AutoEnd, &m.Automatic, &m.Series, &reminded, &created)
	if err != nil {
		return m, err
	}
	m.Phase, m.Impact = status.Phase(phase), status.Impact(impact)
	m.Start, m.End, m.Created = fromMillis(begins), fromMillis(ends), fromMillis(created)
	if m.Components, err = decodeList[string](components); err != nil {
		return m, err
	}
	m.Reminded, err = decodeList[string](reminded)
	return m, err
}

func readMaintenances(ctx context.Context, q querier, d dialect, where string, args ...any) ([]status.Maintenance, error) {
	list, err := collect(ctx, q, scanMaintenance, "SELECT "+maintenanceColumns+" FROM maintenance WHERE "+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read maintenances: %w", err)
	}
	ids := make([]string, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	updates, err := readUpdates(ctx, q, d, ids)
	for i := range list {
		list[i].Updates = updates[list[i].ID]
	}
	return list, err
}

func readMaintenance(ctx context.Context, q querier, d dialect, id string) (status.Maintenance, error) {
	list, err := readMaintenances(ctx, q, d, "id = $1", id)
	if err != nil {
		return status.Maintenance{}, err
	}
	if len(list) == 0 {
		return status.Maintenance{}, notFound("maintenance", id)
	}
	return list[0], nil
}

// Maintenance answers one maintenance with its updates; fault.ErrNotFound if
// there is none.
func (db *DB) Maintenance(ctx context.Context, id string) (status.Maintenance, error) {
	return readMaintenance(ctx, db.reads, db.d, id)
}

// Maintenances lists those of a page that lie at least partly within a time, for
// a calendar, the first first.
func (db *DB) Maintenances(ctx context.Context, pageID string, from, to time.Time) ([]status.Maintenance, error) {
	return readMaintenances(ctx, db.reads, db.d, "page_id = $1 AND begins < $3 AND (ends > $2 OR ended = 0 AND begins >= $2) ORDER BY begins, id", pageID, millis(from), millis(to))
}

func (t *pageTx) Maintenances(ctx context.Context) ([]status.Maintenance, error) {
	return readMaintenances(ctx, t, t.db.d, "page_id = $1 AND ended = 0 ORDER BY begins, id", t.held.ID)
}

func (t *pageTx) Maintenance(ctx context.Context, id string) (status.Maintenance, error) {
	m, err := readMaintenance(ctx, t, t.db.d, id)
	if err == nil && m.PageID != t.held.ID {
		return m, notFound("maintenance", id)
	}
	return m, err
}

func (t *pageTx) SaveMaintenance(ctx context.Context, m *status.Maintenance) error {
	ended := int64(0)
	if m.Phase == status.Completed || m.Phase == status.Cancelled {
		ended = millis(t.now)
	}
	_, err := t.exec(ctx, "INSERT INTO maintenance ("+maintenanceColumns+`, ended) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
		ON CONFLICT (id) DO UPDATE SET title = excluded.title, phase = excluded.phase, impact = excluded.impact, components = excluded.components,
		begins = excluded.begins, ends = excluded.ends, auto_start = excluded.auto_start, auto_end = excluded.auto_end,
		automatic = excluded.automatic, series = excluded.series, reminded = excluded.reminded,
		ended = CASE WHEN excluded.ended > 0 AND maintenance.ended > 0 THEN maintenance.ended ELSE excluded.ended END`,
		m.ID, t.held.ID, m.Title, string(m.Phase), string(m.Impact), encodeList(m.Components), millis(m.Start), millis(m.End), m.AutoStart, m.AutoEnd,
		m.Automatic, m.Series, encodeList(m.Reminded), millis(m.Created), ended)
	return taken(err, "maintenance", m.Title)
}

func (t *pageTx) DeleteMaintenance(ctx context.Context, id string) error {
	if err := t.drop(ctx, "maintenance", "maintenance", id); err != nil {
		return err
	}
	return t.each(ctx, id, "DELETE FROM page_update WHERE of_id = $1")
}

const seriesColumns = "id, page_id, title, body, components, impact, rule, zone, begins, minutes, until, planned"

func scanSeries(s scanner) (p publish.Planned, err error) {
	var components, impact string
	var begins, until, planned int64
	err = s.Scan(&p.ID, &p.PageID, &p.Title, &p.Body, &components, &impact, &p.Rule, &p.Zone, &begins, &p.Minutes, &until, &planned)
	if err != nil {
		return p, err
	}
	p.Impact, p.Start, p.Until, p.Last = status.Impact(impact), fromMillis(begins), fromMillis(until), fromMillis(planned)
	p.Components, err = decodeList[string](components)
	return p, err
}

func readSeries(ctx context.Context, q querier, pageID string) ([]publish.Planned, error) {
	list, err := collect(ctx, q, scanSeries, "SELECT "+seriesColumns+" FROM maintenance_series WHERE page_id = $1 ORDER BY id", pageID)
	if err != nil {
		return nil, fmt.Errorf("list the series of page %s: %w", pageID, err)
	}
	return list, nil
}

// StatusSeries lists the maintenance of a page that comes again.
func (db *DB) StatusSeries(ctx context.Context, pageID string) ([]publish.Planned, error) {
	return readSeries(ctx, db.reads, pageID)
}

func (t *pageTx) Series(ctx context.Context) ([]publish.Planned, error) {
	return readSeries(ctx, t, t.held.ID)
}

func (t *pageTx) SaveSeries(ctx context.Context, p *publish.Planned) error {
	_, err := t.exec(ctx, "INSERT INTO maintenance_series ("+seriesColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
		ON CONFLICT (id) DO UPDATE SET title = excluded.title, body = excluded.body, components = excluded.components, impact = excluded.impact,
		rule = excluded.rule, zone = excluded.zone, begins = excluded.begins, minutes = excluded.minutes, until = excluded.until, planned = excluded.planned`,
		p.ID, t.held.ID, p.Title, p.Body, encodeList(p.Components), string(p.Impact), p.Rule, p.Zone, millis(p.Start), int64(p.Minutes), millis(p.Until), millis(p.Last))
	return taken(err, "series", p.Title)
}

func (t *pageTx) DeleteSeries(ctx context.Context, id string) error {
	return t.drop(ctx, "series", "maintenance_series", id)
}

func (t *pageTx) Begins(ctx context.Context, seriesID string, from time.Time) ([]time.Time, error) {
	list, err := collect(ctx, t, scanTime, "SELECT begins FROM maintenance WHERE series = $1 AND series <> '' AND begins >= $2", seriesID, millis(from))
	if err != nil {
		return nil, fmt.Errorf("read the maintenances of series %s: %w", seriesID, err)
	}
	return list, nil
}

func scanTime(s scanner) (time.Time, error) {
	var ms int64
	err := s.Scan(&ms)
	return fromMillis(ms), err
}

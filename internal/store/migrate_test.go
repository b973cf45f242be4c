package store_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/alert"
	"tocsin/internal/chat"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
	"tocsin/internal/dispatch"
	"tocsin/internal/route"
	"tocsin/internal/source"
	"tocsin/internal/store"
)

// A database of the second version, written by its own statements, keeps what its
// rows mean: acknowledgements stay as they were, nothing is written back, nobody
// is told in Mattermost, and deliveries go on where they were.
func TestADatabaseOfBeforeMattermostKeepsItsMeaning(t *testing.T) {
	const (
		object = `INSERT INTO object (id, source_id, host, service, host_display, service_display, url, labels, state, downtime, flapping, changed, search, alert_id,
			last_event_id) VALUES `
		alerts = `INSERT INTO alert (id, object_id, status, rank, state, worst, output, long, search, since, updated, resolved, ack, repeats, marks, snoozed, room) VALUES `
		events = `INSERT INTO event (id, call_id, source_id, alert_id, object_id, type, state, output, long, author, comment, user_id, origin, contacts, user_ids,
			happened, received, marks, sticky, outcome, why) VALUES `
		deliveries = `INSERT INTO delivery (id, event_id, alert_id, object_id, contact_id, contact_name, user_id, channel, notice, state, reason, why, detail, created, due,
			attempt, expires, done, destination, destination_name, quiet, room) VALUES `
	)
	for _, e := range engines() {
		t.Run(e.name, func(t *testing.T) {
			ctx := t.Context()
			url := e.fresh(t)
			if path, found := strings.CutPrefix(url, "sqlite:"); found {
				ok(t, os.MkdirAll(filepath.Dir(path), 0o700))
			}
			ok(t, store.MigrateTo(ctx, e.name, raw(t, url), 2,
				`INSERT INTO source (id, name, name_key, kind, token_hash, token_hint, host_url, service_url, straight, disabled, created, last_event, last_error,
					last_error_at, spooled, spooled_at) VALUES ('s1', 'nagios', 'nagios', 'nagios', 'h', 'wxyz', '', '', FALSE, FALSE, 1, 1, '', 0, 0, 0)`,
				`INSERT INTO contact (id, name, display_name, email, user_id, engine_user_id, host_options, service_options, host_period_id, service_period_id,
					host_notifications, service_notifications, push_host, push_service) VALUES ('c1', 'ann', '', '', 'u1', '', 'd', 'c', '', '', TRUE, TRUE, TRUE, TRUE)`,
				`INSERT INTO rule (id, position, body) VALUES ('r1', 1, '{"id":"r1","name":"all","position":1,"enabled":true,"contact_ids":["c1"]}')`,
				`INSERT INTO secret (name, value) VALUES ('act', 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')`,
				object+`('o1', 's1', 'web1', 'http', '', '', '', '', 'critical', FALSE, FALSE, 1, 'web1', 'a1', 'e1'),
					('o2', 's1', 'web2', 'http', '', '', '', '', 'critical', FALSE, FALSE, 1, 'web2', 'a2', 'e3'),
					('o3', 's1', 'web3', 'http', '', '', '', '', 'critical', FALSE, FALSE, 1, 'web3', 'a3', 'e4')`,
				alerts+`('a1', 'o1', 'acknowledged', 1, 'critical', 'critical', 'x', '', 'x', 1, 1, 0,
					'{"author":"Ann","user_id":"u1","comment":"mine","at":1000,"origin":"console","sticky":true,"confirmation":"local"}', 0, '', 0, ''),
					('a2', 'o2', 'acknowledged', 1, 'critical', 'critical', 'x', '', 'x', 1, 1, 0,
					'{"author":"Bob","at":1000,"origin":"notification","confirmation":"confirmed"}', 0, '', 0, ''),
					('a3', 'o3', 'firing', 2, 'critical', 'critical', 'x', '', 'x', 1, 1, 0, '', 0, '', 0, '    ')`,
				events+`('e1', 'k1', 's1', 'a1', 'o1', 'PROBLEM', 'critical', 'x', '', '', '', '', 'engine', '', '', 1, 1, '', FALSE, 'opened', ''),
					('e2', '', 's1', 'a1', 'o1', 'ACKNOWLEDGEMENT', 'critical', '', '', 'Ann', 'mine', 'u1', 'console', '', '', 2, 2, '', TRUE, 'acknowledged', ''),
					('e3', '', 's1', 'a2', 'o2', 'ACKNOWLEDGEMENT', 'critical', '', '', 'Bob', '', '', 'notification', '', '', 2, 2, '', FALSE, 'acknowledged', ''),
					('e4', '', 's1', 'a3', 'o3', 'SNOOZE', 'critical', 'x', '', 'Ann', 'until noon', 'u1', 'console', '', '', 2, 2, '', FALSE, 'noted', '')`,
				deliveries+`('d1', 'e1', 'a1', 'o1', 'c1', 'Ann', 'u1', 'webpush', 'problem', 'sent', 'rule', '', 'accepted', 1, 1, 1, 0, 1, 'dev1', 'Firefox', FALSE, ''),
					('d2', 'e2', 'a1', 'o1', 'c1', 'Ann', 'u1', 'webpush', 'acknowledgement', 'waiting', 'told_before', '', '', 1, 1, 2, 0, 0, 'dev1', 'Firefox', TRUE, '  '),
					('d3', 'e4', 'a3', 'o3', 'c1', 'Ann', 'u1', 'browser', 'problem', 'handed', 'rule', '', '', 1, 1, 1, 0, 0, '', '', FALSE, '')`))
			db := openURL(t, url)

			ack := func(id string) alert.Ack {
				t.Helper()
				a, err := db.Alert(ctx, id)
				ok(t, err)
				return *a.Ack
			}
			at := time.UnixMilli(1000).UTC()
			if d := cmp.Diff(alert.Ack{Author: "Ann", UserID: "u1", Comment: "mine", At: at, Origin: alert.FromConsole, Sticky: true, Confirmation: alert.Local}, ack("a1")); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(alert.Ack{Author: "Bob", At: at, Origin: alert.FromNotification, Confirmation: alert.Confirmed}, ack("a2")); d != "" {
				t.Error(d)
			}
			over, next, err := db.ExpiredAcks(ctx, 10)
			ok(t, err)
			same(t, "acknowledgements that end", len(over), 0)
			same(t, "or will", next, time.Time{})
			timeline, err := db.Events(ctx, "a1", "", 10)
			ok(t, err)
			same(t, "events", len(timeline), 2)
			for _, e := range timeline {
				same(t, e.ID, e.Until.IsZero() && e.ReplyTo == "" && e.Reply == "" && !e.Pending, true)
			}

			s, err := db.SourceByID(ctx, "s1")
			ok(t, err)
			same(t, "told", s.WriteBack.On(), false)
			same(t, "mapping", s.Mapping == nil, true)
			same(t, "secret", s.Secret, "")
			d := directory(t, db)
			if d.Chat || d.Rooms != nil || d.Direct != nil || d.Engines != nil {
				t.Errorf("routing knows of %v %v %v %v", d.Chat, d.Rooms, d.Direct, d.Engines)
			}
			same(t, "contact", d.Contacts[0].Mattermost, "")
			same(t, "rule", d.Rules[0].Name, "all")
			settings, err := db.ChatSettings(ctx)
			ok(t, err)
			same(t, "on", settings.Enabled, false)

			waiting, err := db.ClaimDeliveries(ctx, delivery.Claim{Channel: route.Webpush, Limit: 10, Lease: time.Hour})
			ok(t, err)
			same(t, "waiting", len(waiting), 1)
			same(t, "attempt", waiting[0].Attempt, 3)
			same(t, "note", waiting[0].Note, "")
			same(t, "quiet", waiting[0].Quiet, true)
			handed := claim(t, db, []string{"u1"}, 10, time.Hour)
			same(t, "handed", len(handed), 1)
			same(t, "as it was", handed[0].Handed, true)
			same(t, "sent", deliveryOf(t, db, "a1", "d1").State, delivery.Sent)

			t.Run("and goes on with what is new", func(t *testing.T) {
				s.WriteBack = source.WriteBack{Kind: "command_file", CommandFile: "/run/nagios.cmd"}
				ok(t, db.SaveSource(ctx, s))
				ok(t, db.SaveRoom(ctx, hook("room", "Ops")))
				c := d.Contacts[0]
				c.Mattermost = contact.MattermostDirect
				ok(t, db.SaveContact(ctx, c))
				ok(t, db.SavePosts(ctx, []chat.Post{{AlertID: "a3", Destination: "room", Created: day()}}, nil))
				inTx(t, db, func(ctx context.Context, tx dispatch.Tx) error {
					a, err := tx.AlertByID(ctx, "a3")
					ok(t, err)
					a.Status, a.Ack = alert.Acknowledged, &alert.Ack{EventID: "e5", At: day(), Until: day(), Origin: alert.FromMattermost, Confirmation: alert.Confirmed}
					return tx.Write(ctx, &dispatch.Changes{Alerts: []alert.Alert{*a}})
				})
				over, _, err := db.ExpiredAcks(ctx, 10)
				ok(t, err)
				if d := cmp.Diff([]dispatch.AckEnd{{AlertID: "a3", EventID: "e5"}}, over); d != "" {
					t.Error(d)
				}
				stands, err := db.AckedAlerts(ctx, "s1", "", 10)
				ok(t, err)
				same(t, "acknowledgements that the engine has", len(stands), 2) // Bob's and the new one, not that of before anything was told
				d := directory(t, db)
				same(t, "engines", d.Engines["s1"].Name, "nagios")
				same(t, "contact", d.Contacts[0].Mattermost, contact.MattermostDirect)
			})
		})
	}
}

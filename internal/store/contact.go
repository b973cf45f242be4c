package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"tocsin/internal/contact"
	"tocsin/internal/route"
)

const contactColumns = `id, name, display_name, email, user_id, engine_user_id, host_options, service_options,
	host_period_id, service_period_id, host_notifications, service_notifications, push_host, push_service, mattermost,
	mail_host, mail_service, hook, quiet_period_id, quiet_pass`

func scanContact(s scanner) (contact.Contact, error) {
	var c contact.Contact
	var host, service string
	err := s.Scan(&c.ID, &c.Name, &c.DisplayName, &c.Email, &c.UserID, &c.EngineUserID, &host, &service,
		&c.HostPeriodID, &c.ServicePeriodID, &c.HostNotifications, &c.ServiceNotifications, &c.PushHost, &c.PushService, &c.Mattermost,
		&c.MailHost, &c.MailService, &c.Hook, &c.QuietPeriodID, &c.QuietPass)
	c.HostOptions, c.ServiceOptions = contact.Options(host), contact.Options(service)
	return c, err
}

// Contacts lists all contacts by name.
func (db *DB) Contacts(ctx context.Context) ([]contact.Contact, error) {
	return readContacts(ctx, db.reads)
}

func readContacts(ctx context.Context, q querier) ([]contact.Contact, error) {
	cs, err := collect(ctx, q, scanContact, "SELECT "+contactColumns+" FROM contact ORDER BY name, id")
	if err != nil {
		return nil, fmt.Errorf("list contacts: %w", err)
	}
	return cs, nil
}

// Contact answers one contact, fault.ErrNotFound if there is none.
func (db *DB) Contact(ctx context.Context, id string) (contact.Contact, error) {
	return find(ctx, db.reads, scanContact, "contact", id, "SELECT "+contactColumns+" FROM contact WHERE id = $1", id)
}

// SaveContact inserts or updates by ID; fault.ErrTaken when another has the name.
// Whoever is linked to it in Mattermost acts in the name of its user: when that
// becomes another one, or there was none, or there is none any more, they are linked
// no more.
func (db *DB) SaveContact(ctx context.Context, c contact.Contact) error {
	return db.changeOf(ctx, contactThing(c.ID), func(ctx context.Context, w *work) error {
		// The contact is held, so that nobody is linked at this moment.
		was, err := one(ctx, w, scanText, "SELECT user_id FROM contact WHERE id = $1"+db.d.forUpdate, c.ID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read contact %q: %w", c.Name, err)
		}
		if err == nil && was != c.UserID {
			if _, err := w.exec(ctx, "DELETE FROM chat_person WHERE contact_id = $1", c.ID); err != nil {
				return fmt.Errorf("unlink contact %q in Mattermost: %w", c.Name, err)
			}
		}
		_, err = w.exec(ctx, "INSERT INTO contact ("+contactColumns+`)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20) ON CONFLICT (id) DO UPDATE SET
			name = excluded.name, display_name = excluded.display_name, email = excluded.email, user_id = excluded.user_id,
			engine_user_id = excluded.engine_user_id, host_options = excluded.host_options, service_options = excluded.service_options,
			host_period_id = excluded.host_period_id, service_period_id = excluded.service_period_id,
			host_notifications = excluded.host_notifications, service_notifications = excluded.service_notifications,
			push_host = excluded.push_host, push_service = excluded.push_service, mattermost = excluded.mattermost,
			mail_host = excluded.mail_host, mail_service = excluded.mail_service, hook = excluded.hook,
			quiet_period_id = excluded.quiet_period_id, quiet_pass = excluded.quiet_pass`,
			c.ID, c.Name, c.DisplayName, c.Email, c.UserID, c.EngineUserID, string(c.HostOptions), string(c.ServiceOptions),
			c.HostPeriodID, c.ServicePeriodID, c.HostNotifications, c.ServiceNotifications, c.PushHost, c.PushService, c.Mattermost,
			c.MailHost, c.MailService, c.Hook, c.QuietPeriodID, c.QuietPass)
		return taken(err, "contact", c.Name)
	})
}

// DeleteContact deletes a contact, which leaves its groups and the rules,
// schedules and escalation policies that name it; what it was told stays in the record.
func (db *DB) DeleteContact(ctx context.Context, id string) error {
	return db.changeOf(ctx, contactThing(id), func(ctx context.Context, w *work) error {
		rules, err := readRules(ctx, w)
		if err != nil {
			return err
		}
		for _, r := range rules {
			if !slices.Contains(r.ContactIDs, id) {
				continue
			}
			r.ContactIDs = slices.DeleteFunc(r.ContactIDs, func(c string) bool { return c == id })
			if err := w.recorded(ctx, ruleThing(r.ID), func() error { return w.saveRule(ctx, r) }); err != nil {
				return err
			}
		}
		if err := w.leavePlans(ctx, id); err != nil {
			return err
		}
		if err := w.cancelContact(ctx, id); err != nil {
			return err
		}
		// The groups' rows go by their foreign key, and who is the contact in Mattermost.
		return w.remove(ctx, "contact", "contact", id)
	})
}

// cancelContact ends what waits for a contact, which may be held back for weeks. Rooms
// and webhooks are others' places too.
func (w *work) cancelContact(ctx context.Context, id string) error {
	now, err := w.db.now(ctx, w)
	if err != nil {
		return err
	}
	over, err := collect(ctx, w, scanEnded, `UPDATE delivery SET state = 'cancelled', detail = 'the contact was deleted before it was told', done = $2, room = ''
		WHERE contact_id = $1 AND channel NOT IN ('mattermost', 'webhook', 'engine') AND expires > 0 AND `+unfinishedSQL+endedSQL, id, millis(now))
	if err == nil {
		err = w.endCollected(ctx, over, now)
	}
	if err != nil {
		return fmt.Errorf("cancel what waits for contact %s: %w", id, err)
	}
	return nil
}

// Directory answers all that routing depends on, as it is now.
func (db *DB) Directory(ctx context.Context) (route.Directory, error) {
	return db.loadDirectory(ctx, db.reads)
}

// loadDirectory reads all that routing depends on.
func (db *DB) loadDirectory(ctx context.Context, q querier) (d route.Directory, err error) {
	if d.Contacts, err = readContacts(ctx, q); err != nil {
		return d, err
	}
	if d.Groups, err = readGroups(ctx, q); err != nil {
		return d, err
	}
	if d.Rules, err = readRules(ctx, q); err != nil {
		return d, err
	}
	if d.Periods, err = readPeriods(ctx, q); err != nil {
		return d, err
	}
	ids, err := collect(ctx, q, scanText, "SELECT id FROM users WHERE NOT disabled")
	if err != nil {
		return d, fmt.Errorf("list who may sign in: %w", err)
	}
	d.Users = make(map[string]bool, len(ids))
	for _, id := range ids {
		d.Users[id] = true
	}
	settings, err := readSettings(ctx, q)
	if err != nil {
		return d, err
	}
	d.WebPush = settings.WebPush
	if d.Devices, err = routeDevices(ctx, q); err != nil {
		return d, err
	}
	if err := db.loadChat(ctx, q, &d); err != nil {
		return d, err
	}
	if err := db.loadHooks(ctx, q, &d); err != nil {
		return d, err
	}
	if err := loadPlans(ctx, q, &d, time.Now()); err != nil {
		return d, err
	}
	m, err := db.readMailSettings(ctx, q)
	if err != nil {
		return d, err
	}
	d.Mail = m.Enabled
	err = db.loadSources(ctx, q, &d)
	return d, err
}

package demo

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/alert"
	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/demo/station"
	"tocsin/internal/fault"
	"tocsin/internal/route"
	"tocsin/internal/source"
)

// userName is who the visitor signs in as.
const userName = "demo"

// sourceName is the simulated engine's.
const sourceName = "lighthouse"

// What the chat refers to: the visitor's contact, a rule, and a room for it.
const (
	opsName  = "ops"
	shopName = "mira"
	dbaName  = "jonas"
	bossName = "helga"
	shopRule = "Shop problems to the shop team"
	shopRoom = "Web shop"
)

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// furnish makes people, contacts, rules, the public page and the source, which is
// told by the station's files, and answers the source's token. On a folder that was used
// before it only makes a new password and token.
func furnish(ctx context.Context, a *app.App, password string, engine *station.Station) (token string, err error) {
	db := a.Store()
	u, err := db.UserByName(ctx, userName)
	fresh := errors.Is(err, fault.ErrNotFound)
	switch {
	case fresh:
		if u, err = a.Auth().AddUser(ctx, auth.NewUser{Name: userName, DisplayName: "Demo visitor", Role: auth.Admin, Password: password}); err != nil {
			return "", err
		}
		if err := people(ctx, a, u); err != nil {
			return "", err
		}
	case err != nil:
		return "", err
	default:
		if _, err := a.Auth().ChangeUser(ctx, u.ID, auth.UserChange{Password: &password}); err != nil {
			return "", err
		}
	}
	s, err := db.SourceByName(ctx, sourceName)
	if errors.Is(err, fault.ErrNotFound) {
		s, err = source.Source{ID: newID(), Name: sourceName, Kind: "nagios", CreatedAt: time.Now()}, nil
	}
	if err != nil {
		return "", err
	}
	s.WriteBack = source.WriteBack{Kind: "command_file", CommandFile: engine.Commands, StatusFile: engine.Status}
	token, s.TokenHash, s.TokenHint = auth.NewToken(auth.SourcePrefix)
	if err := db.SaveSource(ctx, s); err != nil {
		return "", err
	}
	if err := publicPage(ctx, a, s.ID); err != nil || !fresh {
		return token, err
	}
	return token, plans(ctx, a)
}

// people makes the company: the visitor is the contact of everything, so that
// every notification is seen; the others show why somebody is not told.
func people(ctx context.Context, a *app.App, visitor auth.User) error {
	db := a.Store()
	var week [7][]contact.Range
	for day := time.Monday; day <= time.Friday; day++ {
		week[day] = []contact.Range{{From: 8 * 60, To: 18 * 60}}
	}
	office := contact.TimePeriod{
		ID: newID(), Name: "Office hours", Zone: "Europe/Berlin", Weekdays: week,
		Exceptions: []contact.Exception{{First: "12-24", Last: "12-26", Note: "Christmas"}, {First: "01-01", Note: "New Year"}},
	}
	if err := db.SavePeriod(ctx, office); err != nil {
		return err
	}
	you := contact.NewContact(opsName)
	you.ID, you.DisplayName, you.UserID = newID(), "Operations (you)", visitor.ID

	web := contact.NewContact(shopName)
	web.ID, web.DisplayName, web.HostPeriodID, web.ServicePeriodID = newID(), "Mira Sand, web shop", office.ID, office.ID

	dba := contact.NewContact(dbaName)
	dba.ID, dba.DisplayName, dba.ServiceOptions, dba.HostOptions = newID(), "Jonas Feld, databases", "c,r", "d,r"

	boss := contact.NewContact(bossName)
	boss.ID, boss.DisplayName, boss.PushHost, boss.PushService = newID(), "Helga Brandt, head of IT", false, false

	for _, k := range []contact.Contact{you, web, dba, boss} {
		if err := db.SaveContact(ctx, k); err != nil {
			return err
		}
	}
	shop := contact.Group{ID: newID(), Name: "Web shop", Description: "Everybody who looks after the shop", ContactIDs: []string{you.ID, web.ID, dba.ID}}
	if err := db.SaveGroup(ctx, shop); err != nil {
		return err
	}
	rules := []route.Rule{
		{ID: newID(), Name: shopRule, Position: 10, Enabled: true, Hosts: []string{"shop*", "db*"}, GroupIDs: []string{shop.ID}},
		{ID: newID(), Name: "What is down to the head of IT", Position: 20, Enabled: true, States: []alert.State{alert.Down, alert.Critical}, ContactIDs: []string{boss.ID}},
		{ID: newID(), Name: "Everything to operations", Position: 30, Enabled: true, ContactIDs: []string{you.ID}},
	}
	for _, r := range rules {
		if err := db.SaveRule(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

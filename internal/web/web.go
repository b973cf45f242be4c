// Package web is the HTTP edge: what its rooms, the API and the console, have
// in common. Package api is for programs, package console for people who are
// signed in, package static holds what browsers load.
package web

import (
	"context"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"tocsin/internal/alert"
	"tocsin/internal/audit"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/delivery"
	"tocsin/internal/push"
	"tocsin/internal/route"
	"tocsin/internal/source"
)

// Legible says whether all names and values are text that every database takes:
// UTF-8 without NUL. What comes in a path, a query or a form may be anything.
func Legible(values url.Values) bool {
	for name, all := range values {
		if !legible(name) {
			return false
		}
		for _, v := range all {
			if !legible(v) {
				return false
			}
		}
	}
	return true
}

// LegibleURL is Legible for the path and the query of a request.
func LegibleURL(u *url.URL) bool {
	return legible(u.Path) && (u.RawQuery == "" || Legible(u.Query()))
}

func legible(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// Store is what the HTTP edge reads and changes. Every change of contacts,
// groups, rules, periods, users or sources raises the directory version in its
// transaction, so it is in force at once.
type Store interface {
	auth.Store
	Push
	Chat
	Planning

	// Alerts lists open ones first, then the newest; next is empty on the last page.
	Alerts(ctx context.Context, f alert.Filter) (items []alert.Alert, next string, err error)
	Alert(ctx context.Context, id string) (alert.Alert, error)
	AlertCounts(ctx context.Context) (alert.Counts, error)
	Object(ctx context.Context, id string) (alert.Object, error)
	// Events is a timeline, oldest first: of an alert, or of an object when alertID is empty.
	Events(ctx context.Context, alertID, objectID string, limit int) ([]alert.Event, error)
	// Timeline is the same page by page, the newest first; next is empty on the last page.
	Timeline(ctx context.Context, f alert.TimelineFilter) (items []alert.Event, next string, err error)
	// AlertDeliveries are those of an alert, or of one event, with their attempts.
	AlertDeliveries(ctx context.Context, alertID, eventID string) ([]delivery.Delivery, error)
	// Deliveries lists the newest first.
	Deliveries(ctx context.Context, f delivery.Filter) (items []delivery.Delivery, next string, err error)
	// Pending are the unfinished browser deliveries of a user, oldest first.
	Pending(ctx context.Context, userID string, limit int) ([]delivery.Delivery, error)
	QueueFigures(ctx context.Context) (delivery.Queue, error)

	Sources(ctx context.Context) ([]source.Source, error)
	SourceByID(ctx context.Context, id string) (source.Source, error)
	SourceByName(ctx context.Context, name string) (source.Source, error)
	SaveSource(ctx context.Context, s source.Source) error // fault.ErrTaken
	DeleteSource(ctx context.Context, id string) error     // fault.ErrInUse while it has open alerts
	NoteSourceError(ctx context.Context, id, problem string, at time.Time) error
	NoteSpool(ctx context.Context, id string, spooled int, at time.Time) error

	Contacts(ctx context.Context) ([]contact.Contact, error)
	Contact(ctx context.Context, id string) (contact.Contact, error)
	SaveContact(ctx context.Context, c contact.Contact) error
	DeleteContact(ctx context.Context, id string) error // leaves groups and rules too
	Groups(ctx context.Context) ([]contact.Group, error)
	Group(ctx context.Context, id string) (contact.Group, error)
	SaveGroup(ctx context.Context, g contact.Group) error
	DeleteGroup(ctx context.Context, id string) error // fault.ErrInUse while a rule names it
	Periods(ctx context.Context) ([]contact.TimePeriod, error)
	Period(ctx context.Context, id string) (contact.TimePeriod, error)
	SavePeriod(ctx context.Context, p contact.TimePeriod) error
	DeletePeriod(ctx context.Context, id string) error // fault.ErrInUse while a contact has it
	Rules(ctx context.Context) ([]route.Rule, error)
	Rule(ctx context.Context, id string) (route.Rule, error)
	SaveRule(ctx context.Context, r route.Rule) error
	DeleteRule(ctx context.Context, id string) error
	// Trail lists the audit trail, the newest first; next is empty on the last page.
	Trail(ctx context.Context, f audit.Filter) (lines []audit.Entry, next string, err error)

	// Directory is all that routing depends on, as it is now.
	Directory(ctx context.Context) (route.Directory, error)

	Settings(ctx context.Context) (config.Settings, error) // Defaults where nothing was set
	SaveSettings(ctx context.Context, s config.Settings) error
	// PingURL is the address that is told that all is well, empty for none; a secret.
	PingURL(ctx context.Context) (string, error)
	SavePingURL(ctx context.Context, address string) error
}

// Push is what the HTTP edge reads and changes of Web Push. A device that comes
// or goes raises the directory version in its transaction, when it is a
// contact's.
type Push interface {
	// Devices are those of a user; of all users when userID is empty. Visitors'
	// are none of them.
	Devices(ctx context.Context, userID string) ([]push.Subscription, error)
	// DevicesByID answers those that there are, visitors' as well.
	DevicesByID(ctx context.Context, ids []string) (map[string]push.Subscription, error)
	SubscriptionByEndpoint(ctx context.Context, endpoint string) (push.Subscription, error) // fault.ErrNotFound
	// SaveSubscription keeps one row an endpoint, and answers it. With UserID it
	// is saved as a contact's device, else as a visitor's; the other part of what
	// the browser is stays. A known replaces, by Endpoint and Auth, becomes this one.
	SaveSubscription(ctx context.Context, s push.Subscription, replaces *push.Subscription) (saved push.Subscription, created bool, err error)
	// DeleteSubscription ends that a device is a contact's, DeleteVisitor that it
	// follows a page, all where none is named, or one incident of it;
	// fault.ErrNotFound where it does not.
	DeleteSubscription(ctx context.Context, id string) error
	DeleteVisitor(ctx context.Context, id, pageID, incident string) error
	// CountSubscriptions counts the visitors' devices of a page.
	CountSubscriptions(ctx context.Context, pageID string) (int, error)

	// PushKeys are the current key, first, and those that devices are still bound to.
	PushKeys(ctx context.Context) ([]push.Key, error)
	// SavePushKey makes k the current key and retires the one before.
	SavePushKey(ctx context.Context, k push.Key) error
	DeletePushKey(ctx context.Context, id string) error // fault.ErrInUse while devices are bound to it

	ServiceFigures(ctx context.Context) ([]push.ServiceFigures, error)
	CreatePublication(ctx context.Context, p push.Publication) error
	Publication(ctx context.Context, id string) (push.Publication, push.Progress, error) // fault.ErrNotFound
	// Publications lists the newest first; the progress of each is at the same place.
	Publications(ctx context.Context, limit int, cursor string) (items []push.Publication, progress []push.Progress, next string, err error)
}

// Receipts ends deliveries by what tabs say of them.
type Receipts interface {
	// Receive ends those of the user that are not ended yet and answers how many.
	Receive(ctx context.Context, userID string, rs []delivery.Receipt) (int, error)
}

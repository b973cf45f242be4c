package web

import (
	"context"
	"strings"
	"time"

	"tocsin/internal/config"
	"tocsin/internal/delivery"
	"tocsin/internal/mail"
	"tocsin/internal/visitor"
)

// Mail is what the HTTP edge reads and changes of e-mail, and of who is told by it.
// The password in the settings is for those who send; the edge never shows it.
type Mail interface {
	MailSettings(ctx context.Context) (mail.Settings, error)
	SaveMailSettings(ctx context.Context, s mail.Settings) error

	// NoteBounce writes down what a mail server said of a letter after it was taken;
	// failed ends its delivery. noted is false when it is none of ours.
	NoteBounce(ctx context.Context, deliveryID, detail string, failed bool) (noted bool, err error)
	// DeadLetters are those of contacts, or of one where contactID is given, that were
	// refused or came back since a time, the last first.
	DeadLetters(ctx context.Context, contactID string, since time.Time, limit int) ([]delivery.Delivery, error)

	VisitorCounts(ctx context.Context, pageID string) ([]visitor.Count, error)
	EndedVisitors(ctx context.Context, pageID string, limit int) ([]visitor.Ended, error)
}

// MailTest is what became of a test letter.
type MailTest struct {
	OK     bool
	Detail string // that it was taken; or what stands in the way, and the mend
}

// TestMail sends a test by settings that need not be saved.
type TestMail func(ctx context.Context, s mail.Settings, to string) (MailTest, error)

// ChangedMail is what settings become: given, with the password that was kept unless
// another one is given; nil leaves it. A password does not travel to another server
// than it was given for, nor over another encryption: *config.FieldError.
func ChangedMail(was, given mail.Settings, password *string) (mail.Settings, error) {
	given.Host, given.Username, given.From = strings.TrimSpace(given.Host), strings.TrimSpace(given.Username), strings.TrimSpace(given.From)
	given.ReplyTo, given.FromName, given.Hello = strings.TrimSpace(given.ReplyTo), strings.TrimSpace(given.FromName), strings.TrimSpace(given.Hello)
	given.CA = strings.TrimSpace(given.CA)
	switch {
	case password != nil:
		given.Password = *password
	case was.Password != "" && was.Server() != given.Server():
		return given, &config.FieldError{Field: "password", Problem: "is kept for another server, user or encryption", Mend: "give it again, or remove it"}
	default:
		given.Password = was.Password
	}
	return given, given.Validate()
}

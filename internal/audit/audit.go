// Package audit says who changed what, when and from where: one line of the trail for
// every change that somebody makes, and for every sign-in.
//
// Who acts travels in the context. The edge puts it there, once: the address at the
// listener (From), the user or the API key where a request is let in (auth.With does
// it), the operating system's user in the commands, a contact behind a link or a
// click where those are taken:
//
//	ctx = audit.At(ctx, "192.0.2.7")
//	ctx = audit.With(ctx, audit.Actor{Kind: audit.User, ID: u.ID, Name: u.Name})
//
// Whoever changes something in the database says so in the same transaction. The store
// does it by itself for what it saves and deletes, with the fields that differ; see
// its changeOf. What is no change of a row, a sign-in for instance, is recorded by
// itself:
//
//	err := trail.Record(ctx, audit.Entry{Action: "session.signed_in", Subject: audit.Subject{Kind: "user", ID: u.ID, Name: u.Name}})
//
// Actor and Address need not be filled in then, nor ID and At. A secret never stands
// in an entry: Secrets says that it changed, and no more.
package audit

import (
	"context"
	"encoding/json"
	"time"
)

// Kind is what an actor is.
type Kind string

// The kinds of actors.
const (
	User    Kind = "user"    // somebody who is signed in
	Key     Kind = "key"     // an API key
	CLI     Kind = "cli"     // a command on the machine; Name is the operating system's user
	Visitor Kind = "visitor" // somebody who is not signed in: a wrong password, a subscriber
	Channel Kind = "channel" // somebody known by what was sent to them: a link, a button, a chat
	System  Kind = "system"  // Tocsin itself: a clock, an engine, an upkeep
)

// Kinds are all kinds, as they are offered.
func Kinds() []Kind { return []Kind{User, Key, CLI, Channel, Visitor, System} }

// Actor is who acts.
type Actor struct {
	Kind Kind   `json:"kind"`
	ID   string `json:"id"`   // of the user, the key or the contact; empty where there is none
	Name string `json:"name"` // for people, as it was then
}

// Subject is what was changed.
type Subject struct {
	Kind string `json:"kind"` // "contact"
	ID   string `json:"id"`
	Name string `json:"name"` // for people, as it was then
}

// Entry is one line of the trail.
type Entry struct {
	ID      string    // UUIDv7; made when it is recorded
	At      time.Time // the database's time
	Actor   Actor
	Address string // where the request came from, without a port; empty for commands
	Action  string // what was done to what: "contact.changed", "session.signed_in"
	Subject Subject
	PageID  string   // the public page that it belongs to, if any
	Note    string   // more of it, in a sentence for people; often empty
	Changes []Change // the fields that differ, by name
}

// Change is one field that differs.
type Change struct {
	Field  string          `json:"field"`
	Before json.RawMessage `json:"before,omitempty"` // nil: it was not there
	After  json.RawMessage `json:"after,omitempty"`  // nil: it is not there any more
	Secret bool            `json:"secret,omitempty"` // it is not shown; Before and After say whether there is one
}

// Trail is where entries are written.
type Trail interface {
	// Record writes an entry by itself, with the actor and address of ctx where it
	// names none. What is changed in a transaction is recorded there instead.
	Record(ctx context.Context, e Entry) error
}

// Filter narrows a list of the trail. What is empty does not matter.
type Filter struct {
	Actor     Kind
	ActorID   string
	Address   string
	Subject   string // kind: "contact"
	SubjectID string
	Action    string // all of it, or its last word: "deleted"
	PageID    string
	Text      string // anywhere in the names, the address, the note and what changed
	From, To  time.Time
	Cursor    string
	Limit     int
}

type actorKey struct{}

type addressKey struct{}

// With puts who acts into a context.
func With(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// At puts the address into a context that a request came from, with or without a port.
func At(ctx context.Context, remote string) context.Context {
	return context.WithValue(ctx, addressKey{}, host(remote))
}

// From answers who acts; Tocsin itself, and false, where nobody is known.
func From(ctx context.Context) (Actor, bool) {
	if a, ok := ctx.Value(actorKey{}).(Actor); ok {
		return a, true
	}
	return Actor{Kind: System, Name: "Tocsin"}, false
}

// Address answers where a request came from, empty if it is not known.
func Address(ctx context.Context) string {
	a, _ := ctx.Value(addressKey{}).(string)
	return a
}

// Fill gives an entry the actor and the address of ctx where it names none.
func (e Entry) Fill(ctx context.Context) Entry {
	if e.Actor == (Actor{}) {
		e.Actor, _ = From(ctx)
	}
	if e.Address == "" {
		e.Address = Address(ctx)
	}
	return e
}

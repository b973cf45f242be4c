package delivery

import "time"

// Filter narrows a list of deliveries; empty fields fit all.
type Filter struct {
	States    []State
	Channel   string
	ContactID string
	Storm     string // the storm, or the stretch of being held, see Delivery
	Bundle    string // the digest that tells of them
	Cursor    string // next of the page before
	Limit     int    // 1 to 500
}

// Queue is the outbox in figures.
type Queue struct {
	Waiting    int       // due, or waiting for a tab to open
	Handed     int       // handed over, receipt awaited
	Oldest     time.Time // creation of the oldest Waiting or Handed one; zero if none
	Ends       time.Time // Expires of the one of them that ends first; zero if none ends
	Dead24h    int
	Expired24h int
	Sent24h    int
}

// Receipt is what a tab says of a delivery that it was handed.
type Receipt struct {
	DeliveryID string
	Result     string // "shown", "page" (no permission: shown in the page alone), "collapsed", "failed"
	Detail     string // for people: "Firefox 153 on Linux"
}

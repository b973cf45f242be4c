package nagios

import (
	"context"
	"strings"
	"time"

	"tocsin/internal/alert"
)

// key is what an object is called in the engine; service is empty for a host.
type key struct{ host, service string }

func keyOf(o alert.Object) key { return key{o.Host, o.Service} }

// String is the object's name for people.
func (k key) String() string {
	if k.service == "" {
		return k.host
	}
	return k.service + " on " + k.host
}

// sight is what an engine shows of one object.
type sight struct {
	known     bool // the engine has such an object
	state     int  // 0 is good
	acked     bool
	comments  []remark
	downtimes []Downtime
}

// remark is a comment that an engine shows. Its time is zero where the engine
// does not tell it.
type remark struct {
	author, text string
	at           time.Time
	ack          bool // it came with an acknowledgement
}

// view is what an engine shows of the objects that were asked for, as it was at
// one moment by the engine's clock.
type view struct {
	at      time.Time
	objects map[key]*sight
}

// of is what is seen of an object; never nil.
func (v *view) of(k key) *sight {
	if s := v.objects[k]; s != nil {
		return s
	}
	return &sight{}
}

// looker reads an engine.
type looker interface {
	// look answers what is to be seen of the objects.
	look(ctx context.Context, objects []key) (view, error)
	// name is what was read, for people: "status.dat".
	name() string
	// probe says whether it can be read, and what to mend.
	probe(ctx context.Context) error
}

// acknowledger is the newest remark that came with an acknowledgement.
func (s *sight) acknowledger() (remark, bool) {
	var last remark
	found := false
	for _, r := range s.comments {
		if r.ack && (!found || !r.at.Before(last.at)) {
			last, found = r, true
		}
	}
	return last, found
}

// has says whether there is a remark of that author and text made at since or later.
func (s *sight) has(ack bool, author, text string, since time.Time) bool {
	for _, r := range s.comments {
		if r.ack == ack && strings.TrimSpace(r.author) == author && strings.TrimSpace(r.text) == text && (r.at.IsZero() || !r.at.Before(since)) {
			return true
		}
	}
	return false
}

// tagged are the downtimes that were scheduled here for an alert.
func (s *sight) tagged(alertID string) []Downtime {
	var out []Downtime
	for _, d := range s.downtimes {
		if strings.HasSuffix(d.Comment, Tag(alertID)) {
			out = append(out, d)
		}
	}
	return out
}

package writeback_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/dispatch"
	"tocsin/internal/source"
	"tocsin/internal/writeback"
)

// fake is an engine that does as the test says, and the store and desk around it.
type fake struct {
	mu      sync.Mutex
	do      func(ctx context.Context, c source.Command) (source.Reply, error)
	check   func(c source.Command) (source.Reply, error)
	watch   func(acks []source.Command) ([]source.Reply, error)
	names   map[string]source.Names
	sources []source.Source
	acked   []alert.Alert
	unnamed []alert.Object
	open    []alert.Object

	downtimes []dispatch.Downtime

	done    []string // verbs and comments that were handed over
	checked int
	reads   int // of the sources
	answers []dispatch.Answer
	gone    []string
	renamed []string
	refuses error // of Answer
}

func (f *fake) Do(ctx context.Context, c source.Command) (source.Reply, error) {
	f.mu.Lock()
	f.done = append(f.done, string(c.Verb)+" "+c.Comment)
	do := f.do
	f.mu.Unlock()
	if do == nil {
		return pending(""), nil
	}
	return do(ctx, c)
}

func (f *fake) Check(_ context.Context, c source.Command) (source.Reply, error) {
	f.mu.Lock()
	f.checked++
	check := f.check
	f.mu.Unlock()
	if check == nil {
		return pending(""), nil
	}
	return check(c)
}

func (f *fake) Watch(_ context.Context, acks []source.Command) ([]source.Reply, error) {
	return f.watch(acks)
}

func (f *fake) Names(context.Context, []alert.Object) (map[string]source.Names, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.names, nil
}

func (f *fake) Sources(context.Context) ([]source.Source, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	return slices.Clone(f.sources), nil
}

func (f *fake) AckedAlerts(_ context.Context, _, after string, _ int) ([]alert.Alert, error) {
	if after != "" {
		return nil, nil
	}
	return f.acked, nil
}

func (f *fake) Downtimes(_ context.Context, _, after string, _ int) ([]dispatch.Downtime, error) {
	if after != "" {
		return nil, nil
	}
	return f.downtimes, nil
}

func (f *fake) DowntimeGone(_ context.Context, objectID, words string, recovered bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = append(f.gone, fmt.Sprint(objectID, " ", words, " ", recovered))
	return nil
}

func (f *fake) UnnamedObjects(context.Context, string, int) ([]alert.Object, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unnamed, nil
}

func (f *fake) OpenObjects(context.Context, string, int) ([]alert.Object, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open, nil
}

func (f *fake) Rename(_ context.Context, id, host, service string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renamed = append(f.renamed, id+" "+host+"/"+service)
	return nil
}

func (f *fake) Answer(_ context.Context, a dispatch.Answer) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuses != nil {
		return f.refuses
	}
	f.answers = append(f.answers, a)
	return nil
}

func (f *fake) Gone(_ context.Context, alertID, eventID, words string, recovered bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone = append(f.gone, fmt.Sprint(alertID, " ", eventID, " ", words, " ", recovered))
	return nil
}

func (f *fake) handedOver() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.done)
}

func (f *fake) told() []dispatch.Answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.answers)
}

func (f *fake) named() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.renamed)
}

func pending(words string) source.Reply {
	return source.Reply{Confirmation: alert.Pending, Words: words}
}

func confirmed(words string) source.Reply {
	return source.Reply{Confirmation: alert.Confirmed, Words: words}
}

// kind opens the fake of each source by its command file's name.
type kind map[string]*fake

func (kind) Name() string                     { return "command_file" }
func (kind) Title() string                    { return "Fake" }
func (kind) For() []string                    { return []string{"nagios"} }
func (kind) Fields() []source.Field           { return nil }
func (kind) Releases(w source.WriteBack) bool { return w.Silence }
func (k kind) Open(w source.WriteBack, _ source.EngineOptions) (source.Engine, error) {
	if k[w.CommandFile] == nil {
		return nil, &source.FieldError{Field: "write_back.command_file", Problem: "is missing", Mend: "give one"}
	}
	return k[w.CommandFile], nil
}

// berlin is the source that most tests are about.
func berlin() source.Source {
	return source.Source{ID: "s1", Name: "berlin", Kind: "nagios", WriteBack: source.WriteBack{Kind: "command_file", CommandFile: "one"}}
}

// newWriter makes a Writer over one fake, whose source is berlin unless it has others.
func newWriter(f *fake, more ...*fake) *writeback.Writer {
	if f.sources == nil {
		f.sources = []source.Source{berlin()}
	}
	k := kind{"one": f}
	if len(more) > 0 {
		k["two"] = more[0]
	}
	return writeback.New(writeback.Options{Store: f, Desk: f, Kinds: []source.WriteBackKind{k}})
}

// message is the delivery of an acknowledgement.
func message() channel.Message {
	e := alert.Event{ID: "e1", AlertID: "a1", Type: alert.Acknowledgement, Author: "jane.doe", Comment: "On it", Sticky: true}
	return channel.Message{
		DeliveryID: "d1", Attempt: 1, Notice: alert.NoticeEngine, Event: e, Object: alert.Object{ID: "o1", Host: "web01", Service: "HTTP Check"},
		Alert:       &alert.Alert{ID: "a1", Status: alert.Acknowledged, Ack: &alert.Ack{EventID: "e1", Confirmation: alert.Pending}},
		Destination: "s1", DestinationName: "berlin", Asked: time.Now(), ExpiresAt: time.Now().Add(24 * time.Hour),
	}
}

// of makes a message another one.
func of(typ alert.Type, delivery, object, comment string) channel.Message {
	m := message()
	m.DeliveryID, m.Event.ID, m.Event.Type, m.Event.Comment, m.Object.ID = delivery, "e-"+delivery, typ, comment, object
	return m
}

var errWaits = errors.New("it still waits")

// deliver sends a message as the worker does, until it ends or so much time has
// passed; each may look at every answer.
func deliver(t *testing.T, w *writeback.Writer, m channel.Message, patience time.Duration, each ...func(*channel.SendError)) error {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		err := w.SendAll(t.Context(), []channel.Message{m})[0]
		s := channel.As(err)
		for _, f := range each {
			f(s)
		}
		if err == nil || s.Accepted || s.Permanent {
			return err
		}
		if s.After <= 0 || s.After > time.Minute {
			t.Fatalf("it is to be tried again after %v: %v", s.After, err)
		}
		m.Attempt++
		m.Handed = s.Handed
		if s.Note != "" {
			m.Note = s.Note
		}
		if len(m.Note) > 500 {
			t.Fatalf("the note has %d bytes", len(m.Note))
		}
		<-time.After(s.After)
	}
	return errWaits
}

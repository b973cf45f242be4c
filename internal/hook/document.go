package hook

import (
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
)

// most is how many characters of a text of the engine's a body has. What comes in is
// bounded as well, at far more.
const most = 16_000

// document is the form JSON. docs/webhook.schema.json describes it.
type document struct {
	Version   int        `json:"version"`
	ID        string     `json:"id"`
	Type      string     `json:"type"`
	Key       string     `json:"key"`
	Action    string     `json:"action"`
	Severity  string     `json:"severity"`
	Time      *time.Time `json:"time"`
	Title     string     `json:"title"`
	Text      string     `json:"text"`
	URL       string     `json:"url"`
	EngineURL string     `json:"engine_url,omitempty"`
	Reminder  bool       `json:"reminder"`
	Duty      string     `json:"duty,omitempty"`
	Contact   *named     `json:"contact,omitempty"`
	Source    *named     `json:"source,omitempty"`
	Object    *objectOut `json:"object,omitempty"`
	Event     *eventOut  `json:"event,omitempty"`
	Alert     *alertOut  `json:"alert,omitempty"`
	Digest    *digestOut `json:"digest,omitempty"`
}

type named struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

type objectOut struct {
	ID          string            `json:"id"`
	SourceID    string            `json:"source_id"`
	Kind        alert.Kind        `json:"kind"`
	Host        string            `json:"host"`
	HostName    string            `json:"host_name"`
	Service     string            `json:"service,omitempty"`
	ServiceName string            `json:"service_name,omitempty"`
	Name        string            `json:"name"`
	State       alert.State       `json:"state,omitempty"`
	Downtime    bool              `json:"downtime"`
	Flapping    bool              `json:"flapping"`
	Labels      map[string]string `json:"labels,omitempty"`
}

type eventOut struct {
	ID         string       `json:"id"`
	Type       alert.Type   `json:"type"`
	State      alert.State  `json:"state,omitempty"`
	Output     string       `json:"output"`
	LongOutput string       `json:"long_output,omitempty"`
	Author     string       `json:"author,omitempty"`
	Comment    string       `json:"comment,omitempty"`
	Origin     alert.Origin `json:"origin,omitempty"`
	Time       *time.Time   `json:"time"`
}

type alertOut struct {
	ID              string       `json:"id"`
	URL             string       `json:"url"`
	Status          alert.Status `json:"status"`
	State           alert.State  `json:"state"`
	WorstState      alert.State  `json:"worst_state"`
	Output          string       `json:"output"`
	LongOutput      string       `json:"long_output,omitempty"`
	Since           *time.Time   `json:"since"`
	Updated         *time.Time   `json:"updated"`
	Resolved        *time.Time   `json:"resolved,omitempty"`
	SnoozedUntil    *time.Time   `json:"snoozed_until,omitempty"`
	Repeats         int          `json:"repeats"`
	Acknowledgement *ackOut      `json:"acknowledgement,omitempty"`
}

type ackOut struct {
	Author       string             `json:"author"`
	Comment      string             `json:"comment"`
	At           *time.Time         `json:"at"`
	Until        *time.Time         `json:"until,omitempty"`
	Origin       alert.Origin       `json:"origin"`
	Sticky       bool               `json:"sticky"`
	Confirmation alert.Confirmation `json:"confirmation"`
	EngineWords  string             `json:"engine_words,omitempty"`
}

type digestOut struct {
	Storm        string     `json:"storm"`
	Held         bool       `json:"held"`
	Title        string     `json:"title"`
	About        string     `json:"about"`
	Began        *time.Time `json:"began"`
	Total        int        `json:"total"`
	Open         int        `json:"open"`
	Acknowledged int        `json:"acknowledged"`
	Recovered    int        `json:"recovered"`
	New          int        `json:"new"`
	Over         bool       `json:"over"`
	Worst        []lineOut  `json:"worst"`
}

type lineOut struct {
	AlertID string       `json:"alert_id"`
	URL     string       `json:"url"`
	Status  alert.Status `json:"status"`
	State   alert.State  `json:"state"`
	Output  string       `json:"output"`
	Since   *time.Time   `json:"since"`
	Object  *objectOut   `json:"object"`
}

func (p *post) document() *document {
	m := p.m
	d := &document{
		Version: Version, ID: m.DeliveryID, Type: p.kind, Key: p.key(), Action: p.action(), Severity: severity(p.text.State), Time: instant(m.Event.Time),
		Title: p.text.Title, Text: p.text.Body, URL: p.url, EngineURL: p.engineURL, Reminder: m.Reminder || m.Snoozed, Duty: m.Duty,
	}
	if m.ContactID != "" {
		d.Contact = &named{m.ContactID, m.Contact}
	}
	switch {
	case p.kind == typeTest:
		d.Action, d.Severity = "", "info"
	case m.Digest != nil:
		d.Digest = p.digest()
	default:
		d.Source = &named{m.Object.SourceID, p.source}
		d.Object, d.Event, d.Alert = objectOf(m.Object), eventOf(&m.Event), p.alert()
	}
	return d
}

// instant is a time as it is written, nil for none.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC().Truncate(time.Millisecond)
	return &t
}

func objectOf(o alert.Object) *objectOut {
	return &objectOut{
		ID: o.ID, SourceID: o.SourceID, Kind: o.Kind(), Host: o.Host, HostName: o.HostName(), Service: o.Service, ServiceName: o.ServiceName(),
		Name: o.Name(), State: o.State, Downtime: o.Downtime, Flapping: o.Flapping, Labels: o.Labels,
	}
}

func eventOf(e *alert.Event) *eventOut {
	return &eventOut{
		ID: e.ID, Type: e.Type, State: e.State, Output: channel.Cut(e.Output, most), LongOutput: channel.Cut(e.Long, most),
		Author: e.Author, Comment: e.Comment, Origin: e.Origin, Time: instant(e.Time),
	}
}

func (p *post) alert() *alertOut {
	a := p.m.Alert
	if a == nil {
		return nil
	}
	out := &alertOut{
		ID: a.ID, URL: p.whole("/console/alerts/" + a.ID), Status: a.Status, State: a.State, WorstState: a.Worst,
		Output: channel.Cut(a.Output, most), LongOutput: channel.Cut(a.Long, most),
		Since: instant(a.Since), Updated: instant(a.Updated), Resolved: instant(a.Resolved), SnoozedUntil: instant(a.Snoozed), Repeats: a.Repeats,
	}
	if k := a.Ack; k != nil {
		out.Acknowledgement = &ackOut{
			Author: k.Author, Comment: k.Comment, At: instant(k.At), Until: instant(k.Until), Origin: k.Origin, Sticky: k.Sticky,
			Confirmation: k.Confirmation, EngineWords: k.Words,
		}
	}
	return out
}

func (p *post) digest() *digestOut {
	d := p.m.Digest
	return &digestOut{
		Storm: d.Storm, Held: d.Held, Title: d.Title, About: d.About, Began: instant(d.Began),
		Total: d.Total, Open: d.Open, Acknowledged: d.Acked, Recovered: d.Recovered, New: d.New, Over: d.Over, Worst: p.worst(),
	}
}

func (p *post) worst() []lineOut {
	out := []lineOut{}
	if p.m.Digest == nil {
		return out
	}
	for _, l := range p.m.Digest.Worst {
		url := p.whole(l.URL)
		if url == "" {
			url = p.whole("/console/alerts/" + l.AlertID)
		}
		out = append(out, lineOut{
			AlertID: l.AlertID, URL: url, Status: l.Status, State: l.State, Output: channel.Cut(l.Output, most), Since: instant(l.Since), Object: objectOf(l.Object),
		})
	}
	return out
}

// values are what a template may name; see Values.
func (p *post) values(h Hook) map[string]any {
	m, o := p.m, &p.m.Object
	v := map[string]any{
		"type": p.kind, "title": p.text.Title, "text": p.text.Body, "url": p.url, "engine_url": p.engineURL, "id": m.DeliveryID, "key": p.key(),
		"action": p.action(), "severity": severity(p.text.State), "colour": p.text.Colour, "time": stamp(m.Event.Time), "timestamp": m.Event.Time.Unix(),
		"state": string(p.text.State), "state_word": "", "output": channel.Cut(m.Event.Output, most), "long_output": channel.Cut(m.Event.Long, most),
		"event_id": m.Event.ID, "event_type": string(m.Event.Type), "author": m.Event.Author, "comment": m.Event.Comment,
		"contact": m.Contact, "duty": m.Duty, "reminder": m.Reminder || m.Snoozed, "token": h.Token,
		"labels": map[string]string{}, "worst": p.worst(), "total": 0, "open": 0, "acknowledged": 0, "recovered": 0, "new": 0,
	}
	if p.text.State != "" {
		v["state_word"] = p.text.State.Word()
	}
	if d := m.Digest; d != nil {
		v["storm"], v["about"], v["since"] = d.Storm, d.About, stamp(d.Began)
		v["total"], v["open"], v["acknowledged"], v["recovered"], v["new"] = d.Total, d.Open, d.Acked, d.Recovered, d.New
		v["output"], v["long_output"] = "", ""
		return v
	}
	if p.kind == typeTest {
		return v
	}
	v["object"], v["kind"], v["host"], v["host_name"], v["service"], v["service_name"] = o.Name(), string(o.Kind()), o.Host, o.HostName(), o.Service, o.ServiceName()
	v["source"], v["source_id"], v["object_id"] = p.source, o.SourceID, o.ID
	if o.Labels != nil {
		v["labels"] = o.Labels
	}
	if a := m.Alert; a != nil {
		v["alert_id"], v["status"], v["worst_state"], v["since"] = a.ID, string(a.Status), string(a.Worst), stamp(a.Since)
		v["output"], v["long_output"] = channel.Cut(a.Output, most), channel.Cut(a.Long, most)
		if k := a.Ack; k != nil && a.Status == alert.Acknowledged {
			v["author"], v["comment"] = k.Author, k.Comment
		}
	}
	return v
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)
}

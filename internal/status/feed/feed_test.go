package feed_test

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-ical"
	"github.com/mmcdole/gofeed"

	"tocsin/internal/markdown"
	"tocsin/internal/status"
	"tocsin/internal/status/feed"
)

type words struct{}

func (words) Phase(p status.Phase) string                 { return string(p) }
func (words) Moment(t time.Time, z *time.Location) string { return t.In(z).Format(time.RFC1123) }

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func snapshot() status.Snapshot {
	return status.Snapshot{
		Page: status.Page{ID: "0190a000-0000-7000-8000-000000000001", Name: "Müller & Söhne <Shop>", Language: "de"},
		Open: []status.Incident{{ID: "0190a000-0000-7000-8000-000000000002", Title: "Payments ]]> fail & more", Started: now.Add(-time.Hour),
			Updates: []status.Update{
				{Phase: status.Investigating, Body: "We **look**. <script>alert(1)</script>", At: now.Add(-time.Hour), Posted: now.Add(-time.Hour)},
				{Phase: status.Identified, Body: "Found it; é, ü", At: now, Posted: now},
			}}},
		Upcoming: []status.Maintenance{{ID: "0190a000-0000-7000-8000-000000000003", Title: "Move; to, a " + strings.Repeat("räumiger ", 20) + "place",
			Phase: status.Scheduled, Start: now.Add(24 * time.Hour), End: now.Add(26 * time.Hour),
			Updates: []status.Update{{Phase: status.Scheduled, Body: "Line one\nline two\nBEGIN:VEVENT", At: now, Posted: now}}}},
	}
}

func TestFeedReadersReadIt(t *testing.T) {
	f := feed.Make(snapshot(), "https://status.example.com", time.UTC, now, words{}, markdown.New())
	for name, write := range map[string]func() ([]byte, error){"atom": f.Atom, "rss": f.RSS, "json": f.JSON} {
		t.Run(name, func(t *testing.T) {
			body, err := write()
			if err != nil {
				t.Fatal(err)
			}
			got, err := gofeed.NewParser().Parse(bytes.NewReader(body))
			if err != nil {
				t.Fatalf("%v\n%s", err, body)
			}
			if got.FeedType != name || got.Title != "Müller & Söhne <Shop>" || len(got.Items) != 2 {
				t.Fatalf("%s %q %d", got.FeedType, got.Title, len(got.Items))
			}
			i := got.Items[0]
			for _, x := range got.Items { // readers hide what lies ahead
				if x.PublishedParsed == nil || x.PublishedParsed.After(now) || x.UpdatedParsed != nil && x.UpdatedParsed.After(now) {
					t.Errorf("%s is of %v, %v", x.Title, x.PublishedParsed, x.UpdatedParsed)
				}
			}
			text := i.Content + i.Description
			if i.Title != "Payments ]]> fail & more" || i.Link != "https://status.example.com/incidents/0190a000-0000-7000-8000-000000000002" ||
				!strings.Contains(text, "<strong>look</strong>") || strings.Contains(text, "<script") {
				t.Errorf("%+v", i)
			}
		})
	}
	body, _ := f.Atom()
	if err := xml.Unmarshal(body, new(struct{})); err != nil {
		t.Error(err)
	}
}

func TestCalendarsReadIt(t *testing.T) {
	s := snapshot()
	raw := feed.ICal(s, "https://status.example.com", now, markdown.New().Text)
	for _, line := range bytes.Split(raw, []byte("\r\n")) {
		if len(line) > 75 {
			t.Errorf("%d bytes: %s", len(line), line)
		}
	}
	cal, err := ical.NewDecoder(bytes.NewReader(raw)).Decode()
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	events := cal.Events()
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	title, _ := events[0].Props.Text(ical.PropSummary)
	about, _ := events[0].Props.Text(ical.PropDescription)
	start, _ := events[0].DateTimeStart(time.UTC)
	if title != s.Upcoming[0].Title || about != "Line one\nline two\nBEGIN:VEVENT" || !start.Equal(s.Upcoming[0].Start) {
		t.Errorf("%q %q %s", title, about, start)
	}
}

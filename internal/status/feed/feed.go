// Package feed writes what a page says for feed readers and calendars: Atom, RSS,
// JSON Feed, and iCalendar for maintenance.
package feed

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html/template"
	"slices"
	"time"

	"tocsin/internal/status"
)

// Feed is what a page has to say, newest first.
type Feed struct {
	PageID  string
	Title   string
	URL     string // of the page, without a slash at its end
	Zone    *time.Location
	Lang    string
	Updated time.Time
	Items   []Item
}

// Item is one incident or maintenance with all of its updates.
type Item struct {
	ID        string
	Title     string
	URL       string
	HTML      template.HTML
	Text      string
	Published time.Time // when it was first told: work that is announced begins later
	Updated   time.Time
}

// Words are what the items need of a language.
type Words interface {
	Phase(status.Phase) string
	Moment(t time.Time, zone *time.Location) string
}

// Renderer makes HTML and text of Markdown.
type Renderer interface {
	HTML(markdown string) template.HTML
	Text(markdown string) string
}

// Make makes a feed of what is open, planned and past: what was told of last comes
// first.
func Make(s status.Snapshot, url string, zone *time.Location, updated time.Time, words Words, r Renderer) Feed {
	f := Feed{PageID: s.Page.ID, Title: s.Page.Name, URL: url, Zone: zone, Lang: s.Page.Language, Updated: updated}
	add := func(id, title string, created time.Time, updates []status.Update) {
		if created.IsZero() && len(updates) > 0 {
			created = updates[0].Posted
		}
		i := Item{ID: id, Title: title, URL: url + "/incidents/" + id, Published: created, Updated: created}
		var html, text bytes.Buffer
		for n := len(updates) - 1; n >= 0; n-- {
			u := &updates[n]
			if u.Posted.After(i.Updated) {
				i.Updated = u.Posted
			}
			head := words.Phase(u.Phase) + " – " + words.Moment(u.At, zone)
			fmt.Fprintf(&html, "<p><strong>%s</strong></p>\n%s", template.HTMLEscapeString(head), r.HTML(u.Body))
			fmt.Fprintf(&text, "%s\n%s\n\n", head, r.Text(u.Body))
		}
		i.HTML, i.Text = template.HTML(html.String()), text.String() //nolint:gosec // escaped and sanitised above
		f.Items = append(f.Items, i)
	}
	incident := func(i status.Incident) { add(i.ID, i.Title, i.Created, i.Updates) }
	work := func(m status.Maintenance) { add(m.ID, m.Title, m.Created, m.Updates) }
	for _, i := range s.Open {
		incident(i)
	}
	for _, m := range s.Active {
		work(m)
	}
	for _, m := range s.Upcoming {
		work(m)
	}
	for _, d := range s.Past {
		for _, i := range d.Incidents {
			incident(i)
		}
		for _, m := range d.Maintenances {
			work(m)
		}
	}
	slices.SortStableFunc(f.Items, func(a, b Item) int { return b.Updated.Compare(a.Updated) })
	return f
}

type atomLink struct {
	Rel  string `xml:"rel,attr,omitempty"`
	Type string `xml:"type,attr,omitempty"`
	Href string `xml:"href,attr"`
}

type atomText struct {
	Type string `xml:"type,attr"`
	Body string `xml:",chardata"`
}

type atomEntry struct {
	ID        string   `xml:"id"`
	Title     string   `xml:"title"`
	Published string   `xml:"published"`
	Updated   string   `xml:"updated"`
	Link      atomLink `xml:"link"`
	Content   atomText `xml:"content"`
}

type atomFeed struct {
	XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
	Lang    string      `xml:"xml:lang,attr,omitempty"`
	ID      string      `xml:"id"`
	Title   string      `xml:"title"`
	Updated string      `xml:"updated"`
	Author  string      `xml:"author>name"`
	Links   []atomLink  `xml:"link"`
	Entries []atomEntry `xml:"entry"`
}

// Atom is the feed as RFC 4287 has it.
func (f Feed) Atom() ([]byte, error) {
	a := atomFeed{Lang: f.Lang, ID: "urn:uuid:" + f.PageID, Title: f.Title, Updated: stamp(f.Updated), Author: f.Title,
		Links: []atomLink{{Href: f.URL}, {Rel: "self", Type: "application/atom+xml", Href: f.URL + "/history.atom"}}}
	for _, i := range f.Items {
		a.Entries = append(a.Entries, atomEntry{ID: "urn:uuid:" + i.ID, Title: i.Title, Published: stamp(i.Published), Updated: stamp(i.Updated),
			Link: atomLink{Rel: "alternate", Type: "text/html", Href: i.URL}, Content: atomText{"html", string(i.HTML)}})
	}
	return document(a)
}

type rssGUID struct {
	Permanent bool   `xml:"isPermaLink,attr"`
	ID        string `xml:",chardata"`
}

type rssItem struct {
	Title       string  `xml:"title"`
	Link        string  `xml:"link"`
	GUID        rssGUID `xml:"guid"`
	PubDate     string  `xml:"pubDate"`
	Description string  `xml:"description"`
}

type rssFeed struct {
	XMLName xml.Name `xml:"rss"`
	Version string   `xml:"version,attr"`
	Channel struct {
		Title       string    `xml:"title"`
		Link        string    `xml:"link"`
		Description string    `xml:"description"`
		Language    string    `xml:"language,omitempty"`
		Built       string    `xml:"lastBuildDate"`
		Items       []rssItem `xml:"item"`
	} `xml:"channel"`
}

// RSS is the feed as RSS 2.0 has it.
func (f Feed) RSS() ([]byte, error) {
	r := rssFeed{Version: "2.0"}
	c := &r.Channel
	c.Title, c.Link, c.Description, c.Language, c.Built = f.Title, f.URL, f.Title, f.Lang, f.Updated.In(f.Zone).Format(time.RFC1123Z)
	for _, i := range f.Items {
		c.Items = append(c.Items, rssItem{i.Title, i.URL, rssGUID{false, i.ID}, i.Updated.In(f.Zone).Format(time.RFC1123Z), string(i.HTML)})
	}
	return document(r)
}

func document(v any) ([]byte, error) {
	body, err := xml.MarshalIndent(v, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write feed: %w", err)
	}
	return append([]byte(xml.Header), append(body, '\n')...), nil
}

type jsonItem struct {
	ID        string `json:"id"`
	URL       string `json:"url"`
	Title     string `json:"title"`
	HTML      string `json:"content_html"`
	Text      string `json:"content_text"`
	Published string `json:"date_published"`
	Modified  string `json:"date_modified"`
}

// JSON is the feed as JSON Feed 1.1 has it.
func (f Feed) JSON() ([]byte, error) {
	items := []jsonItem{}
	for _, i := range f.Items {
		items = append(items, jsonItem{i.ID, i.URL, i.Title, string(i.HTML), i.Text, stamp(i.Published), stamp(i.Updated)})
	}
	body, err := json.Marshal(struct {
		Version  string     `json:"version"`
		Title    string     `json:"title"`
		Home     string     `json:"home_page_url"`
		Self     string     `json:"feed_url"`
		Language string     `json:"language,omitempty"`
		Items    []jsonItem `json:"items"`
	}{"https://jsonfeed.org/version/1.1", f.Title, f.URL, f.URL + "/history.json", f.Lang, items})
	if err != nil {
		return nil, fmt.Errorf("write feed: %w", err)
	}
	return body, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

package tell

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"tocsin/internal/mail"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/words"
	"tocsin/internal/visitor"
)

//go:embed letter.html
var files embed.FS

// letters makes HTML.
type letters struct{ t *template.Template }

func newLetters() (*letters, error) {
	t, err := template.ParseFS(files, "letter.html")
	if err != nil {
		return nil, fmt.Errorf("read the letter's template: %w", err)
	}
	return &letters{t}, nil
}

// letterView is a letter: a heading, some paragraphs, one thing to press, and why it
// came with how it ends.
type letterView struct {
	W          *words.Language
	Accent     template.CSS
	Heading    string
	Paragraphs []string
	HTML       template.HTML // behind them
	Text       string        // the same in plain text
	Button     link
	Why        string
	Links      []link
}

type link struct{ Text, URL string }

func (t *Teller) language(tag string, p *status.Page) *words.Language {
	return t.languages.For(tag, p.Language)
}

// address is where visitors find a page.
func (t *Teller) address(p *status.Page) string {
	switch {
	case p.Host != "":
		return "https://" + p.Host
	case p.Main:
		return t.o.BaseURL
	}
	return t.o.BaseURL + "/s/" + p.Slug
}

// full is an address of ours with its host.
func (t *Teller) full(url string) string {
	if strings.HasPrefix(url, "/") {
		return t.o.BaseURL + url
	}
	return url
}

// links are what a subscriber acts by.
func (t *Teller) links(p *status.Page, id string) (manage, unsubscribe string, err error) {
	m, err := t.o.Tokens.Make(visitor.Manage, id, time.Time{})
	if err != nil {
		return "", "", err //nolint:wrapcheck // says what it was
	}
	u, err := t.o.Tokens.Make(visitor.Unsubscribe, id, time.Time{})
	if err != nil {
		return "", "", err //nolint:wrapcheck // says what it was
	}
	return t.address(p) + "/subscribe/manage/" + m, t.address(p) + "/unsubscribe/" + u, nil
}

// news is a publication in one language, with all of its text.
type news struct {
	title, lead string
	text        string // plain
	html        template.HTML
	markdown    string // as it was written; empty where nothing was
}

// news says what a publication says. Of a page that became private meanwhile no more
// than of one that was.
func (t *Teller) news(page *status.Page, p *push.Publication, l *words.Language) news {
	if private(page) {
		return news{title: page.Name, lead: l.T("private_news")}
	}
	text := p.Text(l.Tag)
	if p.Full == "" {
		return news{title: text.Title, lead: text.Body}
	}
	return news{title: text.Title, lead: text.Lead, text: t.o.Text.Letter(p.Full), html: t.o.Text.HTML(p.Full), markdown: p.Full}
}

// private says whether not everybody may see a page.
func private(p *status.Page) bool {
	r := &p.Private
	return r.PasswordHash != "" || r.SignedIn || len(r.Networks) > 0
}

// letter says a publication to one subscriber.
func (t *Teller) letter(page *status.Page, p *push.Publication, s *visitor.Subscriber) (mail.Letter, error) {
	l := t.language(s.Language, page)
	n := t.news(page, p, l)
	manage, unsubscribe, err := t.links(page, s.ID)
	if err != nil {
		return mail.Letter{}, err
	}
	v := letterView{W: l, Accent: accent(page), Heading: n.title, HTML: n.html, Text: n.text, Button: link{l.T("mail.read"), t.full(p.URL)}, Why: l.T("mail.why", "page", page.Name),
		Links: []link{{l.T("mail.manage"), manage}, {l.T("unsubscribe"), unsubscribe}}}
	if n.lead != "" {
		v.Paragraphs = []string{n.lead}
	}
	subject := n.title
	if !strings.Contains(subject, page.Name) {
		subject = page.Name + ": " + subject
	}
	out := mail.Letter{To: s.Address, Subject: subject, ID: p.ID + "." + s.ID, Language: l.Tag, Unsubscribe: unsubscribe, Urgent: p.Urgency == push.High, Date: p.Created}
	if p.Topic != "" {
		out.Thread = p.Topic + "." + s.ID
	}
	return t.write(out, &v)
}

// question asks whether somebody meant to subscribe.
func (t *Teller) question(page *status.Page, q *visitor.Question) (mail.Letter, error) {
	l := t.language(q.Language, page)
	token, err := t.o.Tokens.Make(visitor.Confirm, q.ID, t.o.Now().Add(visitor.ConfirmWithin))
	if err != nil {
		return mail.Letter{}, err //nolint:wrapcheck // says what it was
	}
	manage, unsubscribe, err := t.links(page, q.ID)
	if err != nil {
		return mail.Letter{}, err
	}
	v := letterView{W: l, Accent: accent(page), Heading: l.T("mail.confirm_subject", "page", page.Name),
		Paragraphs: []string{l.T("mail.confirm_about", "page", page.Name)},
		Button:     link{l.T("mail.confirm_button"), t.address(page) + "/subscribe/confirm/" + token},
		Why:        l.T("mail.confirm_ignore"), Links: []link{{l.T("mail.not_me"), unsubscribe}}}
	if !q.Confirmed.IsZero() {
		// What was confirmed stays whatever becomes of the question: who did not ask
		// must not be led to end it.
		v.Paragraphs = []string{l.T("mail.change_about", "page", page.Name)}
		v.Why, v.Links = l.T("mail.change_ignore"), []link{{l.T("mail.manage"), manage}, {l.T("unsubscribe"), unsubscribe}}
	}
	return t.write(mail.Letter{To: q.Address, Subject: v.Heading, Language: l.Tag, ID: fmt.Sprintf("%s.%d", q.ID, t.o.Now().Unix())}, &v)
}

// TestLetter is the letter by which settings are tried.
func TestLetter(to string, now time.Time) mail.Letter {
	return mail.Letter{To: to, Subject: "Test from Tocsin", Text: "If you can read this, Tocsin can send e-mail.\n", Date: now, ID: fmt.Sprintf("test.%d", now.UnixNano()),
		HTML: "<p>If you can read this, Tocsin can send e-mail.</p>"}
}

// write makes both parts of a letter.
func (t *Teller) write(out mail.Letter, v *letterView) (mail.Letter, error) {
	var b bytes.Buffer
	if err := t.letters.t.ExecuteTemplate(&b, "letter.html", v); err != nil {
		return out, fmt.Errorf("write a letter: %w", err)
	}
	out.HTML = b.String()
	var text strings.Builder
	text.WriteString(v.Heading + "\n\n")
	for _, p := range append(v.Paragraphs, v.Text) {
		if p != "" {
			text.WriteString(p + "\n\n")
		}
	}
	text.WriteString(v.Button.Text + ":\n" + v.Button.URL + "\n\n-- \n" + v.Why + "\n")
	for _, l := range v.Links {
		text.WriteString(l.Text + ": " + l.URL + "\n")
	}
	out.Text = text.String()
	return out, nil
}

// accent is a page's colour, as it was checked when it was stored.
func accent(p *status.Page) template.CSS {
	if len(p.Accent) != 7 || p.Accent[0] != '#' || strings.Trim(strings.ToLower(p.Accent[1:]), "0123456789abcdef") != "" {
		return "#1d5fd1"
	}
	return template.CSS(p.Accent) //nolint:gosec // six hexadecimal digits
}

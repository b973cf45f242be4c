package tell

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/visitor"
)

// payload is what a webhook is posted. docs/visitors.md lists it.
type payload struct {
	Type        string      `json:"type"` // a push.Kind, or "challenge"
	ID          string      `json:"id,omitempty"`
	Page        payloadPage `json:"page"`
	Title       string      `json:"title,omitempty"`
	Body        string      `json:"body,omitempty"`
	Markdown    string      `json:"markdown,omitempty"`
	Impact      string      `json:"impact,omitempty"`
	Components  []string    `json:"components,omitempty"`
	Subject     string      `json:"subject,omitempty"` // the incident's or maintenance's id
	URL         string      `json:"url,omitempty"`
	Language    string      `json:"language"`
	Created     string      `json:"created,omitempty"`
	Challenge   string      `json:"challenge,omitempty"`
	Manage      string      `json:"manage_url"`
	Unsubscribe string      `json:"unsubscribe_url"`
}

type payloadPage struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	URL  string `json:"url"`
}

func (t *Teller) payload(kind string, page *status.Page, s *visitor.Subscriber) (payload, error) {
	manage, unsubscribe, err := t.links(page, s.ID)
	return payload{Type: kind, Page: payloadPage{page.ID, page.Name, t.address(page) + "/"}, Language: t.language(s.Language, page).Tag, Manage: manage, Unsubscribe: unsubscribe}, err
}

// post posts a publication to a webhook. What is not taken is tried again.
func (t *Teller) post(ctx context.Context, page *status.Page, p *push.Publication, s *visitor.Subscriber) Reply {
	v, err := t.payload(string(p.Kind), page, s)
	if err != nil {
		return Reply{Verdict: Failed, Detail: "it cannot be written"}
	}
	n := t.news(page, p, t.language(s.Language, page))
	v.ID, v.Title, v.Markdown, v.Impact, v.Subject = p.ID, n.title, n.markdown, string(p.Impact), p.Topic
	v.Body = strings.TrimSpace(n.lead + "\n\n" + n.text)
	v.URL, v.Created = t.full(p.URL), p.Created.UTC().Format(time.RFC3339)
	if !private(page) {
		v.Components = p.Components
	}
	body, err := json.Marshal(v)
	if err != nil {
		return Reply{Verdict: Failed, Detail: "it cannot be written"}
	}
	return t.o.Post(ctx, Message{URL: s.Address, ID: p.ID + "." + s.ID, Secret: s.Secret, Body: body})
}

// challenge asks a webhook whether it wants to be told: it has to answer what it
// was given, as {"challenge":"…"} or as plain text, and nothing else, so that a
// server which sends back whatever it gets has not agreed.
func (t *Teller) challenge(ctx context.Context, page *status.Page, q *visitor.Question) Reply {
	v, err := t.payload("challenge", page, &q.Subscriber)
	if err != nil {
		return Reply{Verdict: Failed, Detail: "it cannot be written"}
	}
	raw := make([]byte, 24)
	_, _ = rand.Read(raw) // it never fails
	v.Challenge = base64.RawURLEncoding.EncodeToString(raw)
	body, err := json.Marshal(v)
	if err != nil {
		return Reply{Verdict: Failed, Detail: "it cannot be written"}
	}
	r := t.o.Post(ctx, Message{URL: q.Address, ID: "challenge." + q.ID + "." + v.Challenge[:8], Secret: q.Secret, Body: body})
	if r.Verdict == Sent && !answers(r.Body, v.Challenge) {
		return Reply{Verdict: Later, Detail: "did not answer the challenge"}
	}
	return r
}

func answers(body []byte, challenge string) bool {
	text := strings.TrimSpace(string(body))
	if strings.HasPrefix(text, "{") {
		var v struct {
			Challenge string `json:"challenge"`
		}
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if d.Decode(&v) != nil {
			return false
		}
		text = v.Challenge
	}
	return subtle.ConstantTimeCompare([]byte(text), []byte(challenge)) == 1
}

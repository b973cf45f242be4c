package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"unicode"

	"tocsin/internal/auth"
	"tocsin/internal/mail"
)

// BounceIn is what a mail server says of a letter that it had taken.
type BounceIn struct {
	MessageID  string      `json:"message_id" minLength:"3" maxLength:"250" doc:"The letter's Message-ID, with or without angle brackets" example:"0199e1f0-7a3b-7c00-8000-000000000001@tocsin.example.org"`
	Recipients []BouncedIn `json:"recipients" minItems:"1" maxItems:"20" doc:"What became of it, by recipient"`
}

// BouncedIn is what became of a letter to one recipient, in the words of RFC 3464.
type BouncedIn struct {
	Address string `json:"address,omitempty" maxLength:"310" doc:"Final-Recipient" example:"mira@example.org"`
	Action  string `json:"action" enum:"failed,delayed,delivered,relayed,expanded" doc:"failed ends the delivery; delayed is written down; the others are not"`
	Status  string `json:"status,omitempty" maxLength:"11" doc:"As in RFC 3463" example:"5.1.1"`
	Words   string `json:"words,omitempty" maxLength:"310" doc:"Diagnostic-Code, what the server said that did not take it" example:"550 5.1.1 User unknown"`
	By      string `json:"by,omitempty" maxLength:"310" doc:"Remote-MTA, or Reporting-MTA" example:"mx.example.org"`
}

// BounceOut says whether the letter was one of ours.
type BounceOut struct {
	Noted  bool   `json:"noted" doc:"false: it is about no letter to a contact that was sent here"`
	Detail string `json:"detail" doc:"What was done, for people"`
}

func (a *API) bounceRoutes() {
	register(a, access{scope: auth.Bounces}, route("email", http.MethodPost, "/email/bounces", "report-bounce", "Say what a mail server said of a letter that it had taken; `tocsin bounce` calls it"),
		func(ctx context.Context, in *postIn[BounceIn]) (*body[BounceOut], error) {
			out, err := a.bounce(ctx, in.Body)
			if err != nil {
				return nil, err
			}
			return give(out), nil
		})
}

func (a *API) bounce(ctx context.Context, in BounceIn) (BounceOut, error) {
	id := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(in.MessageID), "<"), ">")
	delivery, host, ok := strings.Cut(id, "@")
	if !ok || delivery == "" {
		return BounceOut{}, fieldProblem("message_id", "is no Message-ID; give what stands in the letter's header", nil)
	}
	for i, r := range in.Recipients {
		for _, s := range []string{r.Address, r.Status, r.Words, r.By} {
			if strings.ContainsFunc(s, unicode.IsControl) {
				return BounceOut{}, fieldProblem("recipients["+strconv.Itoa(i)+"]", "has control characters; give each text in one line", nil)
			}
		}
	}
	others := BounceOut{Detail: "It is about no letter to a contact that was sent here."}
	if !strings.EqualFold(host, mail.IDHost(a.d.BaseURL)) {
		return others, nil
	}
	for _, r := range in.Recipients {
		b := mail.Bounced{Address: r.Address, Action: mail.Action(r.Action), Status: r.Status, Words: r.Words, By: r.By}
		failed := b.Action == mail.ActionFailed
		if !failed && b.Action != mail.ActionDelayed {
			continue
		}
		detail := "is delayed: " + b.Says()
		if failed {
			detail = "came back: " + b.Says()
		}
		noted, err := a.d.Mail.NoteBounce(ctx, delivery, detail, failed)
		if err != nil {
			return BounceOut{}, err
		}
		if !noted {
			return others, nil
		}
		others = BounceOut{Noted: true, Detail: "The delivery " + delivery + " " + detail}
	}
	if !others.Noted {
		others.Detail = "Nothing has failed, so nothing was written down."
	}
	return others, nil
}

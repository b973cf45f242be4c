package console

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/publish"
	"tocsin/internal/status"
)

// seenField is the field of a form that says what the form was drawn from, and
// when. Two people may have the same form open: who sends it second is told what
// the first one made of it, and nothing is overwritten unseen.
const seenField = "seen"

// clash is what somebody else did while a form was filled in. It is the error that
// refuses the form once; what was written stands in it, and sending it again is
// taken for an answer.
type clash struct {
	Who, Did string
	At       time.Time // zero: not known
	Says     string    // what they wrote, in short
	Next     string    // what to do
	Trail    string    // address of the audit trail
}

// yourself is who it was when it was whoever is told of it.
const yourself = "You yourself, in another window,"

func (c *clash) Error() string { return c.Who + " " + c.Did + " meanwhile" }

// seenAs is a short name of what a form shows, the same for the same. Nothing to
// compare with is empty.
func seenAs(texts url.Values) string {
	if len(texts) == 0 {
		return ""
	}
	h := sha256.New()
	part := func(s string) {
		s = strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n"))
		h.Write([]byte(strconv.Itoa(len(s)) + ":" + s))
	}
	for _, k := range slices.Sorted(maps.Keys(texts)) {
		values := slices.DeleteFunc(slices.Sorted(slices.Values(texts[k])), func(s string) bool { return strings.TrimSpace(s) == "" })
		if len(values) == 0 {
			continue
		}
		part(k)
		part(strconv.Itoa(len(values)))
		for _, s := range values {
			part(s)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// seenFrom is what seenField holds of a form that is drawn of something stored. One
// that is drawn again for another reason than a clash keeps what it was drawn from
// first.
func seenFrom(v *visit, stored url.Values, why error) string {
	var other *clash
	if was := v.PostForm.Get(seenField); was != "" && !errors.As(why, &other) {
		return was
	}
	if seen := seenAs(stored); seen != "" {
		return seen + "." + strconv.FormatInt(v.now.UnixMilli(), 36)
	}
	return ""
}

// meanwhile is a *clash when a form was drawn of something else than what is stored
// by now, and what is given is not just that. subject is what the audit trail calls
// it.
func (c *console) meanwhile(v *visit, pageID, subject string, stored, given url.Values) error {
	was, _, _ := strings.Cut(v.PostForm.Get(seenField), ".")
	now := seenAs(stored)
	if was == "" || now == "" || was == now || seenAs(given) == now {
		return nil
	}
	return c.clashOf(v, pageID, subject)
}

// clashOf is what the audit trail says of a thing since the form was drawn.
func (c *console) clashOf(v *visit, pageID, subject string) *clash {
	out := &clash{Who: "Somebody", Did: "changed this", Next: "Nothing of yours is saved yet; it stands below. Save it again, and it takes the place of theirs.",
		Trail: auditPath + "?" + url.Values{"page": {pageID}, "subject": {subject}}.Encode()}
	_, drawn, _ := strings.Cut(v.PostForm.Get(seenField), ".")
	since, _ := strconv.ParseInt(drawn, 36, 64)
	lines, _, err := c.Store.StatusAudit(v.Context(), publish.AuditFilter{PageID: pageID, SubjectID: subject, Limit: 20})
	if err != nil {
		return out // who it was is no reason to lose a text
	}
	for _, l := range lines {
		if l.At.UnixMilli() < since {
			break
		}
		if l.What == "component.state" || l.What == "component.follow" {
			continue // is nothing of a form
		}
		if out.Who, out.At = l.By, l.At; l.UserID == v.who.UserID {
			out.Who = yourself
		}
		break
	}
	return out
}

// saidTexts is what the form of an update shows of it.
func saidTexts(u *status.Update) url.Values {
	return url.Values{"body": {u.Body}, "at": {strconv.FormatInt(u.At.UnixMilli(), 10)}}
}

// saidSeen is what whoever writes an update has read: all until the last one.
func saidSeen(list []status.Update) url.Values {
	if len(list) == 0 {
		return url.Values{"last": {"none"}}
	}
	return url.Values{"last": {list[len(list)-1].ID}}
}

// saidMeanwhile is a *clash when something was published since the form of an
// update was drawn: the next one may say something that does not hold any more, or
// open again what is over.
func saidMeanwhile(v *visit, list []status.Update, n publish.Note, looks func(status.Phase) look) error {
	was, drawn, _ := strings.Cut(v.PostForm.Get(seenField), ".")
	if was == "" || was == seenAs(saidSeen(list)) || len(list) == 0 {
		return nil
	}
	u := &list[len(list)-1]
	if u.By == v.who.Label() && u.Body == n.Body && u.Phase == n.Phase {
		return nil // the same form, sent twice
	}
	out := &clash{Who: u.By, Did: "published “" + looks(u.Phase).Word + "”", At: u.Posted, Says: excerpt(u.Body, 200),
		Next: "Yours is not published yet; it stands below. Publish it again if it still holds."}
	if since, _ := strconv.ParseInt(drawn, 36, 64); u.Posted.UnixMilli() < since {
		out.Who, out.Did, out.At, out.Says = "Somebody", "took back an update", time.Time{}, ""
	}
	if out.Who == v.who.Label() {
		out.Who = yourself
	}
	if incidentOver(u.Phase) && !incidentOver(n.Phase) {
		out.Next += " It opens it again."
	}
	return out
}

// sendingKey names one sending of a form. One that is drawn again is still the same.
func (c *console) sendingKey(v *visit) string {
	if key := v.PostForm.Get("key"); key != "" {
		return key
	}
	return c.NewID()
}

package mattermost

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/chat"
)

const (
	// mostListed is how many alerts /tocsin list shows.
	mostListed = 20
	// mostOnCall is how many contacts /tocsin oncall shows.
	mostOnCall = 40
	// linkLasts is how long a link of /tocsin link is good.
	linkLasts = 10 * time.Minute
)

const help = "These are understood:\n" +
	"- `/tocsin list [text]` – open alerts, those with the text in a name\n" +
	"- `/tocsin ack SHORT [comment]` – acknowledge one; SHORT is what stands before it in the list\n" +
	"- `/tocsin unack SHORT` – remove an acknowledgement\n" +
	"- `/tocsin oncall` – who is on call now, until when, and who is next\n" +
	"- `/tocsin link` – say who you are in Tocsin\n" +
	"- `/tocsin help` – this"

// typed is a slash command as somebody typed it.
type typed struct {
	userID, userName string
	verb, rest       string
}

// command answers the slash command, for the one who typed it alone.
func (c *Channel) command(ctx context.Context, r *http.Request, body []byte) any {
	form, err := url.ParseQuery(string(body))
	if err != nil || !isID(form.Get("user_id")) || len(form.Get("user_name")) > 200 || !utf8.Valid(body) {
		c.refuse(commands, "malformed", "it cannot be read", r)
		return ephemeral(saysNotOurs)
	}
	// The settings hold what the token is compared with, so they come first.
	s, err := c.sight(ctx)
	if err != nil {
		c.failed(commands, "read the settings", err)
		return ephemeral(saysFailed)
	}
	if !knownToken(r, form, s.settings.CommandHashes) {
		c.refuse(commands, "forged", "the token is not one of a command that is known", r)
		return ephemeral("Tocsin does not know this command’s token, so nothing was done. Its admin enters the token under API → Mattermost.")
	}
	if !c.door.user(form.Get("user_id")) {
		c.figures.count(commands, "limited")
		return ephemeral(saysMany)
	}
	if !s.buttons {
		c.figures.count(commands, "off")
		return ephemeral(saysOff)
	}
	t := typed{userID: form.Get("user_id"), userName: form.Get("user_name")}
	t.verb, t.rest, _ = strings.Cut(strings.TrimSpace(printable(form.Get("text"))), " ")
	t.verb, t.rest = strings.ToLower(t.verb), strings.TrimSpace(t.rest)
	text, result, err := c.obey(ctx, s, &t)
	if err != nil {
		c.failed(commands, "the command "+result, err)
		return ephemeral(saysFailed)
	}
	c.figures.count(commands, result)
	return ephemeral(text)
}

// knownToken compares the token with all that are known, each in constant time.
func knownToken(r *http.Request, form url.Values, hashes []string) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Token ")
	if !ok {
		token = form.Get("token")
	}
	hash := []byte(chat.Hash(token))
	known := 0
	for _, h := range hashes {
		known |= subtle.ConstantTimeCompare(hash, []byte(h))
	}
	return known == 1 && token != ""
}

// obey does what was typed. result is for the figures; of an error, what was
// being done.
func (c *Channel) obey(ctx context.Context, s *sight, t *typed) (text, result string, err error) {
	switch t.verb {
	case "link":
		return c.link(ctx, s, t)
	case "list", "ack", "unack", "oncall":
	case "", "help":
		return help, "answered", nil
	default:
		return "Tocsin does not know `" + strings.ReplaceAll(channel.Cut(t.verb, 30), "`", "") + "`. " + help, "refused", nil
	}
	who, says, err := c.actor(ctx, s.settings, t.userID, t.userName)
	if err != nil {
		return "", "find out who it is", err
	}
	// Whoever is linked may look, also if they may not act; unless they may not even
	// sign in.
	if says != "" && (!who.Linked || who.Barred || t.verb == "ack" || t.verb == "unack") {
		return says, "refused", nil
	}
	switch t.verb {
	case "list":
		return c.list(ctx, s, t.rest)
	case "oncall":
		return c.onCall(ctx, s)
	}
	return c.take(ctx, s, t, who)
}

// list shows open alerts.
func (c *Channel) list(ctx context.Context, s *sight, text string) (string, string, error) {
	alerts, total, err := c.o.Desk.Open(ctx, channel.Cut(text, 200), mostListed)
	if err != nil {
		return "", "list", err
	}
	if len(alerts) == 0 {
		if text != "" {
			return "No open alert has “" + escapeInline(channel.Cut(text, 200)) + "” in its names.", "answered", nil
		}
		return "There is no open alert.", "answered", nil
	}
	var b strings.Builder
	if total == Many {
		fmt.Fprintf(&b, "More than %d open:\n", len(alerts))
	} else {
		fmt.Fprintf(&b, "%d open:\n", total)
	}
	for _, e := range entries(alerts) {
		b.WriteString("- " + c.line(s, &e) + "\n")
	}
	switch more := total - len(alerts); {
	case total == Many:
		b.WriteString("… and others; `/tocsin list text` narrows it down.\n")
	case more > 0:
		fmt.Fprintf(&b, "… and %d more; `/tocsin list text` narrows it down.\n", more)
	}
	return b.String(), "answered", nil
}

// entries gives each alert an end of its id that no other in the list has.
func entries(alerts []alert.Alert) []chat.Entry {
	out := make([]chat.Entry, len(alerts))
	for i, a := range alerts {
		out[i] = chat.Entry{Short: shortID(a.ID), Alert: a}
		for n := shortest; n <= len(a.ID) && ambiguous(alerts, i, out[i].Short); n++ {
			out[i].Short = a.ID[len(a.ID)-n:]
		}
	}
	return out
}

func ambiguous(alerts []alert.Alert, i int, end string) bool {
	for j := range alerts {
		if j != i && strings.HasSuffix(alerts[j].ID, end) {
			return true
		}
	}
	return false
}

func (c *Channel) line(s *sight, e *chat.Entry) string {
	mark := ""
	if !s.settings.NoEmoji {
		mark = stateMark(e.State) + " "
	}
	line := fmt.Sprintf("`%s` %s**%s** %s, for %s", e.Short, mark, e.State.Word(), named(e.Alert), channel.Span(c.o.Now().Sub(e.Since)))
	if e.Status == alert.Acknowledged && e.Ack != nil {
		line += ", acknowledged by " + escapeInline(channel.Cut(author(e.Ack), 60))
	}
	return line
}

// take acknowledges an alert, or gives it back.
func (c *Channel) take(ctx context.Context, s *sight, t *typed, who Actor) (string, string, error) {
	short, comment, _ := strings.Cut(t.rest, " ")
	short, comment = strings.ToLower(strings.Trim(short, "`")), strings.TrimSpace(comment)
	if len(short) < shortest || len(short) > 36 || strings.Trim(short, "0123456789abcdef-") != "" {
		return "Please say which: `/tocsin " + t.verb + " SHORT`, where SHORT is what stands before it in `/tocsin list`.", "refused", nil
	}
	if n := utf8.RuneCountInString(comment); n > maxDialogComment {
		return fmt.Sprintf("The comment has %d characters; %d are the most. Nothing was done.", n, maxDialogComment), "refused", nil
	}
	found, err := c.o.Desk.Find(ctx, short)
	switch {
	case err != nil:
		return "", t.verb, err
	case len(found) == 0:
		return "No open alert is called " + short + ". It may have recovered; `/tocsin list` shows what is open.", "refused", nil
	case len(found) > 1:
		return fmt.Sprintf("%d open alerts end in %s. Please take more of it, as `/tocsin list` shows it.", len(found), short), "refused", nil
	}
	id := found[0].ID
	var a alert.Alert
	says := "You have removed the acknowledgement of "
	if t.verb == "ack" {
		says = "You have acknowledged "
		a, err = c.o.Desk.Acknowledge(ctx, id, who, comment, time.Time{}, nil)
	} else {
		a, err = c.o.Desk.Unacknowledge(ctx, id, who)
	}
	if err != nil {
		if why := c.why(ctx, s, id, &a, err); why != "" {
			return why, "refused", nil
		}
		return "", t.verb, err
	}
	return says + named(a) + "." + c.engineHears(ctx, a), "done", nil
}

// onCall shows who is on call, or where there are no schedules who is told of
// problems.
func (c *Channel) onCall(ctx context.Context, s *sight) (string, string, error) {
	rotas, err := c.o.Desk.Rotas(ctx)
	if err != nil {
		return "", "oncall", err
	}
	if len(rotas) > 0 {
		lines := make([]string, 0, len(rotas))
		for _, r := range rotas {
			lines = append(lines, rotaLine(r, s.zone))
		}
		return "On call now:\n" + bullets(lines), "answered", nil
	}
	all, err := c.o.Desk.OnCall(ctx)
	if err != nil {
		return "", "oncall", err
	}
	var now, later []string
	for _, o := range all {
		name := escapeInline(channel.Cut(o.Contact, 100))
		switch {
		case o.Now && o.Until.IsZero():
			now = append(now, name)
		case o.Now:
			now = append(now, name+", until "+when(o.Until, s.zone))
		case !o.Until.IsZero():
			later = append(later, name+", from "+when(o.Until, s.zone))
		}
	}
	if len(now) == 0 {
		now = []string{"nobody"}
	}
	text := "Told of problems now:\n" + bullets(now)
	if len(later) > 0 {
		text += "Later:\n" + bullets(later)
	}
	return text, "answered", nil
}

// rotaLine is one schedule: who is on call, until when, and who is next.
func rotaLine(r Rota, zone *time.Location) string {
	who := func(name string) string {
		if name == "" {
			return "nobody"
		}
		return escapeInline(channel.Cut(name, 100))
	}
	line := "**" + escapeInline(channel.Cut(r.Schedule, 100)) + "**: " + who(r.Now)
	if !r.Until.IsZero() {
		line += ", until " + when(r.Until, zone) + "; then " + who(r.Next)
	}
	return line
}

func bullets(names []string) string {
	var b strings.Builder
	for _, n := range names[:min(len(names), mostOnCall)] {
		b.WriteString("- " + n + "\n")
	}
	if more := len(names) - mostOnCall; more > 0 {
		fmt.Fprintf(&b, "- … and %d more\n", more)
	}
	return b.String()
}

// link makes a one-time link. Its token stands behind #, which no browser sends
// anywhere: the page hands it in.
func (c *Channel) link(ctx context.Context, s *sight, t *typed) (string, string, error) {
	who, err := c.o.Desk.Who(ctx, t.userID)
	if err != nil {
		return "", "link", err
	}
	if s.base == "" {
		return "", "link", errors.New("this server's address is not set")
	}
	token := newSecret()
	l := chat.Link{Hash: chat.Hash(token), UserID: t.userID, Name: oneLine(t.userName), Expires: c.o.Now().Add(linkLasts)}
	if err := c.o.Store.SaveLink(ctx, l); err != nil {
		return "", "link", err
	}
	text := "Open this within 10 minutes and sign in, to say which contact of Tocsin’s you are. It works once, and is for you alone:\n"
	if who.Linked {
		text = "You are linked to **" + escapeInline(who.Name) + "**. To change that, open this within 10 minutes and sign in; it works once, and is for you alone:\n"
	}
	return text + s.base + "/console/link/mattermost#" + token, "done", nil
}

package mattermost

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"tocsin/internal/chat"
)

const (
	// maxBody is how much of a callback is read. Mattermost's are below 2 KB.
	maxBody = 64 << 10
	// bodyWithin is how long a body may take to arrive.
	bodyWithin = 5 * time.Second
	// answerWithin is how long an answer may take; Mattermost waits for 30 s.
	answerWithin = 10 * time.Second
)

// What people are told where nothing more is to be said. A forgery, a replay by
// somebody who was not meant and a request that cannot be read are answered alike.
const (
	saysNotOurs = "That did not come from a button or a dialog of Tocsin’s that is still in use, so nothing was done. Please use the newest post of the alert, `/tocsin`, or the console."
	saysOff     = "Acting from Mattermost is switched off in Tocsin, so nothing was done. Please use the console."
	saysBusy    = "Tocsin has too much to do at this moment. Nothing was done; please try again shortly."
	saysMany    = "That is more than 30 times in a minute, so nothing was done. Please try again in a minute."
	saysFailed  = "Something went wrong in Tocsin, so it is not sure that this was done. Please look at the alert, and try again."
	saysExpired = "This button is older than a week, so nothing was done. Please use `/tocsin ack`, or the console."
	saysUsed    = "This button was used before, so nothing was done. What stands in the post now is how the alert stands."
)

// Callback answers what Mattermost calls: /callback/mattermost/action for buttons,
// …/dialog for dialogs, …/command for the slash command. Mattermost shows people
// an error for whatever is not 200 with JSON, so what they are to read is sent as
// that, also when it says no.
func (c *Channel) Callback() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			http.Error(w, "only POST is understood here", http.StatusMethodNotAllowed)
			return
		}
		var answer func(ctx context.Context, r *http.Request, body []byte) any
		var busy any
		switch strings.TrimPrefix(r.URL.Path, "/callback/mattermost") {
		case "/action":
			answer, busy = c.action, private(saysBusy)
		case "/dialog":
			answer, busy = c.dialog, wrong(saysBusy)
		case "/command":
			answer, busy = c.command, ephemeral(saysBusy)
		default:
			http.NotFound(w, r)
			return
		}
		if !c.door.remote(r) {
			write(w, busy)
			return
		}
		// Nobody has a place inside who still sends: many who send slowly would keep
		// out those who send at once.
		body, err := read(w, r)
		if err != nil {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				http.Error(w, "more than 64 KiB", http.StatusRequestEntityTooLarge)
			} else {
				http.Error(w, "the request broke off", http.StatusBadRequest)
			}
			return
		}
		if !c.door.enter() {
			write(w, busy)
			return
		}
		defer c.door.leave()
		ctx, cancel := context.WithTimeout(r.Context(), answerWithin)
		defer cancel()
		write(w, answer(ctx, r, body))
	})
}

// read takes the body in, which Mattermost sends at once.
func read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Now().Add(bodyWithin)) // where it cannot be set, the server's own time holds
	defer func() { _ = c.SetReadDeadline(time.Time{}) }()
	return io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
}

func write(w http.ResponseWriter, answer any) {
	raw, err := json.Marshal(answer)
	if err != nil {
		raw = []byte("{}") // cannot happen: answers are texts
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(raw) // who has gone away needs no answer
}

// actionAnswer is the answer to a click.
type actionAnswer struct {
	Update    *edit  `json:"update,omitempty"`
	Ephemeral string `json:"ephemeral_text,omitempty"`
}

// private is an answer that only the person who clicked reads.
func private(text string) actionAnswer { return actionAnswer{Ephemeral: text} }

// dialogAnswer keeps a dialog open and says why. Old servers show errors of
// fields only.
type dialogAnswer struct {
	Errors map[string]string `json:"errors,omitempty"`
}

func wrong(text string) dialogAnswer { return dialogAnswer{map[string]string{"comment": text}} }

// commandAnswer is the answer to a slash command.
type commandAnswer struct {
	Type string `json:"response_type"`
	Text string `json:"text"`
}

func ephemeral(text string) commandAnswer { return commandAnswer{"ephemeral", text} }

// refuse counts a request that is none of ours, and logs some of them.
func (c *Channel) refuse(w which, result, why string, r *http.Request) {
	c.figures.count(w, result)
	if unsaid, ok := c.door.toLog(); ok {
		c.o.Log.Warn("a callback of mattermost was refused", "result", result, "reason", why, "remote", address(r), "refused_since_last", unsaid)
	}
}

// failed logs what is our fault.
func (c *Channel) failed(w which, what string, err error) {
	c.figures.count(w, "failed")
	c.o.Log.Error("answering mattermost failed", "step", what, "error", err)
}

// actor is who acts, and whether they may; says is why not.
func (c *Channel) actor(ctx context.Context, s chat.Settings, userID, userName string) (who Actor, says string, err error) {
	who, err = c.o.Desk.Who(ctx, userID)
	switch {
	case err != nil:
		return who, "", err
	case who.Barred:
		return who, "You are linked to " + escapeInline(who.Name) + ", who may not sign in to Tocsin any more. Nothing was done.", nil
	case who.Linked && !who.May:
		return who, "You are linked to " + escapeInline(who.Name) + ", who may not acknowledge in Tocsin. Nothing was done.", nil
	case who.Linked:
		return who, "", nil
	case !s.Unlinked && len(s.CommandHashes) == 0:
		return who, "Tocsin does not know who you are, so nothing was done. Its admin adds the command `/tocsin` to Mattermost, with which you say so once, or lets everybody act: both under API → Mattermost.", nil
	case !s.Unlinked:
		return who, "Tocsin does not know who you are, so nothing was done. Type `/tocsin link` to say so once.", nil
	}
	return unknown(userID, userName), "", nil
}

// unknown is somebody who is linked to no contact.
func unknown(userID, userName string) Actor {
	name := oneLine(userName)
	if name == "" {
		name = userID
	}
	return Actor{Name: "@" + strings.TrimPrefix(name, "@") + " (Mattermost)", May: true}
}

// isID says whether a text looks like an id of Mattermost's.
func isID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') {
			return false
		}
	}
	return true
}

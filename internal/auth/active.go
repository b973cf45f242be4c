package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/audit"
	"tocsin/internal/fault"
)

// Way is how somebody signed in.
type Way string

// The ways.
const (
	ByPassword        Way = "password"
	ByPasswordPasskey Way = "password+passkey"
	ByPasswordCode    Way = "password+code"
	ByPasskey         Way = "passkey"
	ByProvider        Way = "provider"
)

// Words is the way for people: "password and passkey".
func (w Way) Words() string {
	switch w {
	case ByPasswordPasskey:
		return "password and passkey"
	case ByPasswordCode:
		return "password and recovery code"
	case ByProvider:
		return "the sign-in provider"
	case "":
		return "password"
	}
	return string(w)
}

// Active is a session as its owner sees it.
type Active struct {
	ID      string // names it, and is of no use to whoever sees it
	Browser string // "Firefox on Linux"
	Address string // where it was used from last
	Begun   time.Time
	Seen    time.Time // to the minute; an open tab counts every half hour
	Expires time.Time
	Way     Way
	This    bool // it is the one that asks
}

// SessionsOf lists where a user is signed in, the one used last first.
func (s *Service) SessionsOf(ctx context.Context, userID string) ([]Active, error) {
	all, err := s.st.SessionsOf(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	me, _ := From(ctx)
	out := make([]Active, 0, len(all))
	for _, x := range all {
		_, values, err := jsonCodec{}.Decode(x.Data)
		if err != nil {
			return nil, err
		}
		text := func(key string) string { v, _ := values[key].(string); return v }
		out = append(out, Active{
			ID: publicID(x.Token), Browser: Browser(text(keyAgent)), Address: text(keyAddress), Begun: unix(text(keyBegun)), Seen: unix(text(keyTouched)),
			Expires: x.Expires, Way: Way(text(keyWay)), This: me.Session != "" && x.Token == me.Session,
		})
	}
	slices.SortFunc(out, func(a, b Active) int { return b.Seen.Compare(a.Seen) })
	return out, nil
}

// publicID names a session on a page without being what the store knows it by.
func publicID(token string) string { return Hash("session\x00" + token)[:24] }

// EndSession ends one of a user's sessions, with its streams, on every node;
// fault.ErrNotFound if there is none.
func (s *Service) EndSession(ctx context.Context, userID, id string) error {
	n, err := s.endThose(ctx, userID, "", func(x Session) bool { return publicID(x.Token) == id })
	if err == nil && n == 0 {
		return fmt.Errorf("session: %w", fault.ErrNotFound)
	}
	return err
}

// EndOthers ends all sessions of a user but the one that asks, and says how many.
func (s *Service) EndOthers(ctx context.Context, userID string) (int, error) {
	me, _ := From(ctx)
	return s.endThose(ctx, userID, "", func(x Session) bool { return x.Token != me.Session })
}

// endThose ends some of a user's sessions, with their streams; why goes into the trail.
func (s *Service) endThose(ctx context.Context, userID, why string, which func(Session) bool) (n int, err error) {
	u, err := s.st.UserByID(ctx, userID)
	if err != nil {
		return 0, fmt.Errorf("user %s: %w", userID, err)
	}
	all, err := s.st.SessionsOf(ctx, userID)
	if err != nil {
		return 0, fmt.Errorf("list sessions: %w", err)
	}
	for _, x := range all {
		if !which(x) {
			continue
		}
		if err := s.st.DeleteSession(ctx, x.Token); err != nil {
			return n, fmt.Errorf("end a session: %w", err)
		}
		n++
		// Streams at other nodes end when those look after them, see Attend.
		if s.o.SessionEnded != nil {
			s.o.SessionEnded(x.Token)
		}
	}
	if n == 0 {
		return 0, nil
	}
	text := "One session was ended."
	if n > 1 {
		text = strconv.Itoa(n) + " sessions were ended."
	}
	e := audit.Entry{Action: "session.ended", Subject: audit.Subject{Kind: "user", ID: u.ID, Name: u.Label()}, Note: why + text}
	if err := s.st.Record(ctx, e); err != nil {
		return n, fmt.Errorf("write into the audit trail: %w", err)
	}
	return n, nil
}

// confirmFor is for how long somebody who proved to be there may change their ways in.
const confirmFor = 15 * time.Minute

// Recently says whether the owner of the session proved to be there a short while ago:
// a session that somebody came by, or a browser that was left open, does not get a new
// way in of its own.
func (s *Service) Recently(p Principal) bool {
	return p.UserID != "" && s.o.Now().Sub(p.Confirmed) < confirmFor
}

// confirmed notes that the session's owner proved to be there.
func (s *Service) confirmed(ctx context.Context) error {
	p, ok := From(ctx)
	if !ok || p.Session == "" {
		return nil
	}
	x, err := s.st.Session(ctx, p.Session)
	if errors.Is(err, fault.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read session: %w", err)
	}
	deadline, values, err := jsonCodec{}.Decode(x.Data)
	if err != nil {
		return err
	}
	values[keyConfirmed] = strconv.FormatInt(s.o.Now().Unix(), 10)
	if x.Data, err = (jsonCodec{}).Encode(deadline, values); err != nil {
		return err
	}
	if err := s.st.MoveSession(ctx, x); err != nil {
		return fmt.Errorf("write session: %w", err)
	}
	return nil
}

// Browser is a browser's name for itself in words: "Firefox on Linux".
func Browser(agent string) string {
	name := firstOf(agent, "Edg/", "Edge", "EdgA/", "Edge", "OPR/", "Opera", "SamsungBrowser/", "Samsung Internet", "FxiOS/", "Firefox", "Firefox/", "Firefox",
		"CriOS/", "Chrome", "HeadlessChrome/", "Chrome", "Chrome/", "Chrome", "Safari/", "Safari", "curl/", "curl")
	on := firstOf(agent, "iPhone", "iPhone", "iPad", "iPad", "Android", "Android", "CrOS", "ChromeOS", "Windows", "Windows", "Macintosh", "Mac", "Linux", "Linux")
	switch {
	case name == "" && on == "":
		return "Unknown browser"
	case name == "":
		return "A browser on " + on
	case on == "":
		return name
	}
	return name + " on " + on
}

// firstOf is the word of the first mark that a text has; marks and words take turns.
func firstOf(text string, pairs ...string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		if strings.Contains(text, pairs[i]) {
			return pairs[i+1]
		}
	}
	return ""
}

// Package visit is where visitors of a public page subscribe by an address:
//
//	POST /subscribe/email, /subscribe/webhook      asks the address whether it wants to
//	GET, POST /subscribe/confirm/TOKEN             the answer
//	GET, POST /subscribe/manage/TOKEN              what is wanted
//	GET, POST /unsubscribe/TOKEN                   the end; the POST needs nothing else (RFC 8058)
//
// all of them below the page's address, and none of them with JavaScript. An answer
// never tells whether an address is known. A GET changes nothing: programs that
// look after mail open links in it. Who may not see a page may not subscribe to
// it, confirm or change anything; unsubscribing is open to whoever has the link.
package visit

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/visitor"
	"tocsin/internal/web/page"
)

// Store is what subscribing needs of the storage.
type Store interface {
	Subscribe(ctx context.Context, s visitor.Subscriber) error
	Subscriber(ctx context.Context, id string) (visitor.Subscriber, error)
	ConfirmSubscriber(ctx context.Context, id string) error
	ChangeSubscriber(ctx context.Context, id string, want push.Want, language string) error
	EndSubscriber(ctx context.Context, id string) error
}

// Options are what Visits need.
type Options struct {
	Store   Store
	Site    *page.Site
	Tokens  *visitor.Tokens
	Ways    func() page.Ways
	Private []netip.Prefix             // networks that webhooks may stand in though they are not public
	Secret  func(secret []byte) string // a webhook's as people are shown it
	Log     *slog.Logger
	Now     func() time.Time
}

// Visits answers those who subscribe, and those who did.
type Visits struct {
	o       Options
	cross   *http.CrossOriginProtection
	asking  *limiter // by who asks
	asked   *limiter // by the address that is asked
	hosts   *limiter // by the host of the webhook that is asked
	guesses *limiter // links that are none, by who opens them
}

const mostForm = 64 << 10

// New makes Visits.
func New(o Options) *Visits {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Visits{o: o, cross: http.NewCrossOriginProtection(), asking: newLimiter(6, 20*time.Second), asked: newLimiter(3, 6*time.Hour),
		hosts:   newLimiter(10, time.Minute),
		guesses: newLimiter(20, 6*time.Second)}
}

// Handle answers a request that is one of these, and says false to all others.
func (v *Visits) Handle(w http.ResponseWriter, r *http.Request) bool {
	if !strings.Contains(r.URL.Path, "/subscribe/") && !strings.Contains(r.URL.Path, "/unsubscribe/") {
		return false
	}
	at, ok := v.o.Site.Visit(r)
	what, token, found := v.names(at.Path)
	if !ok || !found {
		// A page moves, and may leave its host, its name or the first place to another
		// one: the links in letters stay good.
		if at, what, token, ok = v.moved(r); !ok {
			return false
		}
	}
	if what != "unsubscribe" && !at.May {
		return false // the page's gate answers
	}
	post := r.Method == http.MethodPost
	if !post && r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
		return true
	}
	if post {
		r.Body = http.MaxBytesReader(w, r.Body, mostForm)
		// Unsubscribing needs nothing of what is sent with it.
		if err := parse(r); err != nil && what != "unsubscribe" {
			v.o.Site.Say(w, r, at, page.Saying{Status: http.StatusBadRequest, Heading: at.W.T("link_over_title"), Text: at.W.T("link_over_about"), Back: true})
			return true
		}
		at = v.o.Site.In(at, r.PostForm.Get("lang"))
		if what != "unsubscribe" && v.cross.Check(r) != nil {
			http.Error(w, http.StatusText(http.StatusForbidden), http.StatusForbidden)
			return true
		}
	}
	switch what {
	case "email", "webhook":
		if token != "" {
			return false
		}
		if !post {
			http.Redirect(w, r, at.Base+"/subscribe", http.StatusSeeOther)
			return true
		}
		v.subscribe(w, r, at, visitor.Channel(what))
	case "confirm":
		v.confirm(w, r, at, token)
	case "manage":
		v.manage(w, r, at, token)
	case "unsubscribe":
		v.unsubscribe(w, r, at, token)
	default:
		return false
	}
	return true
}

// names takes a path below a page apart; false when it is none of these.
func (v *Visits) names(path string) (what, token string, ok bool) {
	if rest, ok := strings.CutPrefix(path, "unsubscribe/"); ok {
		return "unsubscribe", rest, true
	}
	rest, ok := strings.CutPrefix(path, "subscribe/")
	what, token, _ = strings.Cut(rest, "/")
	return what, token, ok
}

// moved answers for a link below an address where no page is any more.
func (v *Visits) moved(r *http.Request) (at page.Visit, what, token string, ok bool) {
	path := r.URL.Path
	for _, mark := range []string{"/subscribe/confirm/", "/subscribe/manage/", "/unsubscribe/"} {
		if i := strings.LastIndex(path, mark); i >= 0 {
			what, token, _ = v.names(path[i+1:])
		}
	}
	p, known := purposes[what]
	id, err := v.o.Tokens.Check(p, token, v.o.Now())
	if !known || err != nil {
		return at, what, token, false
	}
	s, err := v.o.Store.Subscriber(r.Context(), id)
	if err != nil {
		return at, what, token, false
	}
	at, ok = v.o.Site.VisitOf(s.PageID, r)
	return at, what, token, ok
}

var purposes = map[string]visitor.Purpose{"confirm": visitor.Confirm, "manage": visitor.Manage, "unsubscribe": visitor.Unsubscribe}

// parse reads a form of either kind: those who unsubscribe with one click may send
// it as multipart/form-data.
func parse(r *http.Request) error {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data") {
		err := r.ParseMultipartForm(mostForm) //nolint:gosec // its body is bounded before
		if r.MultipartForm != nil {
			_ = r.MultipartForm.RemoveAll()
		}
		return err //nolint:wrapcheck // said by its absence
	}
	return r.ParseForm() //nolint:wrapcheck // the same
}

func (v *Visits) subscribe(w http.ResponseWriter, r *http.Request, at page.Visit, c visitor.Channel) {
	ways, l := v.o.Ways(), at.W
	problem := func(status int, text string) {
		v.o.Site.Say(w, r, at, page.Saying{Status: status, Heading: l.T("subscribe_title"), Problem: text, Back: true})
	}
	if c == visitor.Email && !ways.Email || c == visitor.Webhook && !ways.Webhook {
		problem(http.StatusNotFound, l.T("subscribe_full"))
		return
	}
	if wait := v.asking.take(place(r.RemoteAddr), v.o.Now()); wait > 0 {
		seconds := strconv.Itoa(int(wait/time.Second) + 1)
		w.Header().Set("Retry-After", seconds)
		problem(http.StatusTooManyRequests, l.T("subscribe_wait", "seconds", seconds))
		return
	}
	s := visitor.Subscriber{PageID: at.PageID, Channel: c, Language: l.Tag, Want: wanted(r.PostForm)}
	if s.Want.Incident != "" && len(s.Want.Kinds) == 0 {
		s.Want.Kinds = append(push.DefaultKinds(), push.Maintenance) // all about it, which may be a maintenance
	}
	if s.Address = spelled(r.PostForm.Get("email")); c == visitor.Webhook {
		s.Address = r.PostForm.Get("url")
		s.Secret = make([]byte, visitor.SecretSize)
		_, _ = rand.Read(s.Secret) // it never fails
	}
	if err := s.Clean(v.o.Private); err != nil {
		var field *push.FieldError
		if errors.As(err, &field) && (field.Field == "email" || field.Field == "url") {
			problem(http.StatusUnprocessableEntity, l.T("subscribe_bad_"+field.Field))
			return
		}
		problem(http.StatusUnprocessableEntity, l.T("subscribe_bad_choice"))
		return
	}
	if v.o.Site.CheckWant(at.PageID, &s.Want) != nil {
		problem(http.StatusUnprocessableEntity, l.T("subscribe_bad_choice"))
		return
	}
	// An address that is asked too often is left alone, and nobody is told so.
	if v.spares(at.PageID, &s) {
		if err := v.o.Store.Subscribe(r.Context(), s); err != nil {
			if !errors.Is(err, visitor.ErrFull) {
				v.o.Log.Error("subscriber not kept", "page_id", at.PageID, "channel", string(c), "error", err)
			}
			problem(http.StatusServiceUnavailable, l.T("subscribe_full"))
			return
		}
	}
	say := page.Saying{Heading: l.T("asked_title"), Text: l.T("asked_" + string(c))}
	if c == visitor.Webhook {
		say.Secret = v.o.Secret(s.Secret)
	}
	v.o.Site.Say(w, r, at, say)
}

// spelled is an address with its domain in the letters that every program knows,
// whichever of the world's it was written in.
func spelled(address string) string {
	local, domain, ok := strings.Cut(strings.TrimSpace(address), "@")
	if plain, err := idna.Lookup.ToASCII(domain); ok && err == nil {
		return local + "@" + plain
	}
	return address
}

// spares says whether an address may be asked once more. It is counted by the
// mailbox, whatever is written behind a + or between dots, and for a webhook by its
// host as well: else a thousand ways to write an address would be a thousand messages
// to whoever is behind it.
func (v *Visits) spares(pageID string, s *visitor.Subscriber) bool {
	key := strings.ToLower(s.Address)
	if s.Channel == visitor.Email {
		local, domain, _ := strings.Cut(key, "@")
		local, _, _ = strings.Cut(local, "+")
		key = strings.ReplaceAll(local, ".", "") + "@" + domain
	} else if u, err := url.Parse(s.Address); err == nil && v.hosts.take(strings.ToLower(u.Hostname()), v.o.Now()) > 0 {
		return false
	}
	sum := sha256.Sum256([]byte(key))
	return v.asked.take(pageID+hex.EncodeToString(sum[:]), v.o.Now()) == 0
}

// wanted is what a form says. Nothing chosen is everything.
func wanted(in url.Values) push.Want {
	w := push.Want{Components: distinct(in["component"]), Incident: in.Get("incident")}
	for _, k := range distinct(in["kind"]) {
		w.Kinds = append(w.Kinds, push.Kind(k))
	}
	if i := push.Impact(in.Get("impact")); i != push.ImpactNone {
		w.MinImpact = i
	}
	return w
}

func distinct(list []string) []string {
	var out []string
	for _, s := range list {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// of answers the subscriber of a link, and the page that it is of; false when it has
// answered that the link does nothing.
func (v *Visits) of(w http.ResponseWriter, r *http.Request, at page.Visit, p visitor.Purpose, token string) (visitor.Subscriber, page.Visit, bool) {
	id, err := v.o.Tokens.Check(p, token, v.o.Now())
	var s visitor.Subscriber
	if err == nil {
		s, err = v.o.Store.Subscriber(r.Context(), id)
	}
	if err == nil && s.PageID != at.PageID {
		// Another page stands there by now.
		there, ok := v.o.Site.VisitOf(s.PageID, r)
		if !ok || !there.May {
			v.over(w, r, at)
			return s, at, false
		}
		at = v.o.Site.In(there, at.W.Tag)
	}
	switch {
	case err == nil:
		return s, at, true
	case errors.Is(err, fault.ErrNotFound), errors.Is(err, visitor.ErrTokenExpired):
		v.over(w, r, at)
	case errors.Is(err, visitor.ErrToken):
		if wait := v.guesses.take(place(r.RemoteAddr), v.o.Now()); wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
			http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
			break
		}
		v.over(w, r, at)
	default:
		v.failed(w, r, at, err)
	}
	return s, at, false
}

func (v *Visits) over(w http.ResponseWriter, r *http.Request, at page.Visit) {
	v.o.Site.Say(w, r, at, page.Saying{Status: http.StatusNotFound, Heading: at.W.T("link_over_title"), Text: at.W.T("link_over_about"), Back: true})
}

func (v *Visits) failed(w http.ResponseWriter, r *http.Request, at page.Visit, err error) {
	v.o.Log.Error("subscriber not changed", "page_id", at.PageID, "error", err)
	w.Header().Set("Retry-After", "30")
	v.o.Site.Say(w, r, at, page.Saying{Status: http.StatusServiceUnavailable, Heading: at.W.T("unavailable"), Text: at.W.T("subscribe_full"), Back: true})
}

func (v *Visits) confirm(w http.ResponseWriter, r *http.Request, at page.Visit, token string) {
	s, at, ok := v.of(w, r, at, visitor.Confirm, token)
	if !ok {
		return
	}
	l := at.W
	if r.Method != http.MethodPost {
		v.o.Site.Say(w, r, at, page.Saying{Heading: l.T("confirm_title"), Text: l.T("confirm_about", "address", s.Address), Action: r.URL.EscapedPath(), Button: l.T("confirm_button")})
		return
	}
	if err := v.o.Store.ConfirmSubscriber(r.Context(), s.ID); errors.Is(err, fault.ErrNotFound) {
		v.over(w, r, at)
		return
	} else if err != nil {
		v.failed(w, r, at, err)
		return
	}
	v.o.Site.Say(w, r, at, page.Saying{Heading: l.T("confirmed_title"), Text: l.T("confirmed_about", "address", s.Address)})
}

func (v *Visits) manage(w http.ResponseWriter, r *http.Request, at page.Visit, token string) {
	s, at, ok := v.of(w, r, at, visitor.Manage, token)
	if !ok {
		return
	}
	if s.Confirmed.IsZero() {
		v.over(w, r, at)
		return
	}
	l := at.W
	end, err := v.o.Tokens.Make(visitor.Unsubscribe, s.ID, time.Time{})
	if err != nil {
		v.failed(w, r, at, err)
		return
	}
	say := page.Saying{Heading: l.T("manage_title"), Text: l.T("manage_about", "address", s.Address), Action: r.URL.EscapedPath(), Button: l.T("manage_save"),
		Want: &s.Want, More: at.Base + "/unsubscribe/" + end, MoreSay: l.T("unsubscribe")}
	if r.Method == http.MethodPost {
		want := wanted(r.PostForm)
		want.Incident = s.Want.Incident
		say.Want = &want
		if want.Validate() != nil || v.o.Site.CheckWant(at.PageID, &push.Want{Components: want.Components}) != nil {
			say.Status, say.Problem = http.StatusUnprocessableEntity, l.T("subscribe_bad_choice")
		} else if err := v.o.Store.ChangeSubscriber(r.Context(), s.ID, want, l.Tag); errors.Is(err, fault.ErrNotFound) {
			v.over(w, r, at)
			return
		} else if err != nil {
			v.failed(w, r, at, err)
			return
		} else {
			say.Problem = l.T("manage_saved")
		}
	}
	v.o.Site.Say(w, r, at, say)
}

// unsubscribe ends a subscription by a POST, whoever sends it. Who is not known any
// more is answered the same.
func (v *Visits) unsubscribe(w http.ResponseWriter, r *http.Request, at page.Visit, token string) {
	l := at.W
	id, err := v.o.Tokens.Check(visitor.Unsubscribe, token, v.o.Now())
	if err != nil {
		if wait := v.guesses.take(place(r.RemoteAddr), v.o.Now()); wait > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
			http.Error(w, http.StatusText(http.StatusTooManyRequests), http.StatusTooManyRequests)
			return
		}
		v.over(w, r, at)
		return
	}
	if r.Method != http.MethodPost {
		v.o.Site.Say(w, r, at, page.Saying{Heading: l.T("unsubscribe_title"), Text: l.T("unsubscribe_about"), Action: r.URL.EscapedPath(), Button: l.T("unsubscribe")})
		return
	}
	if err := v.o.Store.EndSubscriber(r.Context(), id); err != nil && !errors.Is(err, fault.ErrNotFound) {
		v.failed(w, r, at, err)
		return
	}
	v.o.Site.Say(w, r, at, page.Saying{Heading: l.T("unsubscribed_title"), Text: l.T("unsubscribed_about")})
}

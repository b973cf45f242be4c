package box

import (
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// topics is RFC 8030, 5.4: at most 32 characters of base64url.
var topics = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// ServeHTTP is what application servers talk to.
func (b *Box) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := r.Header
	p := Push{
		TTL: h.Get("TTL"), Urgency: h.Get("Urgency"), Topic: h.Get("Topic"), Type: h.Get("Content-Type"),
		Proto: r.Proto, At: time.Now(),
	}
	token, ok := b.rules.Token(r.URL.Path)
	p.Token = token
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	p.Bytes = len(body)
	refuse := func(status int, reason string) {
		p.Status, p.Reason = status, reason
		b.note(p)
		b.rules.Refuse(w, status, reason)
	}
	if !ok {
		refuse(http.StatusNotFound, "no such path")
		return
	}
	if r.Method != http.MethodPost {
		refuse(http.StatusMethodNotAllowed, "POST it")
		return
	}
	if err != nil {
		refuse(http.StatusBadRequest, "the body breaks off")
		return
	}
	if a, ok := b.fault(token); ok {
		for k, vs := range a.Header {
			w.Header()[k] = vs
		}
		p.Status, p.Reason = a.Status, "told to"
		b.note(p)
		w.WriteHeader(a.Status)
		_, _ = io.WriteString(w, a.Body)
		return
	}
	s, status := b.lookup(token)
	if status != 0 {
		refuse(status, "no such subscription, or not any more")
		return
	}
	claim, err := CheckVAPID(h.Get("Authorization"), s.key, "https://"+r.Host, time.Now())
	p.Key, p.Subject = claim.Key, claim.Subject
	if err != nil {
		refuse(b.rules.Unauthorized, err.Error())
		return
	}
	ttl, reason := check(h, body)
	if reason != "" {
		refuse(http.StatusBadRequest, reason)
		return
	}
	if len(body) > MaxBody {
		refuse(http.StatusRequestEntityTooLarge, "the body is longer than 4096 bytes")
		return
	}
	m := &Message{
		ID: Token(16), Token: token, Channel: s.channel, Topic: p.Topic, Encoding: h.Get("Content-Encoding"),
		TTL: ttl, Body: body,
	}
	b.take(s, m, p)
	w.Header().Set("Location", "https://"+r.Host+"/m/"+m.ID)
	w.Header().Set("TTL", strconv.Itoa(int(ttl.Seconds())))
	w.WriteHeader(http.StatusCreated)
}

// check answers the time to live, or what is wrong with the headers.
func check(h http.Header, body []byte) (ttl time.Duration, reason string) {
	seconds, err := strconv.ParseUint(h.Get("TTL"), 10, 31)
	if err != nil {
		return 0, "TTL is missing or no number of seconds"
	}
	if t := h.Get("Topic"); t != "" && !topics.MatchString(t) {
		return 0, "Topic is not at most 32 characters of base64url"
	}
	if u := h.Get("Urgency"); !slices.Contains([]string{"", "very-low", "low", "normal", "high"}, u) {
		return 0, "Urgency " + u + " is none"
	}
	if len(body) > 0 && h.Get("Content-Encoding") != "aes128gcm" {
		return 0, "Content-Encoding is not aes128gcm"
	}
	// RFC 8188: a header of 21 bytes and, in RFC 8291, a key of 65; then a record.
	if n := len(body); n > 0 && (n < 86+17 || body[20] != 65 || body[21] != 4) {
		return 0, "the body is not encrypted by RFC 8291"
	}
	return min(time.Duration(seconds)*time.Second, maxTTL), ""
}

// fault answers what the token is told to answer next.
func (b *Box) fault(token string) (Answer, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	from := &b.faults
	if s := b.subs[token]; s != nil && len(s.faults) > 0 {
		from = &s.faults
	}
	if len(*from) == 0 {
		return Answer{}, false
	}
	a := (*from)[0]
	*from = (*from)[1:]
	return a, true
}

// lookup answers a copy of the subscription, or the status that says that
// there is none.
func (b *Box) lookup(token string) (subscription, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.subs[token]
	if s == nil {
		return subscription{}, b.rules.Unknown
	}
	if s.gone {
		return subscription{}, http.StatusGone
	}
	return *s, 0
}

func (b *Box) note(p Push) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pushes = append(b.pushes, p)
	b.tell()
}

// take keeps a message and sends it if its browser is there. With a TTL of
// nothing it is sent now or never.
func (b *Box) take(s subscription, m *Message, p Push) {
	b.mu.Lock()
	m.expires = time.Now().Add(b.ahead + m.TTL)
	b.expire(s.agent)
	c := b.online[s.agent]
	if m.Topic != "" {
		had := len(b.waiting[s.agent])
		b.waiting[s.agent] = slices.DeleteFunc(b.waiting[s.agent], func(old *Message) bool {
			return old.Token == m.Token && old.Topic == m.Topic
		})
		b.replaced += had - len(b.waiting[s.agent])
	}
	if m.TTL > 0 || c != nil {
		b.waiting[s.agent] = append(b.waiting[s.agent], m)
	}
	p.Status, p.Online = http.StatusCreated, c != nil
	b.pushes = append(b.pushes, p)
	b.tell()
	b.mu.Unlock()
	if c != nil {
		b.hand(c, m)
	}
}

// decode reads base64url with or without padding.
func decode(s string) ([]byte, error) {
	for len(s) > 0 && s[len(s)-1] == '=' {
		s = s[:len(s)-1]
	}
	return base64.RawURLEncoding.DecodeString(s)
}

package push

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of what comes from outside.
const (
	MaxComponents = 100  // of a want or a publication
	MaxDeviceName = 100  // characters
	MaxLanguages  = 30   // of a publication
	MaxTitle      = 200  // characters
	MaxBody       = 4000 // characters; devices show far fewer, see the payload
	MaxFull       = 20_000
	MaxURL        = 1000 // bytes
	MaxPublisher  = 100  // characters
	MaxTopic      = 100  // characters
)

// LongestLifetime is the most that all push services take: FCM answers 400 to
// more, where others cut it off at 30 days. LongestMinutes is the same for
// settings and the API.
const (
	LongestLifetime = LongestMinutes * time.Minute
	LongestMinutes  = 28 * 24 * 60
)

// Validate answers a *FieldError for the first field that cannot be stored, nil
// if there is none. extraHosts are push hosts besides DefaultHosts.
func (s *Subscription) Validate(extraHosts []string) error {
	if _, err := CheckEndpoint(s.Endpoint, extraHosts); err != nil {
		return err
	}
	if err := CheckP256dh(s.P256dh); err != nil {
		return err
	}
	if len(s.Auth) != 16 {
		return &FieldError{"keys.auth", fmt.Sprintf("has %d bytes, not 16", len(s.Auth)), "give it as PushSubscription.getKey(\"auth\") answers it"}
	}
	if !word(s.KeyID, 22, "_-") || len(s.KeyID) != 22 {
		return &FieldError{"key_id", "is no id of a server key", "give the key_id of /api/v1/push/key that the device subscribed with"}
	}
	if err := checkLanguage("language", s.Language); err != nil {
		return err
	}
	if !s.Visitor() {
		if !word(s.UserID, 64, "_-") {
			return &FieldError{"user_id", "is no id", "sign in again"}
		}
		if len(s.Pages) > 0 {
			return &FieldError{"page", "is given for a contact's device", "leave out page, components, kinds and min_impact"}
		}
		return checkText("name", s.Name, 1, MaxDeviceName, false)
	}
	if s.Name != "" {
		return &FieldError{"name", "is given for a visitor's device", "leave it out: nothing is kept about visitors"}
	}
	if len(s.Pages) == 0 {
		return checkPage("")
	}
	for _, f := range s.Pages {
		if err := checkPage(f.PageID); err != nil {
			return err
		}
		for _, w := range f.Wants {
			if err := w.validate(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *Want) validate() error {
	if err := checkComponents(w.Components); err != nil {
		return err
	}
	for i, k := range w.Kinds {
		if !slices.Contains(Kinds(), k) || slices.Contains(w.Kinds[:i], k) {
			return &FieldError{fmt.Sprintf("kinds[%d]", i), "is not known, or given twice", fmt.Sprintf("the kinds are %v", Kinds())}
		}
	}
	if w.MinImpact != "" && w.MinImpact.Rank() < 0 {
		return &FieldError{"min_impact", "is not known", fmt.Sprintf("the impacts are %v", Impacts())}
	}
	if w.Incident != "" && !word(w.Incident, 64, "_-") {
		return &FieldError{"incident", "is no id of an incident", "give 1 to 64 letters, digits, hyphens and underscores, or leave it out"}
	}
	return nil
}

// Validate answers a *FieldError for the first field of a publication that
// cannot be published, nil if there is none.
func (p *Publication) Validate() error {
	if err := checkPage(p.PageID); err != nil {
		return err
	}
	if err := checkComponents(p.Components); err != nil {
		return err
	}
	if !slices.Contains(Kinds(), p.Kind) {
		return &FieldError{"kind", "is missing or not known", fmt.Sprintf("the kinds are %v", Kinds())}
	}
	if p.Impact.Rank() < 0 {
		return &FieldError{"impact", "is missing or not known", fmt.Sprintf("the impacts are %v", Impacts())}
	}
	if err := checkTexts(p.Texts); err != nil {
		return err
	}
	if err := checkText("full", p.Full, 0, MaxFull, true); err != nil {
		return err
	}
	for _, f := range []struct{ field, text string }{{"url", p.URL}, {"icon", p.Icon}, {"badge", p.Badge}} {
		if err := checkLink(f.field, f.text); err != nil {
			return err
		}
	}
	if err := checkText("topic", p.Topic, 0, MaxTopic, false); err != nil {
		return err
	}
	if !slices.Contains(Urgencies(), p.Urgency) {
		return &FieldError{"urgency", "is missing or not known", fmt.Sprintf("the urgencies are %v", Urgencies())}
	}
	if err := checkText("by", p.By, 0, MaxPublisher, false); err != nil {
		return err
	}
	if p.Expires.Before(p.Created) || p.Expires.Sub(p.Created) > LongestLifetime {
		return &FieldError{"ttl_minutes", "is below 0 or above 28 days", fmt.Sprintf("take 0 to %d; not all push services keep anything longer", LongestMinutes)}
	}
	return nil
}

func checkTexts(texts map[string]Text) error {
	if _, ok := texts[""]; !ok {
		return &FieldError{"texts", "has no text for \"\", all languages that have none of their own", "add one"}
	}
	if len(texts) > MaxLanguages {
		return &FieldError{"texts", fmt.Sprintf("has %d languages", len(texts)), fmt.Sprintf("give at most %d", MaxLanguages)}
	}
	for language, t := range texts {
		if err := checkLanguage("texts", language); err != nil {
			return err
		}
		field := fmt.Sprintf("texts[%q]", language)
		if err := checkText(field+".title", t.Title, 1, MaxTitle, false); err != nil {
			return err
		}
		if err := checkText(field+".body", t.Body, 0, MaxBody, true); err != nil {
			return err
		}
		if err := checkText(field+".lead", t.Lead, 0, MaxBody, false); err != nil {
			return err
		}
	}
	return nil
}

func checkPage(id string) error {
	if id == "" || len(id) > 64 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return &FieldError{"page", "is no id of a page", "give 1 to 64 characters of a to z, 0 to 9 and hyphen"}
	}
	return nil
}

func checkComponents(ids []string) error {
	if len(ids) > MaxComponents {
		return &FieldError{"components", fmt.Sprintf("has %d ids", len(ids)), fmt.Sprintf("give at most %d, or none for the whole page", MaxComponents)}
	}
	for i, id := range ids {
		if !word(id, 64, "_-") {
			return &FieldError{fmt.Sprintf("components[%d]", i), "is no id of a component", "give 1 to 64 letters, digits, hyphens and underscores"}
		}
	}
	return nil
}

func checkLanguage(field, tag string) error {
	if tag != "" && !word(tag, 35, "-") {
		return &FieldError{field, "holds what is no language", "give a tag like de or pt-BR, or nothing"}
	}
	return nil
}

// checkText bounds a text for people, in characters. Lines says whether it may
// have several.
func checkText(field, s string, least, most int, lines bool) error {
	if !utf8.ValidString(s) {
		return &FieldError{field, "is not valid UTF-8", "write it anew"}
	}
	n := utf8.RuneCountInString(s)
	if n < least || least > 0 && strings.TrimSpace(s) == "" {
		return &FieldError{field, "is missing", "give one"}
	}
	if n > most {
		return &FieldError{field, fmt.Sprintf("has %d characters", n), fmt.Sprintf("give at most %d", most)}
	}
	for _, r := range s {
		if unicode.IsControl(r) && (!lines || r != '\n' && r != '\t') {
			return &FieldError{field, "has a control character", "take it out"}
		}
	}
	return nil
}

// checkLink takes a path of ours or an https address; empty is fine.
func checkLink(field, s string) error {
	if s == "" {
		return nil
	}
	refuse := func(problem string) error {
		return &FieldError{field, problem, "give a path of this server, like /incidents/42, or an https address"}
	}
	if len(s) > MaxURL {
		return refuse(fmt.Sprintf("has %d bytes, more than %d", len(s), MaxURL))
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return refuse("has a character that an address does not have")
		}
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return refuse("is no address")
	case strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && u.Host == "":
		return nil
	case !strings.HasPrefix(s, "https://") || u.User != nil || u.Hostname() == "":
		return refuse("is neither a path nor an https address")
	}
	return nil
}

// word says whether s is 1 to most ASCII letters, digits and characters of more.
func word(s string, most int, more string) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte(more, c) < 0 {
			return false
		}
	}
	return true
}

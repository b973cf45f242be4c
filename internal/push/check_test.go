package push_test

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"tocsin/internal/push"
)

func device(t testing.TB) push.Subscription {
	t.Helper()
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return push.Subscription{
		Endpoint: "https://fcm.googleapis.com/fcm/send/abc", P256dh: k.PublicKey().Bytes(), Auth: make([]byte, 16),
		KeyID: push.KeyID("x"), Language: "pt-BR", UserID: "0192f0c1-2345-7678-9abc-def012345678", Name: "Firefox on Linux",
	}
}

func visitor(t testing.TB) push.Subscription {
	t.Helper()
	s := device(t)
	s.UserID, s.Name = "", ""
	s.Pages = []push.Follow{{PageID: "main", Wants: []push.Want{{Components: []string{"c1", "0192f0c1-2345-7678-9abc-def012345678"}, Kinds: push.Kinds(), MinImpact: push.ImpactMajor}}}}
	return s
}

func many(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("c%d", i))
	}
	return out
}

func TestSubscriptions(t *testing.T) {
	d, v := device(t), visitor(t)
	for _, s := range []push.Subscription{d, v} {
		if err := s.Validate(nil); err != nil {
			t.Error(err)
		}
	}
	type change = func(s *push.Subscription)
	for _, c := range []struct {
		name, field string
		of          push.Subscription
		change      change
	}{
		{"an endpoint elsewhere", "endpoint", d, func(s *push.Subscription) { s.Endpoint = "https://evil.example/x" }},
		{"no public key", "keys.p256dh", d, func(s *push.Subscription) { s.P256dh = nil }},
		{"no secret", "keys.auth", d, func(s *push.Subscription) { s.Auth = nil }},
		{"a long secret", "keys.auth", d, func(s *push.Subscription) { s.Auth = make([]byte, 17) }},
		{"no key id", "key_id", d, func(s *push.Subscription) { s.KeyID = "" }},
		{"a strange key id", "key_id", d, func(s *push.Subscription) { s.KeyID = strings.Repeat("/", 22) }},
		{"a language that is none", "language", d, func(s *push.Subscription) { s.Language = "de\n" }},
		{"a long language", "language", d, func(s *push.Subscription) { s.Language = strings.Repeat("a", 36) }},
		{"a user that is none", "user_id", d, func(s *push.Subscription) { s.UserID = "'; --" }},
		{"a device without name", "name", d, func(s *push.Subscription) { s.Name = " " }},
		{"a long name", "name", d, func(s *push.Subscription) { s.Name = strings.Repeat("ü", 101) }},
		{"a name with control characters", "name", d, func(s *push.Subscription) { s.Name = "a\nb" }},
		{"a name that is no UTF-8", "name", d, func(s *push.Subscription) { s.Name = "\xff" }},
		{"a device with a page", "page", d, func(s *push.Subscription) { s.Pages = visitor(t).Pages }},
		{"a visitor with a name", "name", visitor(t), func(s *push.Subscription) { s.Name = "Jane's phone" }},
		{"a visitor without page", "page", visitor(t), func(s *push.Subscription) { s.Pages = nil }},
		{"a page that is none", "page", visitor(t), func(s *push.Subscription) { s.Pages[0].PageID = "Main Page" }},
		{"too many components", "components", visitor(t), func(s *push.Subscription) { s.Pages[0].Wants[0].Components = many(101) }},
		{"an empty component", "components[0]", visitor(t), func(s *push.Subscription) { s.Pages[0].Wants[0].Components = []string{""} }},
		{"an unknown kind", "kinds[1]", visitor(t), func(s *push.Subscription) { s.Pages[0].Wants[0].Kinds = []push.Kind{push.Maintenance, "x"} }},
		{"a kind twice", "kinds[1]", visitor(t), func(s *push.Subscription) {
			s.Pages[0].Wants[0].Kinds = []push.Kind{push.Maintenance, push.Maintenance}
		}},
		{"an unknown impact", "min_impact", visitor(t), func(s *push.Subscription) { s.Pages[0].Wants[0].MinImpact = "terrible" }},
	} {
		t.Run(c.name+" is refused", func(t *testing.T) {
			s := c.of
			c.change(&s)
			refused(t, s.Validate(nil), c.field)
		})
	}
	t.Run("further push hosts are those of the settings", func(t *testing.T) {
		s := d
		s.Endpoint = "https://push.example.org/x"
		if err := s.Validate([]string{"push.example.org"}); err != nil {
			t.Error(err)
		}
	})
}

func publication() push.Publication {
	return push.Publication{
		PageID: "main", Components: []string{"c1"}, Kind: push.IncidentNew, Impact: push.ImpactMajor,
		Texts: map[string]push.Text{"": {Title: "Shop is down", Body: "We look into it.\nMore soon."}, "de": {Title: "Shop gestört"}},
		URL:   "/incidents/42", Icon: "https://example.org/icon.png", Topic: "incident-42", Urgency: push.Normal, By: "Jane",
		Created: noon, Expires: noon.Add(24 * time.Hour),
	}
}

func TestPublications(t *testing.T) {
	good := publication()
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	languages := map[string]push.Text{"": {Title: "x"}}
	for i := range 30 {
		languages[fmt.Sprintf("a%d", i)] = push.Text{Title: "x"}
	}
	for _, c := range []struct {
		name, field string
		change      func(p *push.Publication)
	}{
		{"no page", "page", func(p *push.Publication) { p.PageID = "" }},
		{"too many components", "components", func(p *push.Publication) { p.Components = many(101) }},
		{"no kind", "kind", func(p *push.Publication) { p.Kind = "" }},
		{"no impact", "impact", func(p *push.Publication) { p.Impact = "" }},
		{"no default text", "texts", func(p *push.Publication) { delete(p.Texts, "") }},
		{"too many languages", "texts", func(p *push.Publication) { p.Texts = languages }},
		{"a language that is none", "texts", func(p *push.Publication) { p.Texts["d e"] = push.Text{Title: "x"} }},
		{"no title", `texts["de"].title`, func(p *push.Publication) { p.Texts["de"] = push.Text{Body: "x"} }},
		{"a long title", `texts[""].title`, func(p *push.Publication) { p.Texts[""] = push.Text{Title: strings.Repeat("x", 201)} }},
		{"a title of two lines", `texts[""].title`, func(p *push.Publication) { p.Texts[""] = push.Text{Title: "a\nb"} }},
		{"a long body", `texts[""].body`, func(p *push.Publication) { p.Texts[""] = push.Text{Title: "x", Body: strings.Repeat("x", 4001)} }},
		{"a body with control characters", `texts[""].body`, func(p *push.Publication) { p.Texts[""] = push.Text{Title: "x", Body: "\x1b[31m"} }},
		{"an address that is none", "url", func(p *push.Publication) { p.URL = "javascript:alert(1)" }},
		{"an address without encryption", "url", func(p *push.Publication) { p.URL = "http://example.org/" }},
		{"an address of another host in disguise", "url", func(p *push.Publication) { p.URL = "//evil.example/" }},
		{"an address with a backslash", "url", func(p *push.Publication) { p.URL = "/\\evil.example" }},
		{"an address with a user", "icon", func(p *push.Publication) { p.Icon = "https://a:b@example.org/" }},
		{"a data address", "badge", func(p *push.Publication) { p.Badge = "data:image/png;base64,AAAA" }},
		{"a long address", "url", func(p *push.Publication) { p.URL = "/" + strings.Repeat("x", 1000) }},
		{"a long topic", "topic", func(p *push.Publication) { p.Topic = strings.Repeat("x", 101) }},
		{"no urgency", "urgency", func(p *push.Publication) { p.Urgency = "" }},
		{"a long publisher", "by", func(p *push.Publication) { p.By = strings.Repeat("x", 101) }},
		{"an end before its beginning", "ttl_minutes", func(p *push.Publication) { p.Expires = noon.Add(-time.Second) }},
		{"an end after more than four weeks", "ttl_minutes", func(p *push.Publication) { p.Expires = noon.Add(28*24*time.Hour + time.Minute) }},
	} {
		t.Run(c.name+" is refused", func(t *testing.T) {
			p := publication()
			p.Texts = maps.Clone(p.Texts)
			c.change(&p)
			refused(t, p.Validate(), c.field)
		})
	}
}

func TestWhoWantsWhat(t *testing.T) {
	p := publication()
	for _, c := range []struct {
		name string
		want push.Want
		told bool
	}{
		{"nothing chosen is everything by default", push.Want{}, true},
		{"the component", push.Want{Components: []string{"x", "c1"}}, true},
		{"another component", push.Want{Components: []string{"x"}}, false},
		{"the kind", push.Want{Kinds: []push.Kind{push.Maintenance, push.IncidentNew}}, true},
		{"another kind", push.Want{Kinds: []push.Kind{push.Maintenance}}, false},
		{"as bad as this", push.Want{MinImpact: push.ImpactMajor}, true},
		{"worse than this", push.Want{MinImpact: push.ImpactCritical}, false},
	} {
		if got := c.want.Wants(&p); got != c.told {
			t.Errorf("%s: told is %v", c.name, got)
		}
	}
	whole := p
	whole.Components = nil
	if w := (push.Want{Components: []string{"x"}}); !w.Wants(&whole) {
		t.Error("what is about the whole page is not told to who chose a component")
	}
	maintenance := p
	maintenance.Kind = push.Maintenance
	if w := (push.Want{}); w.Wants(&maintenance) {
		t.Error("maintenance is not asked for by default")
	}
	for language, title := range map[string]string{"": "Shop is down", "de": "Shop gestört", "de-AT": "Shop gestört", "de-AT-1996": "Shop gestört", "fr": "Shop is down", "-": "Shop is down"} {
		if got := p.Text(language).Title; got != title {
			t.Errorf("in %q it is %q", language, got)
		}
	}
}

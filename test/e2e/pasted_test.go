package e2e_test

import (
	"regexp"
	"strings"
	"testing"

	"tocsin/internal/demo/chat"
	"tocsin/internal/source"
	kind "tocsin/internal/source/nagios"
	"tocsin/test/nagios"
	"tocsin/test/team"
)

// What the console shows to be pasted at Nagios tells all that a post has to say,
// which check it was of how many among it: with the real one.
func TestWhatIsPastedAtNagiosShowsInAPost(t *testing.T) {
	t.Parallel()
	f := newOffice(t, team.Options{})
	lines := map[string]string{}
	for _, s := range kind.New().Snippets(source.Setup{BaseURL: f.Hub.URL, Source: "nagios"}) {
		for _, m := range regexp.MustCompile(`command_name +(\S+)\s+command_line +(.+)`).FindAllStringSubmatch(s.Text, -1) {
			lines[m[1]] = strings.ReplaceAll(m[2], "/usr/local/bin/tocsin", bin)
		}
	}
	dir := t.TempDir()
	n, err := nagios.Start(f.ctx, nagios.Config{
		Dir: dir, Contacts: []string{"ops"}, Hosts: []string{"web01"}, Services: []nagios.Service{{Host: "web01", Name: "HTTP Check"}},
		HostCommand: lines["tocsin-host"], ServiceCommand: lines["tocsin-service"],
		Env: []string{"TOCSIN_URL=http://" + f.hub.Listen, "TOCSIN_TOKEN=" + f.token, "TOCSIN_SOURCE=nagios", "TOCSIN_SPOOL=" + dir + "/spool"},
	})
	f.must(err)
	t.Cleanup(n.Stop)
	attempt := regexp.MustCompile(`Attempt: [1-9]\d*/[1-9]\d*\b`)
	post := func(what string) (found chat.Post) {
		f.eventually("a post about "+what, func() bool {
			for _, p := range f.Chat.Posts(f.Channel.ID) {
				if len(p.Attachments) > 0 && strings.Contains(p.Text(), what) {
					found = p
					return true
				}
			}
			return false
		})
		return found
	}
	f.must(n.Service("web01", "HTTP Check", 2, "no answer"))
	if p := post("HTTP Check on web01"); !attempt.MatchString(p.Text()) || !strings.Contains(p.Text(), "no answer") {
		t.Errorf("%s", p.Text())
	}
	f.must(n.Host("web01", 1, "gone"))
	if p := post("web01 is Down"); !attempt.MatchString(p.Text()) {
		t.Errorf("%s", p.Text())
	}
}

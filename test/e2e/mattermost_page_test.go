package e2e_test

import (
	"fmt"
	"testing"

	"tocsin/internal/demo/chat"
	"tocsin/test/browser"
	"tocsin/test/browser/axe"
	"tocsin/test/team"
)

// A newcomer opens the chat in a real browser, clicks Acknowledge, and sees that
// the engine has confirmed it; then the dialog, a thread and the command. Along
// the way the page is looked at, as axe.Looks has it.
func TestMattermostNewcomer(t *testing.T) {
	t.Parallel()
	f := newOffice(t, team.Options{Chat: chat.Options{Page: true}})
	f.must(f.LinkJane(f.ctx))
	b, err := browser.Chromium(f.ctx, browser.Options{Dir: t.TempDir()})
	f.must(err)
	t.Cleanup(b.Close)
	tab, err := b.Open(f.ctx, f.Chat.URL()+"/")
	f.must(err)
	look := func(what string) {
		t.Helper()
		for _, dark := range []bool{false, true} {
			for _, width := range []int{1280, 390} {
				if !axe.Looks(what, width, dark) {
					continue
				}
				f.check(tab, what, width, dark)
			}
		}
		f.must(tab.Size(f.ctx, 1280, 900))
	}
	see := func(expr string) {
		t.Helper()
		if err := browser.Until(f.soon(), tab, expr); err != nil {
			text, _ := browser.Text(f.ctx, tab, "body")
			t.Fatalf("%v; the page reads:\n%s", err, text)
		}
	}
	reads := func(text string) { t.Helper(); see(fmt.Sprintf("document.body.innerText.includes(%q)", text)) }

	reads("only you see this")
	p := f.alerts("web01")
	reads("PROBLEM")
	look("an alert")
	f.must(browser.Click(f.ctx, tab, "[data-action=ack]"))
	reads("You have acknowledged")
	reads("confirmed by nagios")
	see("document.querySelector('[data-action=unack]') && !document.querySelector('[data-action=ack]')")
	look("an acknowledged alert")

	f.must(browser.Click(f.ctx, tab, "[data-action=unack]"))
	f.must(browser.Click(f.ctx, tab, "[data-action=ackdialog]"))
	see("document.querySelector('dialog[open]')")
	look("the dialog")
	f.must(browser.Click(f.ctx, tab, "#dialogsubmit"))
	reads("This is needed.")
	f.must(browser.Type(f.ctx, tab, "#dialogfields textarea", "a disk is full"))
	f.must(browser.Click(f.ctx, tab, "#dialogsubmit"))
	see("!document.querySelector('dialog[open]')")
	reads("a disk is full")
	f.line("ACKNOWLEDGE_SVC_PROBLEM;web01;HTTP;", ";a disk is full")

	f.must(browser.Click(f.ctx, tab, fmt.Sprintf("article[data-id=%q] .replies", p.ID)))
	see("!document.querySelector('#thread').hidden && document.querySelectorAll('#threadposts article').length > 1")
	look("a thread")
	f.must(browser.Click(f.ctx, tab, "#threadclose"))
	f.must(tab.Size(f.ctx, 1280, 500))
	f.must(tab.Eval(f.ctx, "document.querySelector('#posts').scrollTop = 0", nil))
	f.must(browser.Click(f.ctx, tab, "[data-say='/tocsin list']"))
	reads("1 open:")
	see("(e => { const at = e.getBoundingClientRect(), log = e.closest('#posts').getBoundingClientRect(); return at.bottom <= log.bottom + 1 && at.top >= log.top - 1 })(document.querySelector('#posts article:last-of-type'))")
	look("the command's answer")

	f.part("what a check says is shown as it is", func() {
		said := `<img src=x onerror=alert(1)> **bold** [l](javascript:alert(1)) @channel ~~s~~ https://example.com/a`
		_, err := f.Lab.Alert(f.soon(), "hostile01", "HTTP", 2, said)
		f.must(err)
		// Zero-width characters keep Mattermost from calling people.
		see(fmt.Sprintf("[...document.querySelectorAll('.atext')].some(e => e.innerText.replace(/[\\u200b-\\u200d\\u2060]/g, '').includes(%q))", "<img src=x onerror=alert(1)> **bold** [l](javascript:alert(1)) @channel ~~s~~"))
		see("!document.querySelector('.atext strong, .atext em, .atext del, .atext img, .atext .mention, a[href^=javascript]')")
	})

	// Another person, who is linked to nobody, sees the same post and is told why
	// nothing happens.
	var eve string
	f.must(tab.Eval(f.ctx, "[...document.querySelectorAll('#who option')].find(o => o.text.startsWith('Eve')).value", &eve))
	f.must(tab.Eval(f.ctx, fmt.Sprintf("(() => { const w = document.querySelector('#who'); w.value = %q; w.dispatchEvent(new Event('change')); return true })()", eve), nil))
	see("!document.body.innerText.includes('1 open:')")
	f.must(browser.Click(f.ctx, tab, "[data-action=unack]"))
	reads("/tocsin link")
}

var chatPictures = []shown{
	{name: "chat", wide: 1100, high: 916, says: []string{"Disk /var", "confirmed by nagios", "HTTPS", "Acknowledge", "Snooze"}},
}

// The picture of the chat that the documentation shows: one alert that somebody
// took and the engine has confirmed, and one that nobody took.
func TestPicturesOfTheChat(t *testing.T) {
	t.Parallel()
	f := newOffice(t, team.Options{Chat: chat.Options{Page: true}})
	f.must(f.LinkJane(f.ctx))
	// Not every machine that takes the picture has a font for them.
	f.must(f.Settings(f.ctx, map[string]any{"no_emoji": true, "time_zone": "Europe/Berlin"}))
	say := func(host, service string, state int, output string) chat.Post {
		p, err := f.Lab.Alert(f.soon(), host, service, state, output)
		f.must(err)
		return p
	}
	disk := say("db01.example.com", "Disk /var", 1, "DISK WARNING - free space: /var 9.1 GB (12 %)")
	f.must(f.Chat.Click(f.ctx, f.Jane.ID, disk.ID, "ack", ""))
	f.reads(disk.ID, "confirmed by nagios")
	say("web01.example.com", "HTTPS", 2, "CRITICAL - no answer from web01.example.com:443 within 10 seconds")
	b, err := browser.Chromium(f.ctx, browser.Options{Dir: t.TempDir()})
	f.must(err)
	t.Cleanup(b.Close)
	tab, err := b.Open(f.ctx, f.Chat.URL()+"/")
	f.must(err)
	al := newAlbum(f.ctx, t, tab, chatPictures)
	f.must(tab.Size(f.ctx, 1100, 916))
	f.must(browser.Until(f.soon(), tab, "document.querySelectorAll('#posts .attachment').length === 2"))
	al.take("chat")
}

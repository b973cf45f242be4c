package markdown_test

import (
	"strings"
	"testing"

	"golang.org/x/net/html"

	"tocsin/internal/markdown"
)

func TestWhatPeopleWriteIsWhatVisitorsRead(t *testing.T) {
	r := markdown.New()
	for _, c := range []struct{ name, in, html, text string }{
		{"paragraphs and marks", "**Payments** fail\nsince 10:00.\n\nWe *look*.", "<p><strong>Payments</strong> fail<br>\nsince 10:00.</p>\n<p>We <em>look</em>.</p>\n", "Payments fail\nsince 10:00.\nWe look."},
		{"a link", "[here](https://e.example/x)", `<p><a href="https://e.example/x" rel="nofollow noreferrer">here</a></p>` + "\n", "here"},
		{"a bare address", "see https://e.example/x now", `<p>see <a href="https://e.example/x" rel="nofollow noreferrer">https://e.example/x</a> now</p>` + "\n", "see https://e.example/x now"},
		{"a list", "- one\n- two", "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n", "• one\n• two"},
		{"headings stay below the page's", "# Big", "<h3>Big</h3>\n", "Big"},
		{"a picture is a link", "![chart](https://e.example/c.png)", `<p><a href="https://e.example/c.png" rel="nofollow noreferrer">chart</a></p>` + "\n", "chart"},
		{"code", "`a < b`", "<p><code>a &lt; b</code></p>\n", "a < b"},
		{"HTML is text", "x <b onclick=alert(1)>y</b>", "<p>x &lt;b onclick=alert(1)&gt;y&lt;/b&gt;</p>\n", "x <b onclick=alert(1)>y</b>"},
		{"a script is text", "<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n", "<script>alert(1)</script>"},
		{"javascript leads nowhere", "[x](javascript:alert(1))", "<p>x</p>\n", "x"},
		{"nor hidden", "[x](java\u0000script:alert(1)) [y](&#106;avascript:alert(1))", "<p>x y</p>\n", "x y"},
		{"nor data", "[x](data:text/html,hi)", "<p>x</p>\n", "x"},
		{"nothing turns the writing", "a\u202eb\u2066c", "<p>abc</p>\n", "abc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(r.HTML(c.in)); got != c.html {
				t.Errorf("HTML\n got %q\nwant %q", got, c.html)
			}
			if got := r.Text(c.in); got != c.text {
				t.Errorf("text\n got %q\nwant %q", got, c.text)
			}
		})
	}
}

func TestALetterInPlainTextKeepsParagraphsAndWhereLinksLead(t *testing.T) {
	r := markdown.New()
	for _, c := range []struct{ name, in, want string }{
		{"paragraphs", "**Payments** fail\nsince 10:00.\n\nWe *look*.", "Payments fail\nsince 10:00.\n\nWe look."},
		{"a link", "See [the details](https://e.example/x), please", "See the details (https://e.example/x), please"},
		{"a bare address", "see https://e.example/x now", "see https://e.example/x now"},
		{"an address that leads nowhere", "[x](javascript:alert(1))", "x"},
		{"a list", "Now:\n\n- one\n- two\n\nLater", "Now:\n\n• one\n• two\n\nLater"},
		{"a list with paragraphs", "- one\n\n- two", "• one\n\n• two"},
		{"numbers", "3. one\n4. two", "3. one\n4. two"},
		{"a picture", "![chart](https://e.example/c.png)", "chart (https://e.example/c.png)"},
		{"a table", "| a | b |\n|---|---|\n| 1 | 2 |", "a | b\n1 | 2"},
		{"code", "```\nx\n  y\n```\nend", "x\n  y\n\nend"},
		{"HTML", "<script>alert(1)</script>", "<script>alert(1)</script>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := r.Letter(c.in); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestAMegabyteIsCut(t *testing.T) {
	r := markdown.New()
	if n := len(r.HTML(strings.Repeat("ä", 1<<19))); n > 2*markdown.MaxSource {
		t.Errorf("%d bytes of HTML", n)
	}
}

// FuzzHTML holds the promise that matters: no element and no attribute but those
// that only look, and no address but three schemes.
func FuzzHTML(f *testing.F) {
	for _, s := range []string{"<script>x</script>", "[a](javascript:x)", "![a](x \"y\")", "<img src=x onerror=y>", "| a |\n|---|\n| b |", "<!--\n-->\n<style>", "[a]: javascript:x\n[a]", "<https://a> <a@b.c>"} {
		f.Add(s)
	}
	elements := map[string]bool{}
	for _, e := range strings.Fields("p br hr strong em del code pre blockquote ul ol li h3 h4 h5 h6 table thead tbody tr th td a") {
		elements[e] = true
	}
	r := markdown.New()
	f.Fuzz(func(t *testing.T, source string) {
		out := string(r.HTML(source))
		z := html.NewTokenizer(strings.NewReader(out))
		for {
			switch z.Next() {
			case html.ErrorToken:
				_, _ = r.Text(source), r.Letter(source)
				return
			case html.CommentToken, html.DoctypeToken:
				t.Fatalf("%q became %q", source, out)
			case html.StartTagToken, html.SelfClosingTagToken, html.EndTagToken:
				tok := z.Token()
				if !elements[tok.Data] {
					t.Fatalf("<%s> in %q of %q", tok.Data, out, source)
				}
				for _, a := range tok.Attr {
					switch {
					case a.Key == "href" && (strings.HasPrefix(a.Val, "http:") || strings.HasPrefix(a.Val, "https:") || strings.HasPrefix(a.Val, "mailto:")):
					case a.Key == "rel", a.Key == "start", a.Key == "align":
					default:
						t.Fatalf("%s=%q in %q of %q", a.Key, a.Val, out, source)
					}
				}
			}
		}
	})
}

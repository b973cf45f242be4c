package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/test/browser"
	"tocsin/test/picture"
)

// The pictures of the documentation are made of the real pages by the tests of this
// package: with -update they are written to docs/images, in light and dark. Without it
// each page is gone to all the same, and must carry what its picture shows.
const (
	imagesDir = "../../docs/images"
	// mostImages is what all pictures together may weigh: they are part of the program.
	mostImages = 4 << 20
	zone       = "Europe/Berlin"
)

// shown is one picture: of a page, or of a part of it.
type shown struct {
	name string
	path string // of the page; empty where the test leads to it
	wide int    // of the window; 0: 1280
	high int    // of the window; 0: 800
	// part is an expression for the element, or elements, that are in the picture;
	// empty: what the window shows.
	part string
	says []string // texts that stand in it
}

// page is a part: all that a page of the console says, without menu and bar.
const page = "[...document.querySelectorAll('main > *')]"

// heads is a part: the element with a heading that begins so, of the narrowest.
func heads(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('main :is(section, .section, .card, fieldset)')].filter((e) => e.querySelector('h2, h3, legend')?.innerText.trim().startsWith(%q)).at(-1)`, text)
}

// upTo is a part: the top of a page of the console down to the end of an element.
func upTo(selector string) string {
	return fmt.Sprintf(`[[...document.querySelectorAll('main > *')].find((e) => e.offsetHeight > 0), document.querySelector(%q)]`, selector)
}

// album takes the pictures of one test.
type album struct {
	*testing.T
	ctx  context.Context
	tab  browser.Tab
	left []shown
}

// newAlbum makes a tab one of which pictures are taken; each of them must be.
func newAlbum(ctx context.Context, t *testing.T, tab browser.Tab, all []shown) *album {
	t.Helper()
	al := &album{T: t, ctx: ctx, tab: tab, left: slices.Clone(all)}
	al.must(browser.Still(ctx, tab, zone))
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		for _, s := range al.left {
			t.Errorf("the picture %s was not taken", s.name)
		}
	})
	return al
}

func (al *album) must(err error) {
	al.Helper()
	if err != nil {
		al.Fatal(err)
	}
}

// patience is how long a test of pictures may take.
func patience() time.Duration {
	if *update {
		return 10 * time.Minute // most of it to make them small
	}
	return story
}

// find answers a picture of the list.
func (al *album) find(name string) shown {
	al.Helper()
	i := slices.IndexFunc(al.left, func(s shown) bool { return s.name == name })
	if i < 0 {
		al.Fatalf("there is no picture %s, or it was taken", name)
	}
	return al.left[i]
}

// size gives the window the size that a picture wants.
func (al *album) size(s shown) {
	al.Helper()
	wide, high := 1280, 800
	if s.wide > 0 {
		wide = s.wide
	}
	if s.high > 0 {
		high = s.high
	}
	al.must(al.tab.Size(al.ctx, wide, high))
}

// visit takes the picture of a page that needs no more than to be gone to.
func (al *album) visit(origin, name string) {
	al.Helper()
	s := al.find(name)
	al.size(s)
	al.must(al.tab.Go(al.ctx, origin+s.path))
	al.take(name)
}

// take takes a picture of the page as it stands.
func (al *album) take(name string) {
	al.Helper()
	s := al.find(name)
	al.left = slices.DeleteFunc(al.left, func(o shown) bool { return o.name == name })
	of := s.part
	if of == "" {
		of = "document.body"
	}
	for _, text := range s.says {
		soon, cancel := context.WithTimeout(al.ctx, moment)
		err := browser.Until(soon, al.tab, fmt.Sprintf(`(() => {
			const of = [%s].flat(), e = of.length === 1 ? of[0] : document.querySelector('main');
			return [e.innerText, ...[...e.querySelectorAll('input, textarea, select')].map((f) => f.selectedOptions?.[0]?.text ?? f.value)].join('\n').includes(%q);
		})()`, of, text))
		cancel()
		if err != nil {
			have, _ := browser.Text(al.ctx, al.tab, "body")
			at, _ := al.tab.URL(al.ctx)
			al.Errorf("the picture %s does not show %q: at %s stands\n%s", name, text, at, have)
		}
	}
	if !*update {
		return
	}
	al.size(s)
	for _, dark := range []bool{false, true} {
		al.must(al.tab.Dark(al.ctx, dark))
		al.must(browser.Hold(al.ctx, al.tab))
		part := al.room(s)
		shot, err := al.tab.Shot(al.ctx, false)
		al.must(err)
		small, err := picture.Small(shot, part)
		al.must(err)
		if len(small) < 1500 {
			al.Errorf("the picture %s has %d bytes: is it empty?", name, len(small))
		}
		al.must(os.WriteFile(filepath.Join(imagesDir, fileOf(name, dark)), small, 0o644))
	}
	al.must(al.tab.Dark(al.ctx, false))
	al.size(s)
}

func fileOf(name string, dark bool) string {
	if dark {
		return name + "-dark.png"
	}
	return name + ".png"
}

// room makes the window high enough for the part of the page that the picture is of,
// and answers where it is: with some air around it, and nothing of what lies beyond.
func (al *album) room(s shown) image.Rectangle {
	al.Helper()
	if s.part == "" {
		return image.Rectangle{}
	}
	var at struct{ Left, Top, Right, Bottom, Width float64 }
	measure := func() {
		al.must(al.tab.Eval(al.ctx, fmt.Sprintf(`(() => {
			const all = [%s].flat().filter((e) => e?.offsetHeight > 0).map((e) => e.getBoundingClientRect());
			return {Left: Math.min(...all.map((r) => r.left)), Top: Math.min(...all.map((r) => r.top)), Right: Math.max(...all.map((r) => r.right)),
				Bottom: Math.max(...all.map((r) => r.bottom)), Width: document.documentElement.clientWidth};
		})()`, s.part), &at))
	}
	const air = 10
	al.must(al.tab.Eval(al.ctx, "scrollTo({top: 0, behavior: 'instant'})", nil))
	measure()
	if most := int(at.Bottom) + 120; most > s.high {
		wide := s.wide
		if wide == 0 {
			wide = 1280
		}
		al.must(al.tab.Size(al.ctx, wide, max(800, most)))
		al.must(browser.Hold(al.ctx, al.tab))
		measure()
	}
	bottom := int(at.Bottom) + air
	if s.high > 0 {
		bottom = min(bottom, int(at.Top)+s.high)
	}
	return image.Rect(max(0, int(at.Left)-air), max(0, int(at.Top)-air), min(int(at.Right)+air, int(at.Width)), bottom)
}

// drawn goes to a page of the test's own.
func (al *album) drawn(html string) {
	al.Helper()
	text, err := json.Marshal(html)
	al.must(err)
	al.must(al.tab.Go(al.ctx, "about:blank"))
	al.must(al.tab.Eval(al.ctx, fmt.Sprintf("(() => { document.open(); document.write(%s); document.close(); })()", text), nil))
}

var usedImage = regexp.MustCompile(`(?:src|srcset)="([^"]+\.png)"|!\[[^\]]*\]\(([^)]+\.png)\)`)

// Each picture is made by a test and used by a page, in light and dark and with words for
// those who do not see it; no page uses another one; and together they weigh little.
func TestPicturesAreUsed(t *testing.T) {
	t.Parallel()
	made := map[string]bool{}
	for _, s := range slices.Concat(consolePictures, statusPictures, chatPictures) {
		if made[fileOf(s.name, false)] {
			t.Errorf("two pictures are called %s", s.name)
		}
		made[fileOf(s.name, false)], made[fileOf(s.name, true)] = true, true
	}
	used := map[string]bool{}
	err := filepath.WalkDir("../..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (name == "tmp" || name == "bin" || name == ".git" || name == "testdata") {
			return filepath.SkipDir
		}
		if filepath.Ext(file) != ".md" {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range usedImage.FindAllStringSubmatch(string(text), -1) {
			name := filepath.Base(m[1] + m[2])
			used[name] = true
			if !made[name] {
				t.Errorf("%s uses %s, which no test makes", file, name)
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1]+m[2])); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
		for _, m := range regexp.MustCompile(`<img [^>]*>`).FindAllString(string(text), -1) {
			if alt := regexp.MustCompile(`alt="([^"]*)"`).FindStringSubmatch(m); alt == nil || len(strings.Fields(alt[1])) < 6 {
				t.Errorf("%s: %s does not say in words what is to be seen", file, m)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range made {
		if !used[name] {
			t.Errorf("no page uses %s", name)
		}
	}
	entries, err := os.ReadDir(imagesDir)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, e := range entries {
		if !made[e.Name()] {
			t.Errorf("no test makes %s", e.Name())
		}
		text, err := os.ReadFile(filepath.Join(imagesDir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum += len(text)
		if p, err := png.Decode(bytes.NewReader(text)); err != nil {
			t.Errorf("%s: %v", e.Name(), err)
		} else if _, ok := p.(*image.Paletted); !ok {
			t.Errorf("%s is not made small", e.Name())
		}
	}
	t.Logf("%d files of %d KiB", len(entries), sum>>10)
	if sum > mostImages {
		t.Errorf("all pictures weigh %d bytes, they may weigh %d", sum, mostImages)
	}
}

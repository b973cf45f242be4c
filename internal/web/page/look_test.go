package page

import (
	"fmt"
	"html/template"
	"math/rand/v2"
	"testing"
)

func TestAnyAccentCanBeRead(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	parse := func(hex string) (c colour) {
		var r, g, b int
		if _, err := fmt.Sscanf(hex, "#%02x%02x%02x", &r, &g, &b); err != nil {
			t.Fatal(err)
		}
		return colour{float64(r) / 255, float64(g) / 255, float64(b) / 255}
	}
	for _, hex := range append([]string{"#ffffff", "#000000", "#ffcc00", "#1d5fd1"}, func() (more []string) {
		for range 300 {
			more = append(more, fmt.Sprintf("#%06x", rnd.IntN(1<<24)))
		}
		return more
	}()...) {
		a := accentOf(hex)
		if l, d := contrast(parse(a.Light), lightGround), contrast(parse(a.Dark), darkGround); l < 4.5 || d < 4.5 {
			t.Errorf("%s: %.2f on light, %.2f on dark", hex, l, d)
		}
	}
	for _, bad := range []string{"", "red", "#fff", "#12345g", "#1234567"} {
		if accentOf(bad) != nil {
			t.Errorf("%q is a colour", bad)
		}
	}
}

func TestHeadingsLeaveNoLevelOut(t *testing.T) {
	for in, want := range map[template.HTML]template.HTML{
		"<p>x</p>":                                 "<p>x</p>",
		"<h4>a</h4><h6>b</h6><h4>c</h4>":           "<h3>a</h3><h4>b</h4><h3>c</h3>",
		"<h6>a</h6><h3>b</h3><h5>c</h5>":           "<h3>a</h3><h3>b</h3><h4>c</h4>",
		"<h3>a</h3><h4>b</h4><h5>c</h5><h6>d</h6>": "<h3>a</h3><h4>b</h4><h5>c</h5><h6>d</h6>",
	} {
		if got := outline(in, 2); got != want {
			t.Errorf("%s is %s, not %s", in, got, want)
		}
	}
}

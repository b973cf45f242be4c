package page

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"
)

// accent is a page's own colour, as it can be read on our two grounds.
type accent struct{ Light, Dark string }

type colour struct{ r, g, b float64 } // 0 to 1

// The grounds of page.css: text on the accent has these colours as well.
var (
	lightGround = colour{1, 1, 1}
	darkGround  = colour{0x12 / 255., 0x15 / 255., 0x1b / 255.}
)

// readable is the contrast that WCAG 2.2 AA asks of text, and a little more for
// the cards, which are not quite as light or dark as the ground.
const readable = 4.9

// accentOf makes a colour darker, or lighter, until it can be read; nil for what
// is no colour.
func accentOf(text string) *accent {
	digits, ok := strings.CutPrefix(text, "#")
	rgb, err := hex.DecodeString(digits)
	if !ok || err != nil || len(rgb) != 3 {
		return nil
	}
	c := colour{float64(rgb[0]) / 255, float64(rgb[1]) / 255, float64(rgb[2]) / 255}
	return &accent{c.against(lightGround, colour{}), c.against(darkGround, colour{1, 1, 1})}
}

// against mixes with other, in steps, until it stands out from ground.
func (c colour) against(ground, other colour) string {
	const steps = 40
	for i := range steps + 1 {
		t := float64(i) / steps
		mixed := colour{c.r + (other.r-c.r)*t, c.g + (other.g-c.g)*t, c.b + (other.b-c.b)*t}
		if contrast(mixed, ground) >= readable || i == steps {
			return fmt.Sprintf("#%02x%02x%02x", level(mixed.r), level(mixed.g), level(mixed.b))
		}
	}
	return ""
}

func level(v float64) int { return int(math.Round(v * 255)) }

func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is WCAG's relative luminance.
func (c colour) luminance() float64 {
	linear := func(v float64) float64 {
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

// Package picture makes pictures of pages small: cut to what matters, and with the
// colours of a palette, which for a page of text and flat areas cannot be told from the
// original by eye.
//
//	small, err := picture.Small(shot, image.Rect(0, 0, 800, 300))
package picture

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"slices"
)

// colours is how many a palette of PNG may have.
const colours = 256

// Small answers a part of a PNG with at most 256 colours. An empty part is the whole.
// A picture that has no more colours than that keeps each as it is.
func Small(shot []byte, part image.Rectangle) ([]byte, error) {
	whole, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		return nil, fmt.Errorf("read the picture: %w", err)
	}
	if part.Empty() {
		part = whole.Bounds()
	}
	part = part.Intersect(whole.Bounds())
	if part.Empty() {
		return nil, fmt.Errorf("the part is outside of the picture, which has %v", whole.Bounds())
	}
	flat := image.NewRGBA(image.Rect(0, 0, part.Dx(), part.Dy()))
	draw.Draw(flat, flat.Bounds(), whole, part.Min, draw.Src)
	out := image.NewPaletted(flat.Bounds(), nil)
	places := map[rgb]uint8{}
	for i, b := range split(count(flat)) {
		c := b.likely()
		out.Palette = append(out.Palette, color.RGBA{c[0], c[1], c[2], 255})
		for _, one := range b {
			places[one.rgb] = uint8(i) // split answers 256 boxes at most
		}
	}
	for i := 0; i < len(flat.Pix); i += 4 {
		out.Pix[i/4] = places[rgb(flat.Pix[i:i+3])]
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, out); err != nil {
		return nil, fmt.Errorf("write the picture: %w", err)
	}
	return b.Bytes(), nil
}

type rgb [3]uint8

// counted is a colour, and how often it is there.
type counted struct {
	rgb
	n int
}

func count(p *image.RGBA) box {
	seen := map[rgb]int{}
	for i := 0; i < len(p.Pix); i += 4 {
		seen[rgb(p.Pix[i:i+3])]++
	}
	all := make(box, 0, len(seen))
	for c, n := range seen {
		all = append(all, counted{c, n})
	}
	// The same picture is the same bytes each time.
	slices.SortFunc(all, func(a, b counted) int { return slices.Compare(a.rgb[:], b.rgb[:]) })
	return all
}

// box is colours that become one.
type box []counted

// likely is the one that most of the box has: areas keep their colour exactly.
func (b box) likely() rgb {
	return slices.MaxFunc(b, func(a, c counted) int { return cmp.Compare(a.n, c.n) }).rgb
}

// wrong is how far the box's colours are from the one that they become, and the channel
// in which they are most so.
func (b box) wrong() (sum, channel int) {
	to, each := b.likely(), [3]int{}
	for _, c := range b {
		for i := range each {
			d := int(c.rgb[i]) - int(to[i])
			each[i] += d * d * c.n
		}
	}
	for i := range each {
		sum += each[i]
		if each[i] > each[channel] {
			channel = i
		}
	}
	return sum, channel
}

// split halves the box that is most wrong until there are as many as a palette holds.
func split(all box) []box {
	type known struct {
		box
		sum, channel int
	}
	look := func(b box) known {
		sum, channel := b.wrong()
		return known{b, sum, channel}
	}
	boxes := []known{look(all)}
	for len(boxes) < colours {
		worst := 0
		for i, k := range boxes {
			if k.sum > boxes[worst].sum {
				worst = i
			}
		}
		k := boxes[worst]
		if k.sum == 0 {
			break
		}
		slices.SortStableFunc(k.box, func(a, b counted) int { return cmp.Compare(a.rgb[k.channel], b.rgb[k.channel]) })
		low, high := int(k.box[0].rgb[k.channel]), int(k.box[len(k.box)-1].rgb[k.channel])
		at, _ := slices.BinarySearchFunc(k.box, (low+high)/2+1, func(c counted, m int) int { return cmp.Compare(int(c.rgb[k.channel]), m) })
		boxes[worst] = look(k.box[:at])
		boxes = append(boxes, look(k.box[at:]))
	}
	out := make([]box, len(boxes))
	for i, k := range boxes {
		out[i] = k.box
	}
	return out
}

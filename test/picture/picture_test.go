package picture_test

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"

	"tocsin/test/picture"
)

// made is a picture of flat areas with soft edges, and a smooth course of colours.
func made(t *testing.T, smooth bool) []byte {
	t.Helper()
	p := image.NewRGBA(image.Rect(0, 0, 300, 200))
	for y := range 200 {
		for x := range 300 {
			c := color.RGBA{245, 246, 248, 255}
			switch {
			case smooth && y > 120:
				c = color.RGBA{uint8(x * 255 / 300), uint8(y), uint8(255 - x*255/300), 255}
			case x > 40 && x < 200:
				c = color.RGBA{58, 79, 196, 255}
			case x == 200:
				c = color.RGBA{151, 162, 222, 255}
			}
			p.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func small(t *testing.T, shot []byte, part image.Rectangle) image.Image {
	t.Helper()
	b, err := picture.Small(shot, part)
	if err != nil {
		t.Fatal(err)
	}
	again, err := picture.Small(shot, part)
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("the same picture is other bytes the second time: %v", err)
	}
	p, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if pal, ok := p.(*image.Paletted); !ok || len(pal.Palette) > 256 {
		t.Errorf("it is %T", p)
	}
	return p
}

func TestSmall(t *testing.T) {
	t.Parallel()
	at := func(p image.Image, x, y int) [3]int {
		r, g, b, _ := p.At(x, y).RGBA()
		return [3]int{int(r >> 8), int(g >> 8), int(b >> 8)}
	}
	t.Run("few colours stay as they are", func(t *testing.T) {
		p := small(t, made(t, false), image.Rectangle{})
		if p.Bounds() != image.Rect(0, 0, 300, 200) {
			t.Errorf("bounds %v", p.Bounds())
		}
		for x, want := range map[int][3]int{10: {245, 246, 248}, 100: {58, 79, 196}, 200: {151, 162, 222}, 299: {245, 246, 248}} {
			if got := at(p, x, 50); got != want {
				t.Errorf("at %d is %v, want %v", x, got, want)
			}
		}
	})
	t.Run("a part begins at its own corner", func(t *testing.T) {
		p := small(t, made(t, false), image.Rect(41, 10, 5000, 60))
		if p.Bounds() != image.Rect(0, 0, 259, 50) || at(p, 0, 0) != [3]int{58, 79, 196} {
			t.Errorf("bounds %v, corner %v", p.Bounds(), at(p, 0, 0))
		}
	})
	t.Run("of many colours areas stay exact, and none is far off", func(t *testing.T) {
		shot := made(t, true)
		whole, err := png.Decode(bytes.NewReader(shot))
		if err != nil {
			t.Fatal(err)
		}
		p := small(t, shot, image.Rectangle{})
		if at(p, 100, 50) != [3]int{58, 79, 196} || at(p, 10, 10) != [3]int{245, 246, 248} {
			t.Errorf("areas are %v and %v", at(p, 100, 50), at(p, 10, 10))
		}
		for y := 0; y < 200; y += 3 {
			for x := 0; x < 300; x += 3 {
				a, b := at(whole, x, y), at(p, x, y)
				for i := range a {
					if d := a[i] - b[i]; d > 24 || d < -24 {
						t.Fatalf("at %d,%d is %v instead of %v", x, y, b, a)
					}
				}
			}
		}
	})
	t.Run("what is no picture, or beside it, is an error", func(t *testing.T) {
		if _, err := picture.Small([]byte("GIF89a"), image.Rectangle{}); err == nil {
			t.Error("no picture is taken")
		}
		if _, err := picture.Small(made(t, false), image.Rect(400, 0, 500, 50)); err == nil {
			t.Error("a part beside it is taken")
		}
	})
}

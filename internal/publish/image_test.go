package publish_test

import (
	"bytes"
	"image"
	"image/png"
)

// dot is a picture.
func dot() []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewRGBA(image.Rect(0, 0, 2, 2))); err != nil {
		panic(err)
	}
	return b.Bytes()
}

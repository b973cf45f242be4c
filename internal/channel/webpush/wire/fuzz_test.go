//nolint:errcheck // services here write into connections that may have ended, which is what is tested
package wire_test

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"tocsin/internal/channel/webpush/wire"
)

// frames are what a service might say, by its own writer.
func frames(write func(f *http2.Framer)) []byte {
	var b bytes.Buffer
	f := http2.NewFramer(&b, nil)
	f.AllowIllegalWrites = true
	write(f)
	return b.Bytes()
}

func FuzzReader(f *testing.F) {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, h := range [][2]string{{":status", "429"}, {"retry-after", "17"}, {"content-type", "text/plain"}} {
		e.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
	}
	head := func(f *http2.Framer, id uint32, end bool) {
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end, PadLength: 3})
	}
	for _, seed := range [][]byte{
		frames(func(f *http2.Framer) { head(f, 1, true); head(f, 3, true) }),
		frames(func(f *http2.Framer) {
			head(f, 3, false)
			f.WriteDataPadded(3, true, []byte("slower"), make([]byte, 9))
		}),
		frames(func(f *http2.Framer) {
			f.WriteSettings(http2.Setting{ID: 1, Val: 0}, http2.Setting{ID: 3, Val: 700}, http2.Setting{ID: 4, Val: 1}, http2.Setting{ID: 5, Val: 20000})
			f.WriteWindowUpdate(1, 5)
			f.WriteWindowUpdate(0, 1<<30)
		}),
		frames(func(f *http2.Framer) {
			f.WriteGoAway(1, http2.ErrCodeEnhanceYourCalm, []byte("calm"))
			head(f, 1, true)
		}),
		frames(func(f *http2.Framer) { f.WriteRSTStream(3, http2.ErrCodeRefusedStream); f.WritePing(false, [8]byte{1}) }),
		frames(func(f *http2.Framer) {
			f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes()[:2]})
			f.WriteContinuation(1, true, block.Bytes()[2:])
			f.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2})
		}),
	} {
		f.Add(seed, uint16(len(seed)/2))
	}
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		at := min(int(cut), len(data))
		calls, _ := wire.Feed(3, data[:at], data[at:])
		for i, n := range calls {
			if n != 1 {
				t.Fatalf("request %d was done %d times", i, n)
			}
		}
	})
}

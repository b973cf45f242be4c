package page

import (
	"bufio"
	"bytes"
	"net/http"
	"slices"
	"testing"
)

// FuzzParse: what the front understands, net/http understands the same way.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a.b/c HTTP/1.1\r\nhost:a\r\nAccept-Encoding:  gzip \r\naccept-language: de\r\nIf-None-Match: \"x\"\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "GET // HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		end := bytes.Index(raw, headEnd)
		if end < 0 {
			return
		}
		head := raw[:end+len(headEnd)]
		q, ok := parse(head[:end+2])
		if !ok {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			t.Fatalf("net/http does not understand %q: %v", head, err)
		}
		if r.Method != http.MethodGet || r.URL.Path != q.path || r.Host != q.host || r.Close != q.last || r.ContentLength != 0 ||
			!slices.Equal(r.Header["Accept-Encoding"], q.encoding) || !slices.Equal(r.Header["Accept-Language"], q.language) || !slices.Equal(r.Header["If-None-Match"], q.known) {
			t.Fatalf("%q is %+v here and %s %s %s %v there", head, q, r.Method, r.URL.Path, r.Host, r.Header)
		}
	})
}

package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/andybalholm/brotli"
)

// document is one answer as bytes, made once and sent many times. Its header
// values are slices that every answer shares; nobody may change them.
type document struct {
	forms  [3]form // plain, gzip, brotli; one without body is not there
	kind   []string
	vary   []string
	policy []string // Content-Security-Policy, nil for what is no page
	open   bool     // other sites' scripts and pages may read it
	framed bool     // it may stand in a frame; its policy says in whose

	caching []string // nil: as caching below
	status  int      // 0: 200; another one has no tag

	wires atomic.Pointer[[3]wired] // the forms as Front writes them, once it does
}

type form struct {
	body     []byte
	length   []string
	etag     []string
	encoding []string // nil: as it is
}

const (
	plain = iota
	packed
	brotlied
)

const (
	// smallest is what compressing is worth while.
	smallest = 256
	// A page of 1,000 components has 2 MB. From here on packing it as small as can be
	// takes twice as long, for a tenth less.
	large = 256 << 10
)

// newDocument packs a body.
func newDocument(kind string, body []byte, vary string) (*document, error) {
	d := &document{kind: []string{kind}, vary: []string{vary}}
	sum := sha256.Sum256(body)
	tag := base64.RawURLEncoding.EncodeToString(sum[:12])
	d.forms[plain] = newForm(body, tag, "")
	if len(body) < smallest {
		return d, nil
	}
	// Side by side, where there are processors for both.
	var g, b bytes.Buffer
	var failed error
	var group sync.WaitGroup
	gzipLevel, brotliLevel := gzip.BestCompression, 5
	if len(body) > large {
		gzipLevel, brotliLevel = 6, 4
	}
	group.Go(func() { failed = squeeze(brotli.NewWriterLevel(&b, brotliLevel), body) })
	z, err := gzip.NewWriterLevel(&g, gzipLevel)
	if err == nil {
		err = squeeze(z, body)
	}
	group.Wait()
	if err = errors.Join(err, failed); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	d.forms[packed] = newForm(g.Bytes(), tag+"-g", "gzip")
	d.forms[brotlied] = newForm(b.Bytes(), tag+"-b", "br")
	return d, nil
}

func squeeze(w io.WriteCloser, body []byte) error {
	_, err := w.Write(body)
	return errors.Join(err, w.Close())
}

func newForm(body []byte, tag, encoding string) form {
	f := form{body: body, length: []string{strconv.Itoa(len(body))}, etag: []string{`"` + tag + `"`}}
	if encoding != "" {
		f.encoding = []string{encoding}
	}
	return f
}

// caching says that browsers ask again every time and a CDN every other second,
// and that both may show what they have for a day when we cannot be reached.
var (
	caching = []string{"public, max-age=0, s-maxage=2, must-revalidate, stale-if-error=86400"}
	forGood = []string{"public, max-age=31536000, immutable"}
	private = []string{"private, no-store"}
	nosniff = []string{"nosniff"}
	anybody = []string{"*"}
	crossed = []string{"cross-origin"}
	ours    = []string{"strict-origin-when-cross-origin"}
)

// serve answers with the form that the client takes, or 304.
func (d *document) serve(w http.ResponseWriter, r *http.Request, secret bool) {
	f := &d.forms[d.choose(r.Header["Accept-Encoding"])]
	h := w.Header()
	d.headers(h, f, secret)
	status := http.StatusOK
	if d.status != 0 {
		status = d.status
	} else if known := r.Header["If-None-Match"]; len(known) > 0 && d.matches(known) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if f.encoding != nil {
		h["Content-Encoding"] = f.encoding
	}
	h["Content-Length"] = f.length
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(f.body) //nolint:gosec // made by templates, not of the request
	}
}

// headers sets those that 200 and 304 have in common, by their canonical names
// and without a copy of any value.
func (d *document) headers(h http.Header, f *form, secret bool) {
	h["Content-Type"] = d.kind
	h["X-Content-Type-Options"] = nosniff
	h["Vary"] = d.vary
	switch {
	case secret:
		h["Cache-Control"] = private
	case d.caching != nil:
		h["Cache-Control"] = d.caching
	default:
		h["Cache-Control"] = caching
	}
	if d.open && !secret {
		h["Access-Control-Allow-Origin"] = anybody
		h["Cross-Origin-Resource-Policy"] = crossed
	}
	if d.policy != nil {
		h["Content-Security-Policy"] = d.policy
		h["Referrer-Policy"] = ours
	}
	if d.framed {
		delete(h, "X-Frame-Options")
	}
	if d.status == 0 {
		h["Etag"] = f.etag
	}
}

// choose answers the smallest form that the client takes.
func (d *document) choose(accept []string) int {
	best := plain
	for _, line := range accept {
		for part := range strings.SplitSeq(line, ",") {
			name, rest, _ := strings.Cut(part, ";")
			if rest != "" && refused(rest) {
				continue
			}
			switch strings.TrimSpace(name) {
			case "gzip":
				best = max(best, packed)
			case "br":
				best = brotlied
			}
		}
	}
	for best > plain && d.forms[best].body == nil {
		best--
	}
	return best
}

func refused(parameters string) bool {
	q, ok := strings.CutPrefix(strings.ReplaceAll(parameters, " ", ""), "q=")
	if !ok {
		return false
	}
	v, err := strconv.ParseFloat(q, 64)
	return err == nil && v == 0
}

// matches says whether the client has one of the forms. Proxies that pack what
// they pass on make tags weak.
func (d *document) matches(known []string) bool {
	for _, line := range known {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
			for i := range d.forms {
				if f := &d.forms[i]; f.etag != nil && tag == f.etag[0] {
					return true
				}
			}
		}
	}
	return false
}

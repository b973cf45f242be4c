package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"sync"

	"tocsin/internal/web/static"
)

//go:embed assets/*.js
var scripts embed.FS

// shared are files of all pages: scripts and small icons. Each has a part of its
// hash in its name, so that browsers keep it for good.
type shared struct {
	documents map[string]*document // by path below the host, without a slash before it
	urls      map[string]string    // by name
}

const assetsBelow = "assets/"

// assets are made once, on first use. Their files are part of the program.
var assets = sync.OnceValue(func() *shared {
	a := &shared{documents: map[string]*document{}, urls: map[string]string{}}
	for _, name := range []string{"status.js", "subscribe.js"} {
		body, err := scripts.ReadFile("assets/" + name)
		if err != nil {
			panic(fmt.Sprintf("read embedded file: %v", err)) // part of the binary
		}
		a.add(name, "text/javascript; charset=utf-8", static.Lean(body))
	}
	// The colours of the dark theme are readable on light tabs, too, with a white mark.
	for class, ink := range inks {
		a.add(class+".svg", "image/svg+xml", []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="`+ink+`">`+drawn(class, "#fff", ink)+`</svg>`))
	}
	a.add("app.svg", "image/svg+xml", []byte(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="5" fill="#1d5fd1"/><path d="M5 17V9m4.7 8V6m4.6 11V9M19 17V6" stroke="#fff" stroke-width="2.4" stroke-linecap="round"/></svg>`))
	return a
})

// inks are the states' colours where there are no themes: icons and badges.
var inks = map[string]string{"ok": "#1a7a42", "maint": "#2b6cb0", "degr": "#8a5a00", "part": "#b8430a", "major": "#c0262d", "none": "#6b7280"}

func (a *shared) add(name, kind string, body []byte) {
	d, err := newDocument(kind, body, varyOther)
	if err != nil {
		panic(fmt.Sprintf("pack %s: %v", name, err)) // memory only
	}
	sum := sha256.Sum256(body)
	ext := path.Ext(name)
	at := assetsBelow + strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:5]) + ext
	d.caching = forGood
	a.documents[at], a.urls[name] = d, "/"+at
}

// url is where a file is found.
func (a *shared) url(name string) string { return a.urls[name] }

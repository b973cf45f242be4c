package page

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"tocsin/bench/table"
	"tocsin/test/hub"
)

// firstRound is what a server may send before it hears anything: ten segments
// (RFC 6928).
const firstRound = 10 * 1460

var (
	loaded   = regexp.MustCompile(`<(?:script|link)[^>]+(?:src|href)="([^"]+)"[^>]*>`)
	imported = regexp.MustCompile(`'(/static/[^']+)'`)
	pictured = regexp.MustCompile(`"src":"(/assets/[^"]+)"`)
)

// firstVisit adds up what a browser loads that was never here: the page, what
// stands in its head, the worker and what that imports, the icon.
func (l *lab) firstVisit(ctx context.Context, w io.Writer) error {
	sum, files := 0, 0
	load := func(path string) (string, error) {
		n, body, err := l.weigh(ctx, path)
		sum, files = sum+n, files+1
		return body, err
	}
	html, err := load("/")
	if err != nil {
		return err
	}
	page := sum
	blocking := 0
	paths := []string{}
	for _, m := range loaded.FindAllStringSubmatch(html, -1) {
		switch {
		case strings.Contains(m[0], `rel="alternate"`): // only followed
			continue
		case strings.Contains(m[0], `rel="stylesheet"`), strings.HasPrefix(m[0], "<script") && !strings.Contains(m[0], `type="module"`):
			blocking++
		}
		paths = append(paths, m[1])
	}
	paths = append(paths, "/sw-push.js")
	for i := 0; i < len(paths); i++ {
		body, err := load(paths[i])
		if err != nil {
			return err
		}
		switch {
		case paths[i] == "/sw-push.js":
			head, _, _ := strings.Cut(body[strings.Index(body, "importScripts("):], ")")
			for _, m := range imported.FindAllStringSubmatch(head, -1) {
				paths = append(paths, m[1])
			}
		case strings.HasSuffix(paths[i], ".webmanifest"):
			for _, m := range pictured.FindAllStringSubmatch(body, -1) {
				paths = append(paths, m[1])
			}
		}
	}
	if blocking > 0 {
		return fmt.Errorf("%d files are waited for before anything is seen", blocking)
	}
	if page > firstRound {
		return fmt.Errorf("the page has %d bytes, which is more than a first round trip brings", page)
	}
	fmt.Fprintf(w, "A first visit by a browser that was never here, bodies and heads, packed with brotli as over https. Nothing but the page "+
		"is waited for before it is seen, and the page is less than the %s bytes that come with the first round trip. The goal is 30 KB in all.\n\n",
		table.Thousands(firstRound))
	t := table.Table{Head: []string{"a first visit", "files", "bytes"}}
	t.Add("the page with its styles", "1", table.Thousands(float64(page)))
	t.Add("scripts, worker, manifest, icons", fmt.Sprint(files-1), table.Thousands(float64(sum-page)))
	t.Add("in all", fmt.Sprint(files), table.Thousands(float64(sum)))
	return t.Write(w) //nolint:wrapcheck // says what was tried
}

// weigh answers how many bytes an answer has, and its body as it is meant.
func (l *lab) weigh(ctx context.Context, path string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.hub.URL+path, http.NoBody)
	if err != nil {
		return 0, "", fmt.Errorf("GET %s: %w", path, err)
	}
	req.Header.Set("Accept-Encoding", "gzip, deflate, br, zstd")
	res, err := client.Do(req)
	if err != nil {
		return 0, "", fmt.Errorf("GET %s: %w", path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, "", fmt.Errorf("read %s: %w", path, err)
	}
	if res.StatusCode != http.StatusOK {
		return 0, "", fmt.Errorf("GET %s answered %s", path, res.Status)
	}
	var head strings.Builder
	if err := res.Header.Write(&head); err != nil {
		return 0, "", fmt.Errorf("read %s: %w", path, err)
	}
	plain, err := get(ctx, l.hub.URL+path, http.Header{"Accept-Encoding": {"identity"}})
	return len("HTTP/1.1 200 OK\r\n\r\n") + head.Len() + len(body), string(plain), err
}

// visitors ask at once at a cold start.
const visitors = 32

// coldStarts starts the hub while visitors knock, with what it had kept of its
// pages and without.
func (l *lab) coldStarts(ctx context.Context, w io.Writer) error {
	t := table.Table{Head: []string{"32 visitors at a cold start", "starts", "answered with the page", "last answer, median", "slowest"}}
	for _, kept := range []bool{true, false} {
		var last []time.Duration
		answered := 0
		for range l.o.Starts {
			stop, cancel := context.WithTimeout(ctx, 20*time.Second)
			err := l.hub.Stop(stop)
			cancel()
			if err != nil {
				return err //nolint:wrapcheck // says what was tried
			}
			if !kept {
				if err := os.RemoveAll(filepath.Join(l.dir, "pages")); err != nil {
					return fmt.Errorf("remove what was kept of pages: %w", err)
				}
			}
			took, err := l.knock(ctx)
			if err != nil {
				return err
			}
			answered += len(took)
			last = append(last, took[len(took)-1])
		}
		slices.Sort(last)
		name := "pages kept on disk"
		if !kept {
			name = "nothing kept"
		}
		t.Add(name, fmt.Sprint(l.o.Starts), fmt.Sprintf("%d of %d", answered, visitors*l.o.Starts), ms(at(last, 50)), ms(last[len(last)-1]))
	}
	fmt.Fprint(w, "Each visitor tries to connect until the program, which has just been started, takes connections, and asks for the page once. "+
		"The time is from the start of the process to the last of the 32 answers.\n\n")
	return t.Write(w) //nolint:wrapcheck // says what was tried
}

// knock starts the hub and answers when each visitor had the page, sorted.
func (l *lab) knock(ctx context.Context) ([]time.Duration, error) {
	var mu sync.Mutex
	var took []time.Duration
	var failed error
	begin := time.Now()
	var group sync.WaitGroup
	for range visitors {
		group.Go(func() {
			err := visit(ctx, l.hub)
			mu.Lock()
			defer mu.Unlock()
			took = append(took, time.Since(begin))
			failed = errors.Join(failed, err)
		})
	}
	err := l.start(ctx)
	group.Wait()
	slices.Sort(took)
	return took, errors.Join(err, failed)
}

// visit asks once, as soon as there is somebody to ask.
func visit(ctx context.Context, h *hub.Hub) error {
	var conn net.Conn
	var err error
	each := time.NewTicker(time.Millisecond)
	defer each.Stop()
	for begin := time.Now(); ; <-each.C {
		if conn, err = net.Dial("tcp", h.Listen); err == nil {
			break
		}
		if ctx.Err() != nil || time.Since(begin) > 20*time.Second {
			return fmt.Errorf("nobody takes connections: %w", err)
		}
	}
	one := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}}
	defer one.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL+"/en/", http.NoBody)
	if err != nil {
		return fmt.Errorf("ask for the page: %w", err)
	}
	res, err := one.Do(req)
	if err != nil {
		return fmt.Errorf("ask for the page: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("read the page: %w", err)
	}
	if res.StatusCode != http.StatusOK || !strings.Contains(string(body), "Card payments are refused") {
		return fmt.Errorf("the page at a cold start: %s, %d bytes", res.Status, len(body))
	}
	return nil
}

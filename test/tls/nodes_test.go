package tls_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/internal/cert"
	"tocsin/internal/store"
)

// One node orders and is reached by nobody; the CA finds another one, by either way.
func TestAnyNodeAnswersTheCA(t *testing.T) {
	t.Parallel()
	c := startCA(t)
	db, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "tocsin.db"), Node: "a"})
	must(t, err)
	t.Cleanup(func() { _ = db.Close() })
	text, err := os.ReadFile(c.rootFile)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	var names atomic.Pointer[[]string]
	names.Store(&[]string{own})
	node := func(name string) *cert.Keeper {
		k, err := cert.NewKeeper(cert.Options{Names: func() []string { return *names.Load() }, Node: name, Directory: c.directory, Roots: roots,
			HTTP: true, Pauses: []time.Duration{time.Millisecond}})
		must(t, err)
		k.Use(t.Context(), db)
		return k
	}
	orders, answers := node("orders"), node("answers")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- orders.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	serve := func(at int, over func(net.Listener) net.Listener) {
		l, err := net.Listen("tcp", addr(at))
		must(t, err)
		s := &http.Server{Handler: answers.Challenges(http.NotFoundHandler()), ReadHeaderTimeout: time.Second}
		go func() { _ = s.Serve(over(l)) }()
		t.Cleanup(func() { _ = s.Close() })
	}
	has := func(name string) bool {
		orders.Wake()
		for _, s := range orders.States() {
			if s.Name == name && !s.Until.IsZero() {
				return true
			}
		}
		return false
	}
	serve(c.http, func(l net.Listener) net.Listener { return l })
	until(t, "a certificate comes by port 80", func() bool { return has(own) })
	serve(c.tls, func(l net.Listener) net.Listener { return tls.NewListener(l, cert.Config(answers)) })
	names.Store(&[]string{own, page})
	until(t, "a certificate comes by port 443", func() bool { return has(page) })
	answers.Use(t.Context(), db)
	if c.leaf(page, c.tls) == nil || c.leaf(own, c.tls) == nil {
		t.Error("the other node does not have both")
	}
}

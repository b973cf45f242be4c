package mattermost_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
)

// aProxy is one for plain HTTP that counts.
type aProxy struct {
	url *url.URL
	n   atomic.Int64
}

func proxy(t *testing.T) *aProxy {
	t.Helper()
	p := &aProxy{}
	direct := &http.Transport{}
	t.Cleanup(direct.CloseIdleConnections)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.n.Add(1)
		r.RequestURI = ""
		res, err := direct.RoundTrip(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer func() { _ = res.Body.Close() }()
		for k, v := range res.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(res.StatusCode)
		_, _ = io.Copy(w, res.Body)
	}))
	t.Cleanup(s.Close)
	var err error
	if p.url, err = url.Parse(s.URL); err != nil {
		t.Fatal(err)
	}
	return p
}

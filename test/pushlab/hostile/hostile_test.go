package hostile_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"tocsin/test/pushlab/hostile"
	"tocsin/test/pushlab/pushproxy"
)

// What these services do is seen by a client that is known to be sound: each is
// as bad as it says, and no worse.
func TestHosts(t *testing.T) {
	var taken atomic.Int64
	good := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, err := io.ReadAll(r.Body); err != nil || len(b) != 700 {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		taken.Add(1)
		w.Header().Set("Location", "https://"+r.Host+"/m/1")
		w.WriteHeader(http.StatusCreated)
	})
	hosts := map[string]pushproxy.Host{
		"old.test": hostile.Old(good), "leaves.test": hostile.Leaves(good), "refuses.test": hostile.Refuses(good),
		"resets.test": hostile.Resets(1, good), "narrow.test": hostile.Narrow(good),
		"hangs.test": hostile.Hangs(), "silent.test": hostile.Silent(), "breaks.test": hostile.Breaks(),
		"floods.test": hostile.Floods(), "endless.test": hostile.Endless(), "endlessold.test": hostile.EndlessOld(),
	}
	p, err := pushproxy.Start(hosts)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(p.Authority().PEM)
	proxy, err := url.Parse(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		Proxy: http.ProxyURL(proxy), TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: 64 << 10,
	}}
	defer client.CloseIdleConnections()
	push := func(host string, patience time.Duration) (*http.Response, error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+host+"/x", bytes.NewReader(make([]byte, 700)))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
		resp.Body.Close()
		return resp, err
	}
	for _, host := range []string{"old.test", "leaves.test", "refuses.test", "narrow.test"} {
		for range 3 {
			if resp, err := push(host, 2*time.Second); err != nil || resp.StatusCode != http.StatusCreated {
				t.Errorf("%s: %v, %v", host, resp, err)
			} else if old := host == "old.test"; old != (resp.ProtoMajor == 1) {
				t.Errorf("%s speaks %s", host, resp.Proto)
			}
		}
	}
	if got := taken.Load(); got != 12 {
		t.Errorf("%d of 12 were taken", got)
	}
	if _, err := push("resets.test", 2*time.Second); err == nil {
		t.Error("the first stream was not reset")
	}
	if _, err := push("resets.test", 2*time.Second); err != nil {
		t.Errorf("the second stream: %v", err)
	}
	for _, host := range []string{"hangs.test", "silent.test", "breaks.test", "endless.test", "endlessold.test"} {
		if resp, err := push(host, 300*time.Millisecond); err == nil {
			t.Errorf("%s answered %s", host, resp.Status)
		}
	}
	if resp, err := push("floods.test", 2*time.Second); err != nil || resp.StatusCode != 500 {
		t.Errorf("floods.test: %v, %v", resp, err)
	}
}

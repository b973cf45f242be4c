package tls_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// withFiles is a node whose certificate is in files, and a client that trusts it.
func withFiles(t *testing.T, p pair) (n *node, base string, client *http.Client) {
	t.Helper()
	at, dir := port(t), t.TempDir()
	write(t, filepath.Join(dir, "chain.pem"), p.chain)
	write(t, filepath.Join(dir, "key.pem"), p.key)
	base = site("https", own, at)
	n = newNode(t, "TOCSIN_TLS_CERT="+filepath.Join(dir, "chain.pem"), "TOCSIN_TLS_KEY="+filepath.Join(dir, "key.pem"),
		"TOCSIN_LISTEN="+addr(at), "TOCSIN_BASE_URL="+base)
	c := &ca{roots: x509.NewCertPool()}
	c.roots.AppendCertsFromPEM([]byte(p.chain))
	return n, base, c.client(t)
}

func (n *node) ready(client *http.Client, base string) bool {
	resp, err := client.Get(base + "/readyz")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func TestFilesOfACertificate(t *testing.T) {
	t.Parallel()
	before := selfSigned(t, own)
	n, base, client := withFiles(t, before)
	key := n.key()
	n.start()
	until(t, "it serves", func() bool { return n.ready(client, base) })
	chain := strings.TrimPrefix(n.env[1], "TOCSIN_TLS_CERT=")
	serves := func(p pair) bool {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM([]byte(p.chain))
		conn, err := tls.Dial("tcp", strings.TrimPrefix(n.env[3], "TOCSIN_LISTEN="), &tls.Config{RootCAs: roots, ServerName: own})
		if err == nil {
			conn.Close()
		}
		return err == nil
	}

	after := selfSigned(t, own)
	write(t, chain, after.chain) // and not its key: half of a renewal
	must(t, n.cmd.Process.Signal(syscall.SIGHUP))
	var said string
	until(t, "health says that the pair is broken", func() bool { said = warnings(t, client, base, key); return said != "" })
	if !strings.Contains(said, "no pair") || !strings.Contains(said, "old one is in force") {
		t.Errorf("it says %q", said)
	}
	if !serves(before) {
		t.Error("the old pair is not in force")
	}
	write(t, filepath.Join(filepath.Dir(chain), "key.pem"), after.key)
	until(t, "the new pair is in force, by itself", func() bool { return serves(after) })
}

func TestAStartThatCannotBe(t *testing.T) {
	t.Parallel()
	pair, other := selfSigned(t, own), selfSigned(t, own)
	for name, row := range map[string]struct {
		env  []string
		want string
	}{
		"plain HTTP for everybody": {[]string{"TOCSIN_LISTEN=0.0.0.0:0"}, "TOCSIN_TRUSTED_PROXIES"},
		"a key of another one":     {[]string{"TOCSIN_TLS_CERT=c.pem", "TOCSIN_TLS_KEY=k.pem", "TOCSIN_LISTEN=127.0.0.1:0", "TOCSIN_BASE_URL=https://" + own}, "no pair"},
		"a CA's root that is none": {[]string{"TOCSIN_DOMAIN=" + own, "TOCSIN_LISTEN=127.0.0.1:0", "TOCSIN_ACME_CA=k.pem"}, "TOCSIN_ACME_CA"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "c.pem"), pair.chain)
			write(t, filepath.Join(dir, "k.pem"), other.key)
			n := newNode(t, row.env...)
			for i, e := range n.env {
				n.env[i] = strings.ReplaceAll(strings.ReplaceAll(e, "=c.pem", "="+filepath.Join(dir, "c.pem")), "=k.pem", "="+filepath.Join(dir, "k.pem"))
			}
			n.start()
			_ = n.cmd.Wait() // what it said is there then; how it ended is looked at
			state := n.cmd.ProcessState
			n.cmd = nil
			if state.ExitCode() != 1 || !strings.Contains(n.log.String(), row.want) {
				t.Errorf("%v: %s", state, n.log.String())
			}
		})
	}
}

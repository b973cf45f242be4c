package tls_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// ca is a running Pebble, and the names that lead to this machine.
type ca struct {
	directory string // its address
	rootFile  string // that signs its own certificate
	roots     *x509.CertPool
	tls, http int // the ports that it looks at
	names     *names
}

func startCA(t *testing.T) *ca {
	t.Helper()
	dir := t.TempDir()
	c := &ca{tls: port(t), http: port(t), names: serveNames(t)}
	listen, manage := port(t), port(t)
	own := selfSigned(t, "127.0.0.1")
	c.rootFile = filepath.Join(dir, "own.pem")
	write(t, c.rootFile, own.chain)
	write(t, filepath.Join(dir, "own.key"), own.key)
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": addr(listen), "managementListenAddress": addr(manage),
		"certificate": c.rootFile, "privateKey": filepath.Join(dir, "own.key"), "httpPort": c.http, "tlsPort": c.tls,
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles":   map[string]any{"default": map[string]any{"description": "as usual", "validityPeriod": 7776000}},
	}})
	must(t, err)
	write(t, filepath.Join(dir, "pebble.json"), string(config))
	cmd := exec.Command(pebbleBin, "-config", filepath.Join(dir, "pebble.json"), "-dnsserver", c.names.addr)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=10")
	var log lines
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the CA said:\n%s", log.String())
		}
	})
	c.directory = "https://" + addr(listen) + "/dir"
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(own.chain))
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	var text []byte
	until(t, "the CA answers", func() bool {
		resp, err := client.Get("https://" + addr(manage) + "/roots/0")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		text, err = io.ReadAll(resp.Body)
		return err == nil && resp.StatusCode == http.StatusOK
	})
	c.roots = x509.NewCertPool()
	if !c.roots.AppendCertsFromPEM(text) {
		t.Fatalf("no root: %s", text)
	}
	return c
}

// client trusts what the CA signs, and finds every name on this machine.
func (c *ca) client(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{
		DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(to)
			if err != nil {
				return nil, err
			}
			return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
		},
		TLSClientConfig: &tls.Config{RootCAs: c.roots}, ForceAttemptHTTP2: true,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// leaf is the certificate that is shown for a name, nil if none that is trusted is.
func (c *ca) leaf(name string, at int) *x509.Certificate {
	conn, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: 2 * time.Second}, Config: &tls.Config{RootCAs: c.roots, ServerName: name}}).DialContext(context.Background(), "tcp", addr(at))
	if err != nil {
		return nil
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

// names is a name server: every name leads to this machine but those that are gone.
type names struct {
	addr string
	mu   sync.Mutex
	gone map[string]bool
}

func (n *names) lose(name string, gone bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gone[name+"."] = gone
}

// serveNames serves by TCP, which is what Pebble asks by.
func serveNames(t *testing.T) *names {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	n := &names{addr: l.Addr().String(), gone: map[string]bool{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go n.serve(conn)
		}
	}()
	return n
}

func (n *names) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var size uint16
		if binary.Read(conn, binary.BigEndian, &size) != nil {
			return
		}
		buf := make([]byte, size)
		var m dnsmessage.Message
		if _, err := io.ReadFull(conn, buf); err != nil || m.Unpack(buf) != nil || len(m.Questions) == 0 {
			return
		}
		q := m.Questions[0]
		m.Header = dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true, RecursionDesired: m.RecursionDesired}
		m.Additionals = nil
		n.mu.Lock()
		if n.gone[q.Name.String()] {
			m.RCode = dnsmessage.RCodeNameError
		} else if q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
		}
		n.mu.Unlock()
		out, err := m.AppendPack(make([]byte, 2, 512))
		if err != nil {
			return
		}
		binary.BigEndian.PutUint16(out, uint16(len(out)-2))
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// spki names a certificate's key as Chromium takes it.
func spki(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// pair is a certificate as files have it.
type pair struct{ chain, key string }

func selfSigned(t *testing.T, name string) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	must(t, err)
	template := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return pair{string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))}
}

// lines is what a program said.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func addr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// site is the address of a name at a port of this machine.
func site(scheme, name string, port int) string {
	return scheme + "://" + net.JoinHostPort(name, strconv.Itoa(port))
}

// port is one that is free now; it is taken again within the test.
func port(t *testing.T) int {
	t.Helper()
	// Below what the system gives to connections, or one could have it before us.
	for range 100 {
		if l, err := net.Listen("tcp", addr(10_000+mrand.IntN(20_000))); err == nil {
			defer l.Close()
			return l.Addr().(*net.TCPAddr).Port
		}
	}
	t.Fatal("there is no port")
	return 0
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	must(t, os.WriteFile(file, []byte(text), 0o600))
}

// until waits for what must come within a minute.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

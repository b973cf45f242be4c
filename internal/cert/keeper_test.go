package cert_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tocsin/internal/cert"
	"tocsin/internal/fault"
)

const own, page = "alerts.example.com", "status.example.com"

// kept is a cert.Store in memory, of one node.
type kept struct {
	mu      sync.Mutex
	certs   map[string]cert.Kept
	account string
	shown   map[string]cert.Challenge
}

func (k *kept) Certificates(context.Context) (all []cert.Kept, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.certs {
		all = append(all, c)
	}
	return all, nil
}

func (k *kept) TakeCertificate(_ context.Context, name, _ string, now, _ time.Time) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.certs[name]
	c.Name = name
	k.certs[name] = c
	return !c.Next.After(now), nil
}

func (k *kept) SaveCertificate(_ context.Context, c cert.Kept) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.certs[c.Name] = c
	return nil
}

func (k *kept) NoteCertificate(_ context.Context, c cert.Kept) error {
	return k.SaveCertificate(context.Background(), c)
}

func (k *kept) ACMEAccount(_ context.Context, _, key string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.account == "" {
		k.account = key
	}
	return k.account, nil
}

func (k *kept) SaveChallenge(_ context.Context, c cert.Challenge) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.shown[c.Token] = c
	return nil
}

func (k *kept) DropChallenge(_ context.Context, token string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.shown, token)
	return nil
}

func (k *kept) ChallengeByToken(_ context.Context, token string, _ time.Time) (cert.Challenge, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c, ok := k.shown[token]; ok {
		return c, nil
	}
	return cert.Challenge{}, fault.ErrNotFound
}

func (k *kept) ChallengeByName(ctx context.Context, name string, now time.Time) (cert.Challenge, error) {
	for token, c := range k.shown {
		if c.Name == name {
			return k.ChallengeByToken(ctx, token, now)
		}
	}
	return cert.Challenge{}, fault.ErrNotFound
}

type rig struct {
	*cert.Keeper
	ca *ca
	st *kept
}

func newRig(t *testing.T, change func(*cert.Options)) *rig {
	t.Helper()
	c := newCA(t)
	r := &rig{ca: c, st: &kept{certs: map[string]cert.Kept{}, shown: map[string]cert.Challenge{}}}
	o := cert.Options{Names: func() []string { return []string{own} }, Node: "a", Directory: c.URL + "/dir", Roots: c.roots(), HTTP: true, Now: c.clock}
	if change != nil {
		change(&o)
	}
	var err error
	if r.Keeper, err = cert.NewKeeper(o); err != nil {
		t.Fatal(err)
	}
	r.Use(t.Context(), r.st)
	return r
}

// serial is the number of the certificate that a handshake is given; empty: none.
func serial(k *cert.Keeper, name string) string {
	c, err := k.Certificate(&tls.ClientHelloInfo{ServerName: name})
	if err != nil {
		return ""
	}
	return c.Leaf.SerialNumber.String()
}

func TestACertificateIsRenewedByItsAge(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, step := range []struct {
		after  time.Duration
		serial string
		orders int
	}{
		{0, "101", 1}, {time.Minute, "101", 1}, {59 * 24 * time.Hour, "101", 1}, {2 * 24 * time.Hour, "102", 2}, {time.Hour, "102", 2},
		{80 * 24 * time.Hour, "103", 3}, {400 * 24 * time.Hour, "104", 4}, // a machine that was off
	} {
		r.ca.after(step.after)
		r.Round(t.Context())
		if got := serial(r.Keeper, own); got != step.serial || r.ca.count("order") != step.orders {
			t.Errorf("after %s: certificate %q of %d orders, want %s of %d: %+v", step.after, got, r.ca.count("order"), step.serial, step.orders, r.States())
		}
	}
	if len(r.st.shown) != 0 {
		t.Errorf("challenges stay: %v", r.st.shown)
	}
}

// While a renewal fails the old certificate is shown, and the CA is left alone for as
// long as it says, and as long as we do.
func TestACAsLimitIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.Round(t.Context())
	r.ca.after(61 * 24 * time.Hour)
	r.ca.order = func(w http.ResponseWriter) bool {
		refuse(w, http.StatusTooManyRequests, "rateLimited", "too many certificates already issued", "108000")
		return true
	}
	r.Round(t.Context())
	s := r.States()[0]
	if wait := s.Next.Sub(r.ca.clock()); wait < 29*time.Hour || wait > 31*time.Hour || !strings.Contains(s.Problem, "too many certificates") || !strings.Contains(s.Mend, "limit") || s.Tries != 1 {
		t.Errorf("%+v, tried again in %s", s, wait)
	}
	if serial(r.Keeper, own) != "101" {
		t.Error("the old certificate is not shown")
	}
	r.ca.after(29 * time.Hour)
	r.Round(t.Context())
	if n := r.ca.count("order"); n != 2 {
		t.Errorf("%d orders: the CA said 30 hours", n)
	}
	r.ca.order = nil
	r.ca.after(2 * time.Hour)
	r.Round(t.Context())
	if s := r.States()[0]; s.Problem != "" || s.Tries != 0 || serial(r.Keeper, own) != "102" {
		t.Errorf("%+v", s)
	}
}

func TestWhatACARefusesIsSaidAndTriedLess(t *testing.T) {
	t.Parallel()
	for kind, mend := range map[string]string{"caa": "CAA record", "dns": "DNS record", "connection": "firewall", "unauthorized": "Another server", "rejectedIdentifier": "public one"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.ca.denies = `{"type":"urn:ietf:params:acme:error:` + kind + `","detail":"what is\nwrong","status":403}`
			begin := r.ca.clock()
			for r.ca.clock().Sub(begin) < time.Hour {
				r.Round(t.Context())
				r.ca.after(5 * time.Second)
			}
			s := r.States()[0]
			if !strings.Contains(s.Problem, "what is wrong") || !strings.Contains(s.Mend, mend) || serial(r.Keeper, own) != "" {
				t.Errorf("%+v", s)
			}
			// Let's Encrypt takes five failures of a name in an hour.
			if n := r.ca.count("order"); n < 3 || n > 4 {
				t.Errorf("%d orders in an hour", n)
			}
			if n := r.ca.count("authorization revoked"); n != r.ca.count("order") {
				t.Errorf("%d authorizations of %d were given back", n, r.ca.count("order"))
			}
		})
	}
}

func TestACertificateForAnotherNameIsNotUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ca.name = "evil.example"
	r.Round(t.Context())
	if s := r.States()[0]; serial(r.Keeper, own) != "" || s.Problem == "" || s.Mend == "" {
		t.Errorf("%+v", s)
	}
}

// A start whose database is away has the certificates of the start before.
func TestAStartWithoutTheDatabaseHasCertificates(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "certificates")
	both := func(o *cert.Options) { o.Dir, o.Names = dir, func() []string { return []string{own, page} } }
	r := newRig(t, both)
	r.Round(t.Context())
	if serial(r.Keeper, own) == "" || serial(r.Keeper, page) == "" {
		t.Fatalf("%+v", r.States())
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", f.Name(), info.Mode(), err)
		}
	}
	for name, text := range map[string]string{"broken.example.com.pem": "-----BEGIN CERTIFICATE-----\n", "evil.example.pem": "", own + ".pem.old": "x", "not a name.pem": "x"} {
		if text == "" { // another's certificate under another name
			b, err := os.ReadFile(filepath.Join(dir, own+".pem"))
			if err != nil {
				t.Fatal(err)
			}
			text = string(b)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	names := []string{own, "evil.example", "broken.example.com"}
	again, err := cert.NewKeeper(cert.Options{Dir: dir, Names: func() []string { return names }, Now: r.ca.clock})
	if err != nil {
		t.Fatal(err)
	}
	if serial(again, own) != serial(r.Keeper, own) || serial(again, "evil.example")+serial(again, "broken.example.com")+serial(again, page) != "" {
		t.Error("it has other certificates than it should")
	}
	names = append(names, page) // the pages on disk say so
	again.Recall()
	if serial(again, page) != serial(r.Keeper, page) || serial(again, own) == "" {
		t.Error("the page's certificate is not there")
	}
	// Nobody can be shown a challenge, and nobody waits for it.
	if _, err := again.Certificate(&tls.ClientHelloInfo{ServerName: own, SupportedProtos: []string{"acme-tls/1"}}); err == nil || errors.Is(err, cert.ErrUnknownName) {
		t.Errorf("a challenge: %v", err)
	}
	if !slices.ContainsFunc(again.States(), func(s cert.State) bool { return s.Name == own && !s.Until.IsZero() }) {
		t.Errorf("%+v", again.States())
	}
}

// The private key of a name that a page gave up does not stay on disk; one that comes
// back is there again.
func TestCopiesGoWithTheirNames(t *testing.T) {
	t.Parallel()
	dir, names := t.TempDir(), []string{own, page}
	r := newRig(t, func(o *cert.Options) { o.Dir, o.Names = dir, func() []string { return names } })
	r.Round(t.Context())
	there := func() (list []string) {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			list = append(list, f.Name())
		}
		return list
	}
	if got := there(); len(got) != 2 {
		t.Fatal(got)
	}
	names = names[:1]
	r.Round(t.Context())
	if got := there(); len(got) != 1 || got[0] != own+".pem" || serial(r.Keeper, page) != "" {
		t.Errorf("%v are left", got)
	}
	names = names[:2]
	r.Round(t.Context())
	if got := there(); len(got) != 2 || serial(r.Keeper, page) != "102" || r.ca.count("order") != 2 {
		t.Errorf("%v are there, of %d orders", got, r.ca.count("order"))
	}
}

package doctor_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/doctor"
	"tocsin/internal/guard"
	"tocsin/test/port"
)

func says(t *testing.T, v doctor.Verdict, want doctor.Result, words ...string) {
	t.Helper()
	if v.Result != want {
		t.Errorf("the result is %s and not %s: %s", v.Result, want, v.Detail)
	}
	if (v.Mend == "") != (want == doctor.OK || want == doctor.Skipped) {
		t.Errorf("%s: %q has the mend %q", v.Result, v.Detail, v.Mend)
	}
	for _, w := range words {
		if !strings.Contains(v.Detail+"\n"+v.Mend, w) {
			t.Errorf("%q and %q do not say %q", v.Detail, v.Mend, w)
		}
	}
}

func TestRun(t *testing.T) {
	good := doctor.Known("good", "Group", "Good", doctor.Good("well"))
	t.Run("one that hangs costs its time once, however many there are, and holds up none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			never := make(chan struct{})
			checks := []doctor.Check{good}
			for range 40 {
				checks = append(checks, doctor.Check{ID: "hangs", Title: "Hangs", Slow: "wake it", Look: func(context.Context) doctor.Verdict { <-never; return doctor.Good("") }})
			}
			begin := time.Now()
			r := doctor.Run(t.Context(), checks, doctor.Limits{})
			if took := time.Since(begin); took > 6*time.Second {
				t.Errorf("it took %s", took)
			}
			if r.OK != 1 || r.Failed != 40 || r.Code() != 2 {
				t.Errorf("%d ok, %d failed, code %d", r.OK, r.Failed, r.Code())
			}
			if f := r.Findings[7]; f.Detail != "did not answer within 5 seconds" || f.Mend != "wake it" {
				t.Errorf("the finding is %+v", f)
			}
			close(never)
		})
	})
	t.Run("there is a bound to all of it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var checks []doctor.Check
			for range 30 {
				checks = append(checks, doctor.Check{ID: "slow", Look: func(ctx context.Context) doctor.Verdict { <-ctx.Done(); return doctor.Bad("slow", "wait") }})
			}
			begin := time.Now()
			r := doctor.Run(t.Context(), checks, doctor.Limits{Abreast: 2})
			if took := time.Since(begin); took > 21*time.Second {
				t.Errorf("it took %s", took)
			}
			if r.Skipped == 0 || r.Failed == 0 {
				t.Errorf("%d skipped, %d failed", r.Skipped, r.Failed)
			}
		})
	})
	t.Run("one that breaks is told, and costs the others nothing", func(t *testing.T) {
		r := doctor.Run(t.Context(), []doctor.Check{{ID: "breaks", Look: func(context.Context) doctor.Verdict { panic("oh") }}, good}, doctor.Limits{})
		if r.OK != 1 || r.Failed != 1 {
			t.Errorf("%d ok, %d failed", r.OK, r.Failed)
		}
	})
	for _, row := range []struct {
		name string
		v    doctor.Verdict
		code int
	}{
		{"all is well", doctor.Good("well"), 0},
		{"a warning", doctor.Worry("a", "b"), 1},
		{"a failure", doctor.Bad("a", "b"), 2},
		{"what was not looked at counts for nothing", doctor.Unseen("a"), 0},
	} {
		t.Run("the exit code: "+row.name, func(t *testing.T) {
			r := doctor.Run(t.Context(), []doctor.Check{good, doctor.Known("x", "Group", "X", row.v)}, doctor.Limits{})
			if r.Code() != row.code {
				t.Errorf("code %d", r.Code())
			}
		})
	}
}

func TestPrint(t *testing.T) {
	r := doctor.Run(t.Context(), []doctor.Check{
		doctor.Known("a", "First", "Configuration", doctor.Good("read")),
		doctor.Known("c", "Second", "Database", doctor.Bad("away\nfor good.", "bring it back.")),
		doctor.Known("b", "First", "Clock", doctor.Worry("it\x1b[2J is\u202e off", "set it, with many words, so many that they have no room in one line of this terminal")),
		doctor.Known("d", "Second", "Rest", doctor.Unseen("not now")),
	}, doctor.Limits{})
	r.Host, r.Version, r.TookMS, r.At = "hub1", "v1", 1234, time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	printed := func(s doctor.Style) string {
		var b bytes.Buffer
		if err := r.Print(&b, s); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	t.Run("each result has a shape and a word, without any colour", func(t *testing.T) {
		want := `Tocsin v1 on hub1, 1 March 2026 03:00 UTC

First
  ✔ ok       Configuration  read
  ▲ warning  Clock          it [2J is off
                            → set it, with many words, so many that
                              they have no room in one line of this
                              terminal

Second
  ✘ failed   Database       away for good
                            → bring it back
  – skipped  Rest           not now

1 ok, 1 warning, 1 failed, 1 not looked at, looked at in 1.2 s
`
		if got := printed(doctor.Style{Width: 70}); got != want {
			t.Errorf("it prints\n%s\nand not\n%s", got, want)
		}
	})
	t.Run("on a terminal without Unicode the marks are of ASCII", func(t *testing.T) {
		got := printed(doctor.Style{ASCII: true})
		if strings.ContainsAny(got, "✔▲✘→") || !strings.Contains(got, "X failed   Database") || !strings.Contains(got, "> bring it back") {
			t.Error(got)
		}
	})
	t.Run("colours are added where they are wanted only", func(t *testing.T) {
		if !strings.Contains(printed(doctor.Style{Colour: true}), "\x1b[31mfailed") || strings.Contains(printed(doctor.Style{}), "\x1b") {
			t.Error("colours are wrong")
		}
	})
	t.Run("briefly, what is well is left out", func(t *testing.T) {
		got := printed(doctor.Style{Brief: true})
		if strings.Contains(got, "Configuration") || !strings.Contains(got, "Clock") || !strings.Contains(got, "Database") {
			t.Error(got)
		}
	})
}

func TestVerdicts(t *testing.T) {
	t.Run("a clock that nothing sets", func(t *testing.T) {
		says(t, doctor.Clock(doctor.ClockState{Known: true}), doctor.Warning, "chrony")
		says(t, doctor.Clock(doctor.ClockState{Known: true, Synced: true, Off: 14 * time.Second}), doctor.Warning, "14s")
		says(t, doctor.Clock(doctor.ClockState{Known: true, Synced: true, Off: time.Millisecond}), doctor.OK)
		says(t, doctor.Clock(doctor.ClockState{}), doctor.OK)
	})
	t.Run("few files", func(t *testing.T) {
		says(t, doctor.Files(1024, 1024), doctor.Warning, "1024", "LimitNOFILE=65536")
		says(t, doctor.Files(1024, 65536), doctor.OK, "65536")
	})
	t.Run("a disk that is full, almost full, or out of files", func(t *testing.T) {
		const gb = 1 << 30
		says(t, doctor.Room("/d", doctor.Space{Free: 1 << 20, Total: 100 * gb}), doctor.Failed, "1.0 MB", "/d")
		says(t, doctor.Room("/d", doctor.Space{Free: 400 << 20, Total: 2 * gb}), doctor.Warning)
		says(t, doctor.Room("/d", doctor.Space{Free: 3 * gb, Total: 100 * gb}), doctor.Warning)
		says(t, doctor.Room("/d", doctor.Space{Free: 50 * gb, Total: 100 * gb, FreeFiles: 3, TotalFiles: 1000}), doctor.Failed, "df -i")
		says(t, doctor.Room("/d", doctor.Space{Free: 50 * gb, Total: 100 * gb, FreeFiles: 900, TotalFiles: 1000}), doctor.OK)
	})
	t.Run("what keeps from writing", func(t *testing.T) {
		for _, row := range []struct {
			err  error
			says string
		}{
			{syscall.ENOSPC, "disk is full"}, {syscall.EDQUOT, "quota"}, {syscall.EROFS, "mounted read-only"}, {syscall.EACCES, "may not write"},
			{&fs.PathError{Op: "write", Path: "/d/x", Err: syscall.EIO}, "input/output error"},
		} {
			says(t, doctor.WriteFault("/d", row.err, doctor.Bad), doctor.Failed, row.says)
		}
	})
	t.Run("a certificate at its end", func(t *testing.T) {
		now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
		says(t, doctor.Expiry(now.Add(-time.Hour), now), doctor.Failed, "expired on 1 March 2026")
		says(t, doctor.Expiry(now.Add(72*time.Hour), now), doctor.Warning, "3 days")
		says(t, doctor.Expiry(now.Add(900*time.Hour), now), doctor.OK)
	})
	t.Run("a file with secrets that everybody may read", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "tocsin.env")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		says(t, doctor.Readable(path), doctor.OK)
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		says(t, doctor.Readable(path), doctor.Warning, "0644", "chmod 0640")
	})
}

// look runs the check of an id.
func look(t *testing.T, checks []doctor.Check, id string) doctor.Verdict {
	t.Helper()
	for _, c := range checks {
		if c.ID == id {
			return c.Look(t.Context())
		}
	}
	t.Fatalf("there is no check %s", id)
	return doctor.Verdict{}
}

func TestFolder(t *testing.T) {
	t.Run("a folder that is well is left as it was", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		says(t, look(t, doctor.Folder(dir, true), "folder"), doctor.OK)
		says(t, look(t, doctor.Folder(dir, true), "disk"), doctor.OK)
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("it left %v, %v", left, err)
		}
	})
	t.Run("open to everybody", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		says(t, look(t, doctor.Folder(dir, true), "folder"), doctor.Warning, "chmod 0750")
		says(t, look(t, doctor.Folder(dir, false), "folder"), doctor.OK)
	})
	t.Run("missing, which is nothing where the database is elsewhere", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "none", "yet")
		says(t, look(t, doctor.Folder(dir, true), "folder"), doctor.Warning, "TOCSIN_DATA")
		says(t, look(t, doctor.Folder(dir, false), "folder"), doctor.OK)
		says(t, look(t, doctor.Folder(dir, true), "disk"), doctor.OK)
	})
	t.Run("a file in its place", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		says(t, look(t, doctor.Folder(path, true), "folder"), doctor.Failed, "is no folder")
	})
	t.Run("a disk that cannot be written to", func(t *testing.T) {
		// Nobody may make a file there, root neither.
		says(t, look(t, doctor.Folder("/proc/self", true), "folder"), doctor.Failed)
	})
}

// certificate makes one for 127.0.0.1 that ends at a time.
func certificate(t *testing.T, until time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "hub"}, NotBefore: until.AddDate(-1, 0, 0), NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"hub.example.org"}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, &of, &of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// answering is a server with a certificate that ends at a time, as the hub's name leads
// to it, and the way there.
func answering(t *testing.T, until time.Time, h http.HandlerFunc) (address string, w doctor.Way) {
	t.Helper()
	cert := certificate(t, until)
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.StartTLS()
	t.Cleanup(s.Close)
	w.Roots = x509.NewCertPool()
	w.Roots.AddCert(cert.Leaf)
	return s.URL, w
}

func ready(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte(`{"ready":true,"reasons":[]}`))
}

func TestSite(t *testing.T) {
	year := time.Now().AddDate(1, 0, 0)
	plain := func(t *testing.T, h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return strings.TrimPrefix(s.URL, "http://")
	}
	for _, row := range []struct {
		name   string
		h      http.HandlerFunc
		result doctor.Result
		says   string
	}{
		{"a hub that serves", ready, doctor.OK, "ready"},
		{"a hub that is not ready", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(503)
			_, _ = w.Write([]byte(`{"ready":false,"reasons":["database: SQLite does not answer"]}`))
		}, doctor.Failed, "SQLite does not answer"},
		{"another program on its port", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }, doctor.Failed, "another program"},
	} {
		t.Run(row.name, func(t *testing.T) {
			says(t, look(t, doctor.Site{Listen: plain(t, row.h)}.Checks(), "hub"), row.result, row.says)
		})
	}
	t.Run("no hub", func(t *testing.T) {
		listen, err := port.Address()
		if err != nil {
			t.Fatal(err)
		}
		says(t, look(t, doctor.Site{Listen: listen}.Checks(), "hub"), doctor.Failed, "no hub serves", "systemctl start tocsin")
	})
	t.Run("an address of this machine only", func(t *testing.T) {
		says(t, look(t, doctor.Site{BaseURL: "http://localhost:8080"}.Checks(), "base-url"), doctor.Warning, "TOCSIN_BASE_URL")
	})
	t.Run("a name that nobody knows", func(t *testing.T) {
		says(t, look(t, doctor.Site{BaseURL: "https://tocsin.invalid"}.Checks(), "base-url"), doctor.Warning, "cannot be found", "spelling")
	})
	// The checks of an address are of one that is not this machine's, which no test has:
	// what they rest on is looked at instead.
	t.Run("a certificate that has expired is no way in", func(t *testing.T) {
		address, w := answering(t, time.Now().Add(-time.Hour), ready)
		if _, err := w.Ask(t.Context(), http.MethodGet, address); !errors.Is(err, doctor.ErrExpired) {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("nor is one of another name, or of nobody", func(t *testing.T) {
		address, w := answering(t, year, ready)
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := (&doctor.Way{}).Ask(t.Context(), http.MethodGet, address); !errors.Is(err, doctor.ErrUnknownCA) {
			t.Errorf("the error is %v", err)
		}
		if _, err := w.Ask(t.Context(), http.MethodGet, "https://localhost:"+u.Port()); !errors.Is(err, doctor.ErrOtherName) {
			t.Errorf("the error is %v", err)
		}
		if at, err := w.Knock(t.Context(), u); err != nil || !at.Equal(year.UTC().Truncate(time.Second)) {
			t.Errorf("it is good until %s, %v", at, err)
		}
	})
	t.Run("nor is plain HTTP behind https", func(t *testing.T) {
		if _, err := (&doctor.Way{}).Ask(t.Context(), http.MethodGet, "https://"+plain(t, ready)); !errors.Is(err, doctor.ErrNotTLS) {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("what is guarded is not called in here", func(t *testing.T) {
		called := false
		at := plain(t, func(http.ResponseWriter, *http.Request) { called = true })
		w := doctor.Way{Guarded: true}
		if _, err := w.Ask(t.Context(), http.MethodHead, "http://"+at); !errors.Is(err, guard.ErrForbidden) {
			t.Errorf("the error is %v", err)
		}
		if _, err := w.Knock(t.Context(), &url.URL{Scheme: "http", Host: at}); !errors.Is(err, guard.ErrForbidden) {
			t.Errorf("the error is %v", err)
		}
		if called {
			t.Error("it was called")
		}
	})
}

func TestOutsideClock(t *testing.T) {
	now := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	a := &doctor.Answer{Header: http.Header{"Date": {now.Add(-3 * time.Minute).Format(http.TimeFormat)}}}
	says(t, doctor.OutsideClock(a, "mozilla", now), doctor.Warning, "3 minutes", "NTP")
	says(t, doctor.OutsideClock(a, "mozilla", now.Add(-3*time.Minute)), doctor.OK)
	says(t, doctor.OutsideClock(&doctor.Answer{Header: http.Header{}}, "mozilla", now), doctor.OK)
}

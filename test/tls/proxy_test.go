package tls_test

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The sample that people take, with other names and ports.
func TestNginxInFront(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outer, plain, inner := port(t), port(t), port(t)
	p := selfSigned(t, own)
	write(t, filepath.Join(dir, "fullchain.pem"), p.chain)
	write(t, filepath.Join(dir, "privkey.pem"), p.key)
	sample, err := os.ReadFile("../../deploy/proxy/nginx.conf")
	must(t, err)
	conf := strings.NewReplacer("/etc/ssl/tocsin/", dir+"/", "127.0.0.1:8080", addr(inner), "alerts.example.com", own,
		"listen 80;", fmt.Sprintf("listen 127.0.0.1:%d;", plain), "listen 443 ssl;", fmt.Sprintf("listen 127.0.0.1:%d ssl;", outer)).Replace(string(sample))
	if version, err := exec.Command("nginx", "-v").CombinedOutput(); err == nil && older(string(version)) {
		conf = strings.Replace(strings.Replace(conf, "http2 on;", "", 1), " ssl;", " ssl http2;", 1)
	}
	write(t, filepath.Join(dir, "nginx.conf"), "daemon off;\npid "+dir+"/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path "+dir+"/b;\nproxy_temp_path "+dir+"/p;\nfastcgi_temp_path "+dir+"/f;\nuwsgi_temp_path "+dir+"/u;\nscgi_temp_path "+dir+"/s;\n"+conf+"\n}\n")
	base := site("https", own, outer)
	n := newNode(t, "TOCSIN_LISTEN="+addr(inner), "TOCSIN_BASE_URL="+base, "TOCSIN_TRUSTED_PROXIES=127.0.0.1")
	n.cli(password, "user", "add", "anna", "--role", "admin", "--password-stdin")
	key := n.key()
	n.start()
	nginx := exec.Command("nginx", "-c", filepath.Join(dir, "nginx.conf"), "-p", dir)
	nginx.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	var said lines
	nginx.Stdout, nginx.Stderr = &said, &said
	must(t, nginx.Start())
	t.Cleanup(func() {
		_ = nginx.Process.Signal(syscall.SIGTERM)
		_ = nginx.Wait()
		if t.Failed() {
			t.Logf("nginx said:\n%s", said.String())
		}
	})
	c := &ca{roots: x509.NewCertPool()}
	c.roots.AppendCertsFromPEM([]byte(p.chain))
	client := c.client(t)
	until(t, "it serves", func() bool { return n.ready(client, base) })

	k := signIn(t, client, base)
	if !k.Secure {
		t.Errorf("the session's cookie is %v", k)
	}
	stream(t, client, base+"/api/v1/live", k, 2)
	// What a visitor writes into the headers reaches nobody: 400 is for what contradicts.
	status, header, _ := call(t, client, "GET", base+"/console/sign-in", "", "", "Forwarded", "for=10.9.9.9", "X-Forwarded-For", "10.8.8.8", "X-Forwarded-Host", "evil.example")
	if status != http.StatusOK || header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%d %v", status, header)
	}
	if got := warnings(t, client, base, key); got != "" {
		t.Errorf("health warns: %s", got)
	}
	status, header, _ = call(t, client, "GET", site("http", own, plain)+"/console/", "", "")
	if status != http.StatusPermanentRedirect || !strings.HasPrefix(header.Get("Location"), "https://") {
		t.Errorf("http answers %d %v", status, header)
	}
}

// older says whether an nginx is from before 1.25.1, which turns HTTP/2 on elsewhere.
func older(version string) bool {
	var minor, patch int
	_, after, _ := strings.Cut(version, "nginx/1.")
	_, _ = fmt.Sscanf(after, "%d.%d", &minor, &patch)
	return minor < 25 || minor == 25 && patch < 1
}

package icinga

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// certify writes a CA and the API's certificate into the folder, as Icinga's own
// command does, but without running it. It answers the CA's.
func certify(dir string) (string, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("icinga's CA: %w", err)
	}
	begin := time.Now().Add(-time.Hour)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Icinga CA"}, NotBefore: begin, NotAfter: begin.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, &caKey.PublicKey, caKey)
	if err != nil {
		return "", fmt.Errorf("icinga's CA: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", fmt.Errorf("icinga's certificate: %w", err)
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: Name}, DNSNames: []string{Name},
		NotBefore: begin, NotAfter: begin.AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return "", fmt.Errorf("icinga's certificate: %w", err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return "", fmt.Errorf("icinga's key: %w", err)
	}
	caPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER})
	for name, text := range map[string][]byte{
		"ca.crt":      caPEM,
		Name + ".crt": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leafDER}),
		Name + ".key": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return "", fmt.Errorf("icinga's certificates: %w", err)
		}
	}
	return string(caPEM), nil
}

// quote is a text in Icinga's language.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// configuration leaves all checks to the test.
func (n *Icinga) configuration() string {
	var b strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	add("const NodeName = %s\nconst ZoneName = NodeName\nconst PluginDir = \"/nonexistent\"\ninclude <itl>", quote(Name))
	add("object Endpoint NodeName { }\nobject Zone ZoneName { endpoints = [ NodeName ] }")
	add("object FileLogger \"log\" { severity = \"information\", path = %s }", quote(n.path("log/icinga2.log")))
	add("object CheckerComponent \"checker\" { }\nobject NotificationComponent \"notification\" { }")
	add("object ApiListener \"api\" { bind_host = \"127.0.0.1\", bind_port = %s }", strconv.Itoa(n.port))
	add("object ApiUser %s { password = %s, permissions = [ \"*\" ] }", quote(n.User), quote(n.Password))
	add("template Host \"all\" { check_command = \"passive\", enable_active_checks = false, max_check_attempts = 1, enable_flapping = false }")
	add("template Service \"all\" { check_command = \"passive\", enable_active_checks = false, max_check_attempts = 1, enable_flapping = false }")
	for _, h := range n.c.Hosts {
		add("object Host %s { import \"all\", address = \"127.0.0.1\" }", quote(h))
	}
	for _, s := range n.c.Services {
		add("object Service %s { import \"all\", host_name = %s }", quote(s.Name), quote(s.Host))
	}
	for _, c := range n.c.Contacts {
		add("object User %s { }", quote(c))
	}
	if n.c.Script != "" {
		for kind, arguments := range map[string]string{"host": n.c.HostArguments, "service": n.c.ServiceArguments} {
			add("object NotificationCommand \"tocsin-%s\" { command = [ %s ] + %s }", kind, quote(n.c.Script), arguments)
		}
		told := make([]string, len(n.c.Contacts))
		for i, c := range n.c.Contacts {
			told[i] = quote(c)
		}
		users := strings.Join(told, ", ")
		add("apply Notification \"tocsin\" to Host { command = \"tocsin-host\", users = [ %s ], interval = 0, assign where true }", users)
		add("apply Notification \"tocsin\" to Service { command = \"tocsin-service\", users = [ %s ], interval = 0, assign where true }", users)
	}
	b.WriteString(n.c.Extra)
	return b.String()
}

// Command sink is the push service of the push benchmark: HTTP/2 over TLS on a
// port of this machine, made to cost little. It counts what each of a million
// devices got, and decrypts a sample of the messages as their browsers would.
//
//	sink DEVICES EVERY CA-FILE
//
// It writes the certificate that it is to be trusted by to CA-FILE. It is
// asked by lines on standard input and answers each with a line of JSON: "stats"
// what it saw, "reset" forgets it, "latency MS" answers that much later from now on.
package main

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tocsin/bench/push"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sink:", err)
		os.Exit(1)
	}
}

// service is what all connections have in common.
type service struct {
	origin  string
	counts  []atomic.Uint32 // messages by number of the device
	every   int             // every so many devices one is a sample
	latency atomic.Int64    // nanoseconds until an answer
	known   atomic.Pointer[string]
	conns   atomic.Int64 // opened

	messages atomic.Int64
	bytes    atomic.Int64

	mu     sync.Mutex
	topics map[string]int // of samples
	sizes  map[int]int    // of the bodies of samples
	read   int            // samples decrypted
	text   string         // of the last
	wrong  []string
}

func run(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: sink DEVICES EVERY CA-FILE")
	}
	devices, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("devices: %w", err)
	}
	s := &service{counts: make([]atomic.Uint32, devices)}
	if s.every, err = strconv.Atoi(args[1]); err != nil || s.every < 1 {
		return fmt.Errorf("every: %q is no number", args[1])
	}
	s.reset()
	cert, err := certificate(args[2])
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.origin = "https://" + l.Addr().String()
	go s.accept(l, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12})
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		word, arg, _ := strings.Cut(in.Text(), " ")
		switch word {
		case "reset":
			s.reset()
		case "latency":
			ms, err := strconv.Atoi(arg)
			if err != nil {
				return fmt.Errorf("latency: %w", err)
			}
			s.latency.Store(int64(time.Duration(ms) * time.Millisecond))
		case "stats":
		default:
			return fmt.Errorf("asked to %q", word)
		}
		if err := out.Encode(s.stats()); err != nil {
			return err
		}
	}
	return nil
}

// certificate makes one for this machine and writes it to the file.
func certificate(file string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "push benchmark"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("certificate: %w", err)
	}
	var b bytes.Buffer
	if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: der}); err != nil {
		return tls.Certificate{}, err
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func (s *service) accept(l net.Listener, config *tls.Config) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		s.conns.Add(1)
		go func() {
			t := tls.Server(nc, config)
			err := t.Handshake()
			if err == nil && t.ConnectionState().NegotiatedProtocol == "h2" {
				err = s.serve(t)
			} else if err == nil {
				err = s.serve1(t)
			}
			// A sender that was killed breaks off anywhere; that is no fault.
			var op *net.OpError
			if err != nil && !errors.As(err, &op) {
				s.fault(err)
			}
			_ = nc.Close()
		}()
	}
}

// wait is the latency.
func (s *service) wait(d time.Duration) { <-time.After(d) }

func (s *service) fault(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wrong) < 10 {
		s.wrong = append(s.wrong, err.Error())
	}
}

// count notes a message, and looks into it when it is a sample.
func (s *service) count(r *request, length int, body []byte) {
	s.counts[r.number].Add(1)
	s.messages.Add(1)
	s.bytes.Add(int64(length))
	if !r.sample {
		return
	}
	text, err := decrypt(r.number, body)
	if err != nil {
		s.fault(err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read++
	s.text = string(text)
	if len(s.topics) < 100 {
		s.topics[r.topic]++
	}
	s.sizes[length]++
}

func (s *service) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.counts {
		s.counts[i].Store(0)
	}
	s.messages.Store(0)
	s.bytes.Store(0)
	s.conns.Store(0)
	s.topics, s.sizes, s.read, s.text, s.wrong = map[string]int{}, map[int]int{}, 0, "", nil
}

func (s *service) stats() push.Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := push.Seen{Origin: s.origin, Messages: s.messages.Load(), Bytes: s.bytes.Load(), Connections: s.conns.Load(),
		Read: s.read, Text: s.text, Wrong: slices.Clone(s.wrong)}
	for i := range s.counts {
		n := int(s.counts[i].Load())
		if n > 0 {
			seen.Devices++
		}
		seen.Most = max(seen.Most, n)
	}
	for topic := range s.topics {
		seen.Topics = append(seen.Topics, topic)
	}
	for size := range s.sizes {
		seen.Sizes = append(seen.Sizes, size)
	}
	slices.Sort(seen.Topics)
	slices.Sort(seen.Sizes)
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err == nil {
		seen.CPU = u.Utime.Nano() + u.Stime.Nano()
	}
	return seen
}

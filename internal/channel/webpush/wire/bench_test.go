//nolint:errcheck // services here write into connections that may have ended, which is what is tested
package wire_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tocsin/internal/channel/webpush/wire"
)

// With this in the environment, the test binary is a push service that costs
// little, in a process of its own: so the CPU of the client can be told apart.
const sinkVariable = "WIRE_SINK"

func sinkProcess() {
	cert := must(tls.X509KeyPair([]byte(os.Getenv("WIRE_SINK_CERT")), []byte(os.Getenv("WIRE_SINK_KEY"))))
	latency := must(time.ParseDuration(os.Getenv(sinkVariable)))
	l := must(tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}}))
	fmt.Println(origin(l))
	go func() { // it ends with its parent
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go sink(conn, latency)
	}
}

// sink answers each request with 201 after a while, and looks at nothing.
func sink(conn net.Conn, latency time.Duration) {
	defer conn.Close()
	settings := []byte{0, 0, 12, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100, 0, 4, 0, 1, 0, 0}
	out := append(settings, 0, 0, 4, 8, 0, 0, 0, 0, 0, 0x70, 0, 0, 0)
	conn.Write(out)
	r := bufio.NewReaderSize(conn, 64<<10)
	r.Discard(24)
	var mu sync.Mutex
	out = nil
	for {
		head, err := r.Peek(9)
		if err != nil {
			return
		}
		length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		kind, flags, id := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		r.Discard(9 + length)
		switch {
		case kind == 4 && flags&1 == 0:
			out = append(out, 0, 0, 0, 4, 1, 0, 0, 0, 0)
		case kind == 0 && flags&1 != 0:
			out = append(out, 0, 0, 5, 1, 5)
			out = binary.BigEndian.AppendUint32(out, id)
			out = append(out, 0x08, 3, '2', '0', '1')
		}
		if r.Buffered() < 9 && len(out) > 0 {
			if latency == 0 {
				conn.Write(out)
			} else {
				late := out
				time.AfterFunc(latency, func() { mu.Lock(); conn.Write(late); mu.Unlock() })
			}
			out = nil
		}
	}
}

// startSink starts the sink's process and answers its origin.
func startSink(b testing.TB, latency time.Duration) string {
	b.Helper()
	cert := good()
	key := must(x509.MarshalPKCS8PrivateKey(cert.PrivateKey))
	cmd := exec.CommandContext(b.Context(), must(os.Executable()))
	cmd.Env = append(os.Environ(), sinkVariable+"="+latency.String(),
		"WIRE_SINK_CERT="+string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})),
		"WIRE_SINK_KEY="+string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	in := must(cmd.StdinPipe())
	out := must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Wait() //nolint:errcheck // it was told to end
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line)
}

func cpu(b testing.TB) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchmark(b *testing.B, latency time.Duration) {
	to := startSink(b, latency)
	c := newClient(b)
	if err := c.Warm(b.Context(), to); err != nil {
		b.Fatal(err)
	}
	const many = 4096
	free := make(chan *wire.Request, many)
	failed := make(chan error, 1)
	done := func(r *wire.Request, a wire.Response) {
		if a.Status != 201 {
			select {
			case failed <- fmt.Errorf("%d %w", a.Status, a.Err):
			default:
			}
		}
		free <- r
	}
	body := make([]byte, 600)
	for range many {
		free <- &wire.Request{
			Origin: to, Path: "/wpush/v2/" + strings.Repeat("gAAAAABmZ", 20), TTL: 14400, Urgency: "high", Body: body, Done: done,
			Authorization: "vapid t=" + strings.Repeat("eyJ0eXAi", 30) + ", k=" + strings.Repeat("BNc", 29), Topic: "aW5jaWRlbnQtNDcxMS0wODE1LWJlcm",
		}
	}
	b.ReportAllocs()
	before := cpu(b)
	b.ResetTimer()
	for range b.N {
		if err := c.Send(b.Context(), <-free); err != nil {
			b.Fatal(err)
		}
	}
	for range many {
		<-free
	}
	b.StopTimer()
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/1000, "cpu-µs/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	s := c.Stats()[0]
	b.ReportMetric(float64(s.Sent)/float64(s.Writes), "msg/write")
	b.ReportMetric(float64(s.Conns), "conns")
	b.ReportMetric(float64(s.Window), "window")
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
}

func BenchmarkSend(b *testing.B)        { benchmark(b, 0) }
func BenchmarkSendLatency(b *testing.B) { benchmark(b, 50*time.Millisecond) }

package page

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tocsin/bench/table"
	"tocsin/test/port"
)

// The server has a core to itself, what loads it another one.
const (
	serverCPU = "0"
	clientCPU = "1"
)

// pin moves a process with all its threads to processors. With one there is
// nothing to choose.
func pin(pid int, cpus string) error {
	if runtime.NumCPU() < 2 {
		return nil
	}
	if out, err := exec.Command("taskset", "--all-tasks", "--cpu-list", "--pid", cpus, strconv.Itoa(pid)).CombinedOutput(); err != nil {
		return fmt.Errorf("pin process %d: %w: %s", pid, err, out)
	}
	return nil
}

// gzipped is what a browser says that it takes, as far as nginx has it ready.
var gzipped = http.Header{"Accept-Encoding": {"gzip"}}

// load measures requests per second beside nginx.
func (l *lab) load(ctx context.Context, w io.Writer) error {
	packed, err := get(ctx, l.hub.URL+"/", gzipped)
	if err != nil {
		return err
	}
	stop, nginx, err := l.nginx(ctx, packed)
	if err != nil {
		return err
	}
	defer stop()
	if err := pin(os.Getpid(), clientCPU); err != nil {
		return err
	}
	defer func() { _ = pin(os.Getpid(), fmt.Sprintf("0-%d", runtime.NumCPU()-1)) }()
	runs := []struct {
		name    string
		url     string
		publish bool
	}{{"nginx, one worker, gzip_static", nginx, false}, {"Tocsin", l.hub.URL + "/", false}, {"Tocsin, an update published every second", l.hub.URL + "/", true}}
	rates, shares, sizes, tails, alone := make([][]float64, len(runs)), make([][]float64, len(runs)), make([][]float64, len(runs)), make([][]float64, len(runs)), make([][]time.Duration, len(runs))
	for range l.o.Rounds {
		for i, r := range runs {
			one, err := l.firstByte(ctx, r.url, 500)
			if err != nil {
				return err
			}
			alone[i] = append(alone[i], one...)
			res, err := l.wrk(ctx, r.url, r.publish)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], res.rate)
			shares[i] = append(shares[i], res.rate/rates[0][len(rates[0])-1])
			sizes[i] = append(sizes[i], res.size)
			tails[i] = append(tails[i], res.p99.Seconds())
		}
	}
	fmt.Fprintf(w, "The page has 50 components, 90 days and 3 open incidents: %s bytes packed. `wrk -t1 -c32` with gzip on one core, the server "+
		"on another, nginx with one worker on the same one as Tocsin, in turns; each figure is the median of %d runs of %v. wrk's p99 is that of whole answers under this load; the first byte is "+
		"that of one visitor after the other, who wait for nobody else. The goal is 0.6 of nginx.\n\n", table.Thousands(float64(len(packed))), l.o.Rounds, l.o.For)
	t := table.Table{Head: []string{"the page", "requests/s", "of nginx", "bytes an answer", "answer p99 under load", "first byte p50", "first byte p99"}}
	for i, r := range runs {
		slices.Sort(alone[i])
		rate, share, tail := median(rates[i]), median(shares[i]), median(tails[i])
		t.Add(r.name, table.Thousands(rate), fmt.Sprintf("%.2f", share), table.Thousands(median(sizes[i])), ms(time.Duration(tail*float64(time.Second))),
			fmt.Sprintf("%.2f ms", at(alone[i], 50).Seconds()*1000), fmt.Sprintf("%.2f ms", at(alone[i], 99).Seconds()*1000))
	}
	return t.Write(w) //nolint:wrapcheck // says what was tried
}

// nginx serves the page's bytes from files, packed beforehand.
func (l *lab) nginx(ctx context.Context, packed []byte) (stop func(), url string, err error) {
	dir, err := os.MkdirTemp(l.dir, "nginx-")
	if err != nil {
		return nil, "", fmt.Errorf("folder for nginx: %w", err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, "", fmt.Errorf("unpack the page: %w", err)
	}
	body, err := io.ReadAll(z)
	if err != nil {
		return nil, "", fmt.Errorf("unpack the page: %w", err)
	}
	spare, err := port.Spare()
	if err != nil {
		return nil, "", err
	}
	conf := fmt.Sprintf(`worker_processes 1; daemon off; pid nginx.pid; error_log error.log; %s
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; open_file_cache max=100; open_file_cache_valid 60s;
  keepalive_requests 1000000000; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  types { text/html html; }
  server { listen 127.0.0.1:%d; root site; gzip_static on; }
}
`, asSelf(), spare)
	if err := os.Chmod(l.dir, 0o755); err != nil {
		return nil, "", fmt.Errorf("folder for nginx: %w", err)
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "site"), 0o755), os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600),
		os.WriteFile(filepath.Join(dir, "site", "index.html"), body, 0o644), os.WriteFile(filepath.Join(dir, "site", "index.html.gz"), packed, 0o644)); err != nil {
		return nil, "", fmt.Errorf("files for nginx: %w", err)
	}
	exe, err := exec.LookPath("nginx")
	if err != nil {
		exe = "/usr/sbin/nginx" // not on the path of everybody
	}
	cmd := exec.Command(exe, "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		return nil, "", fmt.Errorf("start nginx: %w", err)
	}
	stop = func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() }
	url = fmt.Sprintf("http://127.0.0.1:%d/", spare)
	each := time.NewTicker(10 * time.Millisecond)
	defer each.Stop()
	for begin := time.Now(); ; <-each.C {
		got, err := get(ctx, url, gzipped)
		if err == nil && bytes.Equal(got, packed) {
			break
		}
		if time.Since(begin) > 10*time.Second {
			stop()
			return nil, "", fmt.Errorf("nginx does not serve the page: %w: %s", err, said.String())
		}
	}
	// The worker is a child of the process that was started.
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
	if err != nil {
		stop()
		return nil, "", fmt.Errorf("look for nginx's worker: %w", err)
	}
	for _, child := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(child)
		if err == nil {
			err = pin(pid, serverCPU)
		}
		if err != nil {
			stop()
			return nil, "", err
		}
	}
	return stop, url, nil
}

// asSelf has nginx's worker stay who we are: it must read our folder.
func asSelf() string {
	if os.Getuid() == 0 {
		return "user root;"
	}
	return ""
}

// result is what wrk found.
type result struct {
	rate float64 // requests a second
	size float64 // bytes of an answer with its head
	p99  time.Duration
}

var (
	readLine = regexp.MustCompile(`(\d+) requests in [^,]+, ([0-9.]+)([KMG]?B) read`)
	rateLine = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	tailLine = regexp.MustCompile(`99%\s+([0-9.]+[a-z]+)`)
)

// wrk loads an address; with publish an update is published each second meanwhile.
func (l *lab) wrk(ctx context.Context, url string, publish bool) (r result, err error) {
	args := []string{"--cpu-list", clientCPU, "wrk", "-t1", "-c32", fmt.Sprintf("-d%.0fs", l.o.For.Seconds()), "-H", "Accept-Encoding: gzip", "--latency", url}
	if runtime.NumCPU() < 2 {
		args[1] = serverCPU
	}
	cmd := exec.CommandContext(ctx, "taskset", args...)
	var group sync.WaitGroup
	ended := make(chan struct{})
	var failed error
	if publish {
		group.Go(func() {
			each := time.NewTicker(time.Second)
			defer each.Stop()
			for {
				if _, err := l.publish(ctx); err != nil {
					failed = err
					return
				}
				select {
				case <-each.C:
				case <-ended:
					return
				}
			}
		})
	}
	out, err := cmd.CombinedOutput()
	close(ended)
	group.Wait()
	if err = errors.Join(err, failed); err != nil {
		return r, fmt.Errorf("wrk %s: %w: %s", url, err, out)
	}
	rate, tail := rateLine.FindSubmatch(out), tailLine.FindSubmatch(out)
	if rate == nil || tail == nil || bytes.Contains(out, []byte("Non-2xx")) || bytes.Contains(out, []byte("Socket errors")) {
		return r, fmt.Errorf("wrk %s: not all was answered: %s", url, out)
	}
	if r.rate, err = strconv.ParseFloat(string(rate[1]), 64); err != nil {
		return r, fmt.Errorf("read what wrk says: %w", err)
	}
	if read := readLine.FindSubmatch(out); read != nil {
		n, err1 := strconv.ParseFloat(string(read[1]), 64)
		sum, err2 := strconv.ParseFloat(string(read[2]), 64)
		if err := errors.Join(err1, err2); err != nil {
			return r, fmt.Errorf("read what wrk says: %w", err)
		}
		r.size = sum * map[string]float64{"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}[string(read[3])] / n
	}
	r.p99, err = time.ParseDuration(string(tail[1]))
	return r, err
}

// firstByte is how long one visitor waits for the first byte, request after
// request on one connection.
func (l *lab) firstByte(ctx context.Context, url string, n int) ([]time.Duration, error) {
	host := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/")
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", host, err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", host, err)
	}
	in := bufio.NewReader(conn)
	request := []byte("GET / HTTP/1.1\r\nHost: " + host + "\r\nAccept-Encoding: gzip\r\n\r\n")
	took := make([]time.Duration, 0, n)
	for range n {
		begin := time.Now()
		if _, err := conn.Write(request); err != nil {
			return nil, fmt.Errorf("ask %s: %w", host, err)
		}
		if _, err := in.Peek(1); err != nil {
			return nil, fmt.Errorf("wait for %s: %w", host, err)
		}
		took = append(took, time.Since(begin))
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", host, err)
		}
		_, err = io.Copy(io.Discard, res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			return nil, fmt.Errorf("read %s: %w", host, err)
		}
	}
	return took, nil
}

// field is a text of an object in JSON.
func field(text []byte, name string) (string, error) {
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		return "", fmt.Errorf("read %s: %w", name, err)
	}
	s, _ := v[name].(string)
	if s == "" {
		return "", fmt.Errorf("no %s in %s", name, text)
	}
	return s, nil
}

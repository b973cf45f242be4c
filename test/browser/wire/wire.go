// Package wire starts a browser and talks to it: both of them, Chromium with
// its DevTools protocol and Firefox with WebDriver BiDi, print a WebSocket
// address when they are up, take {"id","method","params"} and answer with the
// same id, and send events in between.
package wire

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

// Command says how a browser is started and where it says that it listens.
type Command struct {
	Exe     string
	Args    []string
	Env     []string       // added to this process's environment
	Listens *regexp.Regexp // the first group is the WebSocket address, on a line of stderr
	Suffix  string         // added to that address
}

// Conn is a running browser and the connection to it.
type Conn struct {
	cmd    *exec.Cmd
	ws     *websocket.Conn
	exited chan struct{} // the process has ended and was waited for
	read   chan struct{} // the connection has ended

	mu   sync.Mutex
	next int
	wait map[int]chan message
	subs map[string][]func(session string, params json.RawMessage)
}

// message is a reply or an event. Error is an object in CDP; in BiDi it is a
// word beside a sentence.
type message struct {
	ID      int             `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Session string          `json:"sessionId"`
	Result  json.RawMessage `json:"result"`
	Error   json.RawMessage `json:"error"`
	Message string          `json:"message"`
}

// tail keeps the last lines of stderr, for the error of a browser that does
// not come up.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lines = append(t.lines, line); len(t.lines) > 12 {
		t.lines = t.lines[1:]
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}

// Start starts the browser and connects to it. ctx bounds the start, not the
// life of the browser; Kill or Wait ends that. The browser dies with this
// process, however that ends.
func Start(ctx context.Context, c Command) (*Conn, error) {
	cmd := exec.Command(c.Exe, c.Args...)
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("pipe of %s: %w", c.Exe, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Exe, err)
	}
	b := &Conn{
		cmd: cmd, exited: make(chan struct{}), read: make(chan struct{}),
		wait: map[int]chan message{}, subs: map[string][]func(string, json.RawMessage){},
	}
	var last tail
	address := make(chan string, 1)
	go func() {
		follow(stderr, c.Listens, &last, address)
		_ = cmd.Wait()
		close(b.exited)
	}()
	select {
	case a := <-address:
		b.ws, _, err = websocket.Dial(ctx, a+c.Suffix, nil)
	case <-b.exited:
		err = errors.New("it ended at once")
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		b.Kill()
		return nil, fmt.Errorf("connect to %s: %w; it said:\n%s", c.Exe, err, last.String())
	}
	b.ws.SetReadLimit(64 << 20)
	go b.receive()
	return b, nil
}

// follow reads stderr to its end and hands over the address it names.
func follow(stderr io.Reader, listens *regexp.Regexp, last *tail, address chan<- string) {
	sc := bufio.NewScanner(stderr)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		last.add(sc.Text())
		if m := listens.FindStringSubmatch(sc.Text()); m != nil {
			select {
			case address <- m[1]:
			default:
			}
		}
	}
}

// Pid is the browser's main process.
func (b *Conn) Pid() int { return b.cmd.Process.Pid }

func (b *Conn) receive() {
	defer close(b.read)
	for {
		_, d, err := b.ws.Read(context.Background())
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(d, &m) != nil {
			continue
		}
		b.mu.Lock()
		ch := b.wait[m.ID]
		delete(b.wait, m.ID)
		subs := b.subs[m.Method]
		b.mu.Unlock()
		if m.ID != 0 && ch != nil {
			ch <- m
		}
		for _, f := range subs {
			f(m.Session, m.Params)
		}
	}
}

// On calls f for each event named method, on the goroutine that reads: f must
// not wait for a reply.
func (b *Conn) On(method string, f func(session string, params json.RawMessage)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs[method] = append(b.subs[method], f)
}

// Call sends one command and decodes its result into out, unless that is nil.
// session is CDP's, empty for the browser itself and for BiDi.
func (b *Conn) Call(ctx context.Context, session, method string, params, out any) error {
	ch := make(chan message, 1)
	b.mu.Lock()
	b.next++
	id := b.next
	b.wait[id] = ch
	b.mu.Unlock()
	m := map[string]any{"id": id, "method": method}
	if params != nil {
		m["params"] = params
	}
	if session != "" {
		m["sessionId"] = session
	}
	d, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	if err := b.ws.Write(ctx, websocket.MessageText, d); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case r := <-ch:
		if len(r.Error) > 0 {
			return fmt.Errorf("%s: %s %s", method, r.Error, r.Message)
		}
		if out == nil {
			return nil
		}
		if err := json.Unmarshal(r.Result, out); err != nil {
			return fmt.Errorf("%s: result: %w", method, err)
		}
		return nil
	case <-b.read:
		return fmt.Errorf("%s: the browser closed the connection", method)
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", method, ctx.Err())
	}
}

// Wait lets the browser end by itself, after it was told to, and kills what is
// left of it after the given time.
func (b *Conn) Wait(patience time.Duration) {
	select {
	case <-b.exited:
	case <-time.After(patience):
	}
	b.Kill()
}

// Kill ends the browser and its children and waits for it.
func (b *Conn) Kill() {
	// The group outlives its leader: helpers of a closed browser are in it too.
	_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
	<-b.exited
	if b.ws != nil {
		_ = b.ws.CloseNow()
	}
}

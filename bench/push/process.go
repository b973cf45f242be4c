package push

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// child is one process, asked by lines and answering in JSON.
type child struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
}

// pinned makes a command that runs on one processor alone, so that sender and
// service do not take each other's time. With one processor, or anywhere for a
// negative number, it is the command itself.
func pinned(cpu int, name string, args ...string) *exec.Cmd {
	if cpu < 0 || runtime.NumCPU() < 2 {
		return exec.Command(name, args...)
	}
	return exec.Command("taskset", append([]string{"--cpu-list", fmt.Sprint(cpu), name}, args...)...)
}

// start starts a child on one processor.
func start(cpu int, exe string, args ...string) (*child, error) {
	c := &child{name: exe, cmd: pinned(cpu, exe, args...)}
	c.cmd.Stderr = os.Stderr
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", exe, err)
	}
	return c, nil
}

// ask has the child do something and reads its answer.
func (c *child) ask(line string, answer any) error {
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		return fmt.Errorf("ask %s to %s: %w", c.name, line, err)
	}
	text, err := c.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("hear how %s did %s: %w", c.name, line, err)
	}
	return json.Unmarshal(text, answer)
}

// end closes the child's standard input, which ends it.
func (c *child) end() { _ = c.in.Close(); _ = c.cmd.Wait() }

// service is the push service.
type service struct {
	*child
	origin string
	ca     string // file
}

func (b *bench) service(cpu, devices int) (*service, error) {
	b.files++
	s := &service{ca: fmt.Sprintf("%s/ca%d.pem", b.dir, b.files)}
	var err error
	if s.child, err = start(cpu, b.exe("sink"), fmt.Sprint(devices), fmt.Sprint(every), s.ca); err != nil {
		return nil, err
	}
	seen, err := s.seen()
	if err != nil {
		s.end()
		return nil, err
	}
	s.origin = seen.Origin
	return s, nil
}

// seen is what it saw. That a browser could not have read a message, or that a
// real service would have refused one, is an error.
func (s *service) seen() (Seen, error) {
	var seen Seen
	if err := s.ask("stats", &seen); err != nil {
		return seen, err
	}
	if len(seen.Wrong) > 0 {
		return seen, fmt.Errorf("the push service met what is wrong: %s", strings.Join(seen.Wrong, "; "))
	}
	return seen, nil
}

// sender is the program's sender, which sends to s.
func (b *bench) sender(cpu int, s *service) (*child, error) {
	return start(cpu, b.exe("sender"), s.origin, s.ca)
}

// do has the sender do something of n messages.
func do(c *child, word string, n int) (Done, error) {
	var d Done
	err := c.ask(fmt.Sprintf("%s %d", word, n), &d)
	return d, err
}

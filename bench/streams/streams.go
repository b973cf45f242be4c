// Package streams measures what an open event stream costs.
//
// Three kinds of child processes take part, so that what the clients use does
// not count: a server with the hub of package live, a floor that does nothing
// but write(2) to as many sockets, and two clients that hold the other ends.
// Rounds of server and floor alternate in one run, on the same machine, with the
// same bytes; the medians are compared.
package streams

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// The sizes of the measurement: the issue asks for 10,000 streams. A typical
// frame of an alert is some 400 bytes.
const (
	connections = 10_000
	frameBytes  = 400
	rounds      = 15
	warmUp      = 3
)

// Sample is what a child says of itself.
type Sample struct {
	Address string // where it listens
	Open    int    // connections
	Heap    int64  // bytes in use
	Stack   int64  // bytes in use
	RSS     int64  // bytes resident, after a collection and the return of free pages
	RSSRaw  int64  // bytes resident as it is
	CPU     int64  // nanoseconds of this process, user and system, in the round
	Wall    int64  // nanoseconds from the event to the last write of the round
	Frame   int    // bytes written to each connection in the round
}

// child is one process, asked by lines and answering in JSON.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(exe string, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(exe, args...)}
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
		return nil, fmt.Errorf("start %s %v: %w", exe, args, err)
	}
	return c, nil
}

func (c *child) ask(line string) (Sample, error) {
	var s Sample
	if _, err := fmt.Fprintln(c.in, line); err != nil {
		return s, fmt.Errorf("ask a child to %s: %w", line, err)
	}
	answer, err := c.out.ReadBytes('\n')
	if err != nil {
		return s, fmt.Errorf("hear how a child did %s: %w", line, err)
	}
	return s, json.Unmarshal(answer, &s)
}

// end closes the child's standard input, which ends it.
func (c *child) end() { _ = c.in.Close(); _ = c.cmd.Wait() }

// Run measures and writes a table to w. It needs the go command to build the
// children, and some 40,000 descriptors over four processes.
func Run(w io.Writer) error {
	dir, err := os.MkdirTemp("", "streams")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	exe := filepath.Join(dir, "child")
	if out, err := exec.Command("go", "build", "-o", exe, "tocsin/bench/streams/child").CombinedOutput(); err != nil {
		return fmt.Errorf("build the child: %w\n%s", err, out)
	}
	var ends []*child
	defer func() {
		for _, c := range slices.Backward(ends) {
			c.end()
		}
	}()
	pair := func(role string) (server *child, before Sample, err error) {
		if server, err = start(exe, role); err != nil {
			return nil, before, err
		}
		ends = append(ends, server)
		if before, err = server.ask("sample"); err != nil {
			return nil, before, err
		}
		client, err := start(exe, "client", before.Address, strconv.Itoa(connections))
		if err != nil {
			return nil, before, err
		}
		ends = append(ends, client)
		if _, err := client.ask("open"); err != nil {
			return nil, before, err
		}
		return server, before, nil
	}
	hub, empty, err := pair("hub")
	if err != nil {
		return err
	}
	full, err := hub.ask("sample")
	if err != nil {
		return err
	}
	if full.Open != connections {
		return fmt.Errorf("%d of %d streams are open", full.Open, connections)
	}
	floor, _, err := pair("floor")
	if err != nil {
		return err
	}
	var cpu, floorCPU, wall, floorWall []int64
	for i := range rounds + warmUp {
		h, err := hub.ask("event " + strconv.Itoa(frameBytes))
		if err != nil {
			return err
		}
		f, err := floor.ask("event " + strconv.Itoa(h.Frame))
		if err != nil {
			return err
		}
		if i < warmUp {
			continue
		}
		cpu, floorCPU = append(cpu, h.CPU), append(floorCPU, f.CPU)
		wall, floorWall = append(wall, h.Wall), append(floorWall, f.Wall)
	}
	after, err := hub.ask("sample")
	if err != nil {
		return err
	}
	if after.Open != connections {
		return errors.New("streams were lost while events were handed out")
	}
	each := func(a, b int64) float64 { return float64(a-b) / connections }
	us := func(ns int64) float64 { return float64(ns) / connections / 1e3 }
	ratio := float64(median(cpu)) / float64(median(floorCPU))
	memory := max(each(full.RSS, empty.RSS), each(after.RSS, empty.RSS))
	fmt.Fprintf(w, "%d open streams over plain HTTP/1.1, %d rounds of one event of %d bytes, medians\n\n", connections, rounds, frameBytes)
	fmt.Fprintf(w, "| bytes a stream beyond the kernel's | opened | after %d events | goal |\n|---|---|---|---|\n", rounds+warmUp)
	fmt.Fprintf(w, "| resident, free pages returned | %.0f | %.0f | 4096 |\n", each(full.RSS, empty.RSS), each(after.RSS, empty.RSS))
	fmt.Fprintf(w, "| resident, as it is | %.0f | %.0f | |\n", each(full.RSSRaw, empty.RSSRaw), each(after.RSSRaw, empty.RSSRaw))
	fmt.Fprintf(w, "| heap in use | %.0f | %.0f | |\n", each(full.Heap, empty.Heap), each(after.Heap, empty.Heap))
	fmt.Fprintf(w, "| stacks in use | %.0f | %.0f | |\n\n", each(full.Stack, empty.Stack), each(after.Stack, empty.Stack))
	fmt.Fprintf(w, "| fan-out of one event | hub | write(2) alone | ratio | goal |\n|---|---|---|---|---|\n")
	fmt.Fprintf(w, "| CPU a stream, µs | %.2f | %.2f | %.2f | 1.30 |\n", us(median(cpu)), us(median(floorCPU)), ratio)
	fmt.Fprintf(w, "| until the last write, ms | %.0f | %.0f | %.2f | |\n", float64(median(wall))/1e6, float64(median(floorWall))/1e6, float64(median(wall))/float64(median(floorWall)))
	if memory > 4096 {
		return fmt.Errorf("a stream takes %.0f bytes, more than 4096", memory)
	}
	if ratio > 1.3 {
		return fmt.Errorf("the fan-out takes %.2f times the CPU of the writes, more than 1.3", ratio)
	}
	return nil
}

func median(v []int64) int64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

package nagios

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The bounds of a dialogue with Livestatus: how long an answer may be, and about
// how many objects one question is.
const (
	maxAnswer = 16 << 20
	maxAsked  = 50
)

// livestatus is an engine's Livestatus: a socket that takes commands and answers
// questions, each on a connection of its own.
type livestatus struct {
	network, address string // "unix" and a path, or "tcp" and host:port
	now              func() time.Time
}

func (l livestatus) name() string { return "Livestatus" }

func (l livestatus) where() string {
	if l.network == "unix" {
		return "Livestatus at " + l.address
	}
	return "Livestatus at tcp:" + l.address
}

// dial connects; the connection ends with patience.
func (l livestatus) dial(ctx context.Context) (net.Conn, context.CancelFunc, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	var d net.Dialer
	conn, err := d.DialContext(ctx, l.network, l.address)
	if err != nil {
		cancel()
		return nil, nil, l.why(err)
	}
	end, _ := ctx.Deadline()
	_ = conn.SetDeadline(end) // a connection just made takes it
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return conn, func() { stop(); cancel(); conn.Close() }, nil
}

// why puts the error of connecting into words.
func (l livestatus) why(err error) error {
	switch {
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("there is no %s: start the engine with its Livestatus module (broker_module), or give the path of its socket", l.where())
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("may not use %s: permission denied; add the user %s to the engine's group and start Tocsin anew", l.where(), userName())
	case errors.Is(err, unix.ECONNREFUSED):
		return fmt.Errorf("nobody answers for %s: connection refused; is the engine running, with its Livestatus module?", l.where())
	case isTimeout(err):
		return fmt.Errorf("%s does not answer within %s", l.where(), patience)
	}
	return fmt.Errorf("connect to %s: %w", l.where(), err)
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout()
}

// tell hands a command's line over. Livestatus answers nothing to a command; that
// it took it all shows by its closing the connection.
func (l livestatus) tell(ctx context.Context, line string) error {
	conn, hangUp, err := l.dial(ctx)
	if err != nil {
		return err
	}
	defer hangUp()
	if _, err := io.WriteString(conn, "COMMAND "+strings.TrimSuffix(line, "\n")+"\n\n"); err != nil {
		return l.broken("hand a command over", err)
	}
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			return l.broken("hand a command over", err)
		}
	}
	said, err := io.ReadAll(io.LimitReader(conn, 512))
	if err != nil {
		return l.broken("hand a command over", err)
	}
	if len(said) > 0 {
		return fmt.Errorf("%s answered a command, which Livestatus does not: %q; is the address that of Livestatus?", l.where(), brief(said))
	}
	return nil
}

// broken puts the error of a dialogue into words.
func (l livestatus) broken(what string, err error) error {
	if isTimeout(err) {
		return fmt.Errorf("%s to %s: no answer within %s; look whether the engine hangs", what, l.where(), patience)
	}
	return fmt.Errorf("%s to %s: %w", what, l.where(), err)
}

// ask puts one question and answers the rows of its answer.
func (l livestatus) ask(ctx context.Context, question string) ([][]json.RawMessage, error) {
	conn, hangUp, err := l.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer hangUp()
	if _, err := io.WriteString(conn, question+"OutputFormat: json\nResponseHeader: fixed16\n\n"); err != nil {
		return nil, l.broken("put a question", err)
	}
	head := make([]byte, 16)
	if n, err := io.ReadFull(conn, head); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, l.wrong(head[:n])
		}
		return nil, l.broken("put a question", err)
	}
	code, length, ok := header(head)
	if !ok {
		return nil, l.wrong(head)
	}
	if length > maxAnswer {
		return nil, fmt.Errorf("%s answers with %d bytes, and at most %d are taken", l.where(), length, maxAnswer)
	}
	body, err := io.ReadAll(io.LimitReader(conn, int64(length)))
	switch {
	case err != nil:
		return nil, l.broken("put a question", err)
	case len(body) < length:
		return nil, fmt.Errorf("%s ended its answer after %d of %d bytes", l.where(), len(body), length)
	case code != 200:
		return nil, fmt.Errorf("%s says %d: %s", l.where(), code, brief(body))
	}
	var rows [][]json.RawMessage
	if err := json.Unmarshal(body, &rows); err != nil {
		return nil, fmt.Errorf("%s answered something else than rows in JSON (%q): %w", l.where(), brief(body), err)
	}
	return rows, nil
}

// wrong says that something answers that is no Livestatus.
func (l livestatus) wrong(said []byte) error {
	if len(said) == 0 {
		return fmt.Errorf("%s hung up without an answer: is the address that of Livestatus, and may this machine ask it (only_from)?", l.where())
	}
	return fmt.Errorf("%s answered something that is no Livestatus: %q; is the address right?", l.where(), brief(said))
}

// header reads fixed16: three digits, a space, the length in eleven places, a
// newline.
func header(h []byte) (code, length int, ok bool) {
	if len(h) != 16 || h[3] != ' ' || h[15] != '\n' {
		return 0, 0, false
	}
	code, err1 := strconv.Atoi(string(h[:3]))
	length, err2 := strconv.Atoi(strings.TrimLeft(string(h[4:15]), " "))
	return code, length, err1 == nil && err2 == nil && code >= 100 && length >= 0
}

// brief is the beginning of what somebody said, for an error's text.
func brief(said []byte) string {
	said = bytes.TrimSpace(said)
	if len(said) > 160 {
		return strings.ToValidUTF8(string(said[:160]), "") + "…"
	}
	return strings.ToValidUTF8(string(said), "\uFFFD")
}

// probe puts a question that changes nothing.
func (l livestatus) probe(ctx context.Context) error {
	rows, err := l.ask(ctx, "GET status\nColumns: program_version\n")
	if err != nil {
		return err
	}
	if len(rows) != 1 {
		return fmt.Errorf("%s answers %d rows of its status instead of one", l.where(), len(rows))
	}
	return nil
}

// look asks for the objects, hosts and services apart.
func (l livestatus) look(ctx context.Context, objects []key) (view, error) {
	v := view{at: l.now(), objects: make(map[key]*sight, len(objects))}
	var hosts, services []key
	for _, k := range objects {
		if !askable(k) {
			continue // it would be another question; the engine has no such object
		}
		if k.service == "" {
			hosts = append(hosts, k)
		} else {
			services = append(services, k)
		}
	}
	for _, t := range []struct {
		table string
		keys  []key
	}{{"hosts", hosts}, {"services", services}} {
		for len(t.keys) > 0 {
			some := t.keys[:min(maxAsked, len(t.keys))]
			t.keys = t.keys[len(some):]
			rows, err := l.ask(ctx, question(t.table, some))
			if err != nil {
				return view{}, err
			}
			for _, row := range rows {
				if err := v.addRow(t.table, row); err != nil {
					return view{}, fmt.Errorf("%s answered a row of %s that cannot be read: %w", l.where(), t.table, err)
				}
			}
		}
	}
	return v, nil
}

// askable says whether the names fit into a line of a question.
func askable(k key) bool {
	bad := func(r rune) bool { return breaks(r) }
	return k.host != "" && !strings.ContainsFunc(k.host, bad) && !strings.ContainsFunc(k.service, bad)
}

// question asks for what is to be seen of some objects of one table.
func question(table string, keys []key) string {
	var b strings.Builder
	b.WriteString("GET " + table + "\nColumns: ")
	if table == "hosts" {
		b.WriteString("name state acknowledged comments_with_info downtimes_with_info\n")
	} else {
		b.WriteString("host_name description state acknowledged comments_with_info downtimes_with_info\n")
	}
	for _, k := range keys {
		if table == "hosts" {
			b.WriteString("Filter: name = " + k.host + "\n")
		} else {
			b.WriteString("Filter: host_name = " + k.host + "\nFilter: description = " + k.service + "\nAnd: 2\n")
		}
	}
	if len(keys) > 1 {
		fmt.Fprintf(&b, "Or: %d\n", len(keys))
	}
	return b.String()
}

// addRow takes over one object.
func (v *view) addRow(table string, row []json.RawMessage) error {
	var k key
	names := []*string{&k.host}
	if table == "services" {
		names = append(names, &k.service)
	}
	if len(row) != len(names)+4 {
		return fmt.Errorf("it has %d columns", len(row))
	}
	for i, name := range names {
		if err := json.Unmarshal(row[i], name); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	s := &sight{known: true}
	var acked int
	var comments, downtimes [][]json.RawMessage
	for i, to := range []any{&s.state, &acked, &comments, &downtimes} {
		if err := json.Unmarshal(row[len(names)+i], to); err != nil {
			return fmt.Errorf("column %d: %w", len(names)+i+1, err)
		}
	}
	s.acked = acked != 0
	for _, c := range comments {
		r := remark{author: text(c, 1), text: text(c, 2), at: instant(c, 3)}
		// Older ones tell only id, author and comment. Then any comment may be the one
		// that came with an acknowledgement.
		r.ack = len(c) < 5 && s.acked || number(c, 4) == 4
		s.comments = append(s.comments, r)
	}
	for _, d := range downtimes {
		s.downtimes = append(s.downtimes, Downtime{Author: text(d, 1), Comment: text(d, 2), Start: instant(d, 4), End: instant(d, 5)})
	}
	v.objects[k] = s
	return nil
}

// text, number and instant are one value of a comment or downtime, as good as
// empty where it is missing or something else.
func text(values []json.RawMessage, i int) (s string) {
	if i < len(values) {
		_ = json.Unmarshal(values[i], &s) // empty, then
	}
	return s
}

func number(values []json.RawMessage, i int) (n int64) {
	if i < len(values) {
		_ = json.Unmarshal(values[i], &n) // 0, then
	}
	return n
}

func instant(values []json.RawMessage, i int) time.Time {
	if n := number(values, i); n > 0 {
		return time.Unix(n, 0)
	}
	return time.Time{}
}

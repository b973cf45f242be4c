package many

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tocsin/internal/backup"
	"tocsin/internal/store"
)

const (
	hosts    = 5_000
	services = 3 // of each, besides the host itself
	objects  = hosts * (services + 1)
	open     = 500 // alerts that are
)

func host(n int) string { return fmt.Sprintf("web%04d.rack%02d.example.com", n, n%100) }

// write makes a backup of an empty database, with very many alerts put into it.
func write(ctx context.Context, path string, alerts int, now time.Time) (err error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), "empty-")
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	o := store.Options{DataDir: dir}
	db, err := store.Open(ctx, o)
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	var empty bytes.Buffer
	if err := dump(ctx, o, &empty); err != nil {
		return err
	}
	r, err := backup.NewReader(&empty)
	if err != nil {
		return err
	}
	f, err := backup.Create(path)
	if err != nil {
		return err
	}
	if err := fill(r, f, alerts, now); err != nil {
		return errors.Join(err, f.Abort())
	}
	return f.Commit()
}

func fill(r *backup.Reader, f io.Writer, alerts int, now time.Time) error {
	w, err := backup.NewWriter(f, r.Manifest)
	if err != nil {
		return err
	}
	for {
		t, err := r.Next()
		if errors.Is(err, io.EOF) {
			_, err := w.Close()
			return err
		} else if err != nil {
			return err
		}
		if err := w.Table(t); err != nil {
			return err
		}
		values := make([]any, len(t.Columns))
		for err = r.Row(values); err == nil; err = r.Row(values) {
			if err := w.Row(values); err != nil {
				return err
			}
		}
		if !errors.Is(err, io.EOF) {
			return err
		}
		row, n := rowsOf(t.Name, alerts, now)
		for i := range n {
			given := row(i)
			for c, column := range t.Columns {
				values[c] = given[column.Name]
				if values[c] == nil {
					values[c] = map[backup.Kind]any{backup.Text: "", backup.Int: int64(0), backup.Bool: false, backup.Bytes: []byte{}}[column.Kind]
				}
			}
			if err := w.Row(values); err != nil {
				return err
			}
		}
	}
}

const (
	smallSource = "small" // the source of one object in a thousand
	fewStates   = 20_000  // one alert in so many is unknown
	fewTold     = 20_000  // and of as many Ben was told too
)

// idOf is the id of alert i, and of what belongs to it. Ids ascend with time.
func idOf(kind, i, alerts int, now time.Time) string {
	at := beganAt(i, alerts, now)
	return fmt.Sprintf("%08x-%04x-7000-8000-%012x", at>>16, at&0xffff, kind<<40|i)
}

// beganAt spreads alerts evenly over a year, the open ones last.
func beganAt(i, alerts int, now time.Time) int64 {
	return now.Add(-time.Duration(alerts-i) * (365 * 24 * time.Hour / time.Duration(alerts))).UnixMilli()
}

func objectID(n int) string { return fmt.Sprintf("object-%05d", n) }

// rowsOf gives the rows of a table, of which most have none.
func rowsOf(table string, alerts int, now time.Time) (row func(i int) map[string]any, n int) {
	at := func(i int) int64 { return beganAt(i, alerts, now) }
	id := func(kind, i int) string { return idOf(kind, i, alerts, now) }
	// A prime apart, so that neighbours are of different hosts, and open ones of different objects.
	object := func(i int) int { return i * 7919 % objects }
	output := func(i int) string {
		return fmt.Sprintf("CRITICAL - packet loss %d%%, round trip %d.%02d ms, see ticket %07d", i%100, i%900, i%97, i)
	}
	resolved := func(i int) bool { return i < alerts-open }
	switch table {
	case "source":
		return func(i int) map[string]any {
			name := []string{"lab", smallSource}[i]
			return map[string]any{"id": name, "name": name, "name_key": name, "kind": "nagios", "token_hash": name}
		}, 2
	case "object":
		openOf := map[int]string{} // the open alert of each that has one
		for i := max(0, alerts-open); i < alerts; i++ {
			openOf[object(i)] = id(1, i)
		}
		return func(n int) map[string]any {
			h, service := host(n%hosts), ""
			search := h
			if k := n / hosts; k > 0 {
				service = []string{"", "HTTP", "Disk /var", "Load"}[k]
				search += "\n" + strings.ToLower(service)
			}
			source := "lab"
			if n%1000 == 7 {
				source = smallSource
			}
			return map[string]any{"id": objectID(n), "source_id": source, "host": h, "service": service, "state": "ok", "changed": at(0), "search": search, "alert_id": openOf[n]}
		}, objects
	case "alert":
		return func(i int) map[string]any {
			row := map[string]any{"id": id(1, i), "object_id": objectID(object(i)), "status": "resolved", "state": "critical", "worst": "critical",
				"output": output(i), "search": strings.ToLower(output(i)), "since": at(i), "updated": at(i) + 60_000, "resolved": at(i) + 60_000}
			if i%fewStates == 1 {
				row["state"] = "unknown"
			}
			if !resolved(i) {
				row["status"], row["rank"], row["resolved"] = "firing", int64(2), int64(0)
			}
			return row
		}, alerts
	case "event":
		return func(i int) map[string]any {
			return map[string]any{"id": id(2, i), "call_id": id(3, i), "source_id": "lab", "alert_id": id(1, i), "object_id": objectID(object(i)), "type": "PROBLEM",
				"state": "critical", "output": output(i), "origin": "engine", "happened": at(i), "received": at(i), "outcome": "opened"}
		}, alerts
	case "delivery":
		return func(i int) map[string]any {
			contact := "ann"
			if i >= alerts { // those of whom another was told
				i, contact = (i-alerts)*fewTold, "ben"
				return map[string]any{"id": id(5, i), "event_id": id(2, i), "alert_id": id(1, i), "object_id": objectID(object(i)), "contact_id": contact, "contact_name": "Ben",
					"channel": "browser", "notice": "problem", "state": "sent", "reason": "rule", "created": at(i), "due": at(i), "attempt": int64(1), "expires": at(i) + 1, "done": at(i) + 500}
			}
			return map[string]any{"id": id(4, i), "event_id": id(2, i), "alert_id": id(1, i), "object_id": objectID(object(i)), "contact_id": contact, "contact_name": "Ann",
				"channel": "browser", "notice": "problem", "state": "sent", "reason": "rule", "why": "the rule “all” fits", "detail": "shown in Firefox", "created": at(i),
				"due": at(i), "attempt": int64(1), "expires": at(i) + 1, "done": at(i) + 500}
		}, alerts + alerts/fewTold
	}
	return nil, 0
}

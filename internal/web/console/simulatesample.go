package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"tocsin/internal/alert"
)

// sampleLine is one event of an example.
type sampleLine struct {
	Type    alert.Type `json:"type"`
	Host    string     `json:"host"`
	Service string     `json:"service,omitempty"`
	State   string     `json:"state,omitempty"`
	Output  string     `json:"output,omitempty"`
	By      string     `json:"by,omitempty"`
	Minutes int        `json:"minutes,omitempty"`
	Time    string     `json:"time,omitempty"`
	Source  string     `json:"source,omitempty"`
}

// sampleEvents are events about the hub's own objects, as lines: one problem that
// somebody takes after ten minutes, or many at once. clean says that they are wrong
// already, so that the example needs a beginning with all well.
func (c *console) sampleEvents(v *visit, storm bool) (lines string, clean bool, err error) {
	ctx := v.Context()
	sources, err := c.Store.Sources(ctx)
	if err != nil {
		return "", false, err
	}
	contacts, err := c.Store.Contacts(ctx)
	if err != nil {
		return "", false, err
	}
	names := map[string]string{}
	for _, s := range sources {
		names[s.ID] = s.Name
	}
	want := 1
	if storm {
		want = 20
	}
	const mostSeen = 2000
	var well, other []alert.Object
	seen := 0
	err = c.Store.EachObject(ctx, func(o *alert.Object) bool {
		switch {
		case names[o.SourceID] == "":
		case (o.State == alert.OK || o.State == alert.Up):
			well = append(well, *o)
		case len(other) < want:
			other = append(other, *o)
		}
		seen++
		return len(well) < want && seen < mostSeen
	})
	if err != nil {
		return "", false, err
	}
	chosen := well
	if len(chosen) == 0 {
		chosen, clean = other, len(other) > 0
	}
	for i := len(chosen); i < want; i++ {
		o := alert.Object{Host: fmt.Sprintf("web%02d", i+1), Service: "HTTP"}
		if len(sources) > 0 {
			o.SourceID = sources[0].ID
		}
		chosen = append(chosen, o)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for i, o := range chosen[:want] {
		l := sampleLine{Type: alert.Problem, Host: o.Host, Service: o.Service, State: "critical", Output: "no answer within 10 s"}
		if o.Service == "" {
			l.State = "down"
		}
		if len(sources) > 1 {
			l.Source = names[o.SourceID]
		}
		if i > 0 {
			l.Time = fmt.Sprintf("+%ds", 3*i)
		}
		if err := enc.Encode(l); err != nil {
			return "", false, fmt.Errorf("write an example: %w", err)
		}
		if i+1 < want {
			continue
		}
		last := sampleLine{Host: l.Host, Service: l.Service, Source: l.Source}
		if len(contacts) > 0 {
			last.Type, last.By, last.Minutes, last.Time = alert.Acknowledgement, contacts[0].Name, 60, "+10m"
			if err := enc.Encode(last); err != nil {
				return "", false, fmt.Errorf("write an example: %w", err)
			}
		}
		last.Type, last.By, last.Minutes, last.Time = alert.Recovery, "", 0, "+45m"
		if err := enc.Encode(last); err != nil {
			return "", false, fmt.Errorf("write an example: %w", err)
		}
	}
	return out.String(), clean, nil
}

// mostTyped is how many bytes of events stand in a command; more are in a file.
const mostTyped = 4 << 10

// trialCommand is what tries the same by command.
func trialCommand(in url.Values) string {
	args := []string{"tocsin simulate"}
	history := in.Get("mode") == "history"
	events := strings.TrimSpace(strings.ReplaceAll(in.Get("events"), "\r\n", "\n"))
	typed := len(events) <= mostTyped && !strings.Contains("\n"+events+"\n", "\nEOF\n")
	switch {
	case history:
	case typed:
		args = append(args, "-")
	default:
		args = append(args, "events.jsonl")
	}
	add := func(flag, value string) {
		if value = strings.TrimSpace(value); value != "" {
			args = append(args, flag+" "+quoted(value))
		}
	}
	if history {
		add("--from", in.Get("from"))
		add("--to", in.Get("to"))
	} else if in.Get("clean") != "" {
		args = append(args, "--clean")
	}
	add("--at", in.Get("at"))
	add("--zone", in.Get("zone"))
	add("--source", in.Get("source"))
	if s := text(in, "after"); s != "" && s != "24" {
		add("--after", s+"h")
	}
	line := strings.Join(args, " ")
	if !history && typed {
		line += " <<'EOF'\n" + events + "\nEOF"
	}
	return line
}

// quoted is a word for a shell.
func quoted(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:+") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

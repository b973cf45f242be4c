package hook_test

import (
	"flag"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/hook"
)

var update = flag.Bool("update", false, "write testdata anew")

var at = time.Date(2026, 3, 1, 3, 12, 5, 0, time.UTC)

func around() hook.Around {
	return hook.Around{BaseURL: "https://tocsin.example.org/", Source: "Nagios Berlin"}
}

func object() alert.Object {
	return alert.Object{
		ID: "o1", SourceID: "s1", Host: "web01", Service: "HTTP", HostDisplay: "Web 1", State: alert.Critical, Labels: map[string]string{"team": "shop"},
	}
}

func problem() channel.Message {
	o := object()
	return channel.Message{
		DeliveryID: "01890000-0000-7000-8000-000000000001", Attempt: 1, Notice: alert.NoticeProblem, Object: o,
		Event: alert.Event{
			ID: "e1", SourceID: "s1", AlertID: "a1", Object: o, Type: alert.Problem, State: alert.Critical, Output: "connection refused",
			Long: "port 443\nport 80", Time: at,
		},
		Alert: &alert.Alert{
			ID: "a1", Object: o, Status: alert.Firing, State: alert.Critical, Worst: alert.Critical, Output: "connection refused", Long: "port 443\nport 80",
			Since: at, Updated: at,
		},
		ContactID: "c1", Contact: "Jane", Destination: "h1", URL: "/console/alerts/a1", EngineURL: "https://nagios.example.org/web01",
		ExpiresAt: at.Add(time.Hour),
	}
}

func recovery() channel.Message {
	m := problem()
	m.Notice, m.Event.Type, m.Event.State, m.Event.Output = alert.NoticeRecovery, alert.Recovery, alert.OK, "200 OK"
	a := *m.Alert
	a.Status, a.State, a.Output, a.Resolved = alert.Resolved, alert.OK, "200 OK", at.Add(time.Hour+5*time.Minute)
	m.Alert, m.Object.State = &a, alert.OK
	return m
}

func acknowledged() channel.Message {
	m := problem()
	m.Notice, m.Event.Type, m.Event.Author, m.Event.Comment = alert.NoticeAck, alert.Acknowledgement, "Jane Doe", "on it"
	a := *m.Alert
	a.Status = alert.Acknowledged
	a.Ack = &alert.Ack{
		EventID: "e2", Author: "Jane Doe", UserID: "u1", Comment: "on it", At: at.Add(time.Minute), Until: at.Add(time.Hour), Origin: alert.FromConsole,
		Sticky: true, Confirmation: alert.Confirmed,
	}
	m.Alert = &a
	return m
}

func escalated() channel.Message {
	m := problem()
	m.Duty = "not acknowledged for 15 minutes: step 2 of “Night”"
	return m
}

func reminder() channel.Message {
	m := problem()
	m.Reminder = true
	return m
}

func downtime() channel.Message {
	m := problem()
	m.Notice, m.Alert, m.ContactID, m.Contact, m.URL = alert.NoticeDowntime, nil, "", "", "/console/objects/o1"
	m.Event.Type, m.Event.State, m.Event.Author, m.Event.Comment = alert.DowntimeStart, alert.OK, "jane", "new disks"
	return m
}

func storm() channel.Message {
	m := problem()
	m.Notice, m.Alert, m.EngineURL = alert.NoticeDigest, nil, ""
	line := func(id, host string, s alert.State, st alert.Status, out string) channel.Line {
		return channel.Line{
			AlertID: id, Object: alert.Object{ID: "o" + id, SourceID: "s1", Host: host, Service: "HTTP", State: s}, State: s, Status: st, Output: out, Since: at,
			URL: "/console/alerts/" + id,
		}
	}
	m.Digest = &channel.Digest{
		Storm: "st1", Title: "Storm: source Nagios Berlin", About: "source Nagios Berlin", Began: at, Total: 12, Open: 9, Acked: 2, Recovered: 1, New: 7,
		Worst: []channel.Line{
			line("a1", "web01", alert.Critical, alert.Firing, "connection refused"),
			line("a2", "web02", alert.Critical, alert.Acknowledged, "connection refused"),
			line("a3", "web03", alert.Warning, alert.Firing, "slow"),
		},
		URL: "/console/alerts?storm=st1",
	}
	return m
}

func over() channel.Message {
	m := storm()
	m.Quiet = true
	d := *m.Digest
	d.Over, d.Open, d.Acked, d.Recovered, d.New, d.Worst = true, 0, 0, 12, 0, nil
	m.Digest = &d
	return m
}

// messages are all that is posted, by what they are called in testdata.
func messages() map[string]channel.Message {
	return map[string]channel.Message{
		"problem": problem(), "recovery": recovery(), "acknowledgement": acknowledged(), "escalation": escalated(), "reminder": reminder(),
		"downtime": downtime(), "digest": storm(), "storm_over": over(),
	}
}

// a Hook of each form that can be stored.
func hookOf(f hook.Form) hook.Hook {
	h := hook.Hook{ID: "h1", Name: "Ops", Form: f, URL: "https://hooks.example.org/in"}
	switch f {
	case hook.Ntfy:
		h.Topic, h.URL = "ops", "https://ntfy.example.org"
	case hook.Fields:
		h.Token = "R0UT1NGKEY"
		h.Template = map[string]any{ // as PagerDuty's Events API v2 takes it
			"routing_key": "{{token}}", "event_action": "{{action}}", "dedup_key": "{{key}}",
			"payload": map[string]any{
				"summary": "{{title}}", "source": "{{host}}", "severity": "{{severity}}", "timestamp": "{{time}}",
				"custom_details": map[string]any{"team": "{{label.team}}", "labels": "{{labels}}", "open": "{{open}}", "of": "{{open}} of {{total}}", "reminder": "{{reminder}}"},
			},
			"links": []any{map[string]any{"href": "{{url}}", "text": "Tocsin"}}, "n": 1.5, "none": nil, "yes": true,
		}
	}
	return h
}

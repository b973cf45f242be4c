package alert_test

import (
	"testing"

	"tocsin/internal/alert"
)

func TestParseState(t *testing.T) {
	tests := []struct {
		kind alert.Kind
		text string
		want alert.State
		ok   bool
	}{
		{alert.Service, "0", alert.OK, true},
		{alert.Service, "2", alert.Critical, true},
		{alert.Service, "3", alert.Unknown, true},
		{alert.Service, "4", "", false},
		{alert.Service, " CRITICAL ", alert.Critical, true},
		{alert.Service, "Warning", alert.Warning, true},
		{alert.Service, "down", "", false},
		{alert.Host, "0", alert.Up, true},
		{alert.Host, "1", alert.Down, true},
		{alert.Host, "2", alert.Unreachable, true},
		{alert.Host, "3", "", false},
		{alert.Host, "Unreachable", alert.Unreachable, true},
		{alert.Host, "critical", "", false},
		{alert.Host, "", "", false},
		{alert.Host, "-1", "", false},
		{alert.Host, "01", "", false},
		{alert.Host, "٢", "", false},
	}
	for _, tt := range tests {
		got, ok := alert.ParseState(tt.kind, tt.text)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("ParseState(%s, %q) = %q, %v; want %q, %v", tt.kind, tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

func TestEveryStateHasItsWordColourAndSeverity(t *testing.T) {
	tests := []struct {
		state    alert.State
		word     string
		colour   string
		severity int
	}{
		{alert.Up, "Up", "#5cb85c", 0}, {alert.OK, "OK", "#5cb85c", 0},
		{alert.Warning, "Warning", "#f0ad4e", 1},
		{alert.Unknown, "Unknown", "#adadad", 2}, {alert.Unreachable, "Unreachable", "#adadad", 2},
		{alert.Critical, "Critical", "#d9534f", 3}, {alert.Down, "Down", "#d9534f", 4},
		{"", "not known", "#1895f5", 0},
	}
	for _, tt := range tests {
		if tt.state.Word() != tt.word || tt.state.Colour() != tt.colour || tt.state.Severity() != tt.severity ||
			tt.state.Problem() != (tt.severity > 0) {
			t.Errorf("%q: %s %s %d %v", tt.state, tt.state.Word(), tt.state.Colour(), tt.state.Severity(), tt.state.Problem())
		}
	}
}

func TestParseType(t *testing.T) {
	tests := []struct {
		text string
		want alert.Type
		ok   bool
	}{
		{"PROBLEM", alert.Problem, true}, {" recovery ", alert.Recovery, true},
		{"FLAPPINGEND", alert.FlappingStop, true}, {"DOWNTIMEREMOVED", alert.DowntimeCancelled, true},
		{"", "", false}, {"PARTY", "", false}, {"any", "", false}, {"SNOOZE", alert.Snooze, false}, {"UNSNOOZED", alert.Unsnoozed, false},
		{"comment", alert.Comment, false}, {"ENGINEREPLY", alert.EngineReply, false},
	}
	for _, tt := range tests {
		if got, ok := alert.ParseType(tt.text); ok != tt.ok || ok && got != tt.want {
			t.Errorf("ParseType(%q) = %q, %v", tt.text, got, ok)
		}
	}
	for _, typ := range alert.Types() {
		if got, ok := alert.ParseType(string(typ)); ok == typ.Ours() || got != typ || typ.Word() == "" {
			t.Errorf("%s is not read back, or has no word", typ)
		}
	}
}

func TestEverythingInTheTableHasAWordForPeople(t *testing.T) {
	for _, row := range alert.Table() {
		for _, w := range []struct{ word, raw string }{
			{row.From.Word(), string(row.From)}, {row.To.Word(), string(row.To)},
			{row.Outcome.Word(), string(row.Outcome)}, {row.Notice.Word(), string(row.Notice)},
		} {
			if w.word == "" || w.word == w.raw {
				t.Errorf("%q is shown as %q", w.raw, w.word)
			}
		}
	}
}

func TestWhatTheEngineMadeOfItHasAWordForPeople(t *testing.T) {
	for _, c := range confirmations {
		if c.Word() == "" || c.Word() == string(c) {
			t.Errorf("%q is shown as %q", c, c.Word())
		}
	}
}

package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/alert"
)

// TrueFingerprint is the label that an object bears whose alert's labels could
// not be kept as they came (too many, too long, not printable): what the engine
// calls the alert. It stands beside no alert whose labels were kept, and no
// engine sends such a label, for names with two underscores are reserved.
const TrueFingerprint = "__fingerprint__"

// fresh is for how long the start of an alert is taken for the time of the event
// that tells of it, see DecodeWebhook.
const fresh = 2 * time.Minute

// webhook is the body of a webhook of Alertmanager, version 4, and of Grafana,
// version 1. Fields that are not known are passed over: both grow new ones.
type webhook struct {
	Status          string         `json:"status"`
	Alerts          []webhookAlert `json:"alerts"`
	TruncatedAlerts int            `json:"truncatedAlerts"`
	Reason          string         `json:"notification_reason"` // of newer Alertmanagers
}

// grouped says of an event what its group was told for, so that what is only told
// along with others is told to nobody again. Where the sender gives no reason, or
// one that is not known here, whoever takes the events sees whether one of them
// changed something.
func (w *webhook) grouped(e *alert.Event) {
	switch w.Reason {
	case "repeat interval elapsed": // nothing changed
	case "first notification", "new alerts added", "some alerts resolved", "all alerts resolved":
		e.Grouped, e.Restated = true, true
	default:
		e.Grouped = true
	}
}

type webhookAlert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     string            `json:"startsAt"`
	EndsAt       string            `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`

	// Grafana's own.
	DashboardURL string `json:"dashboardURL"`
	PanelURL     string `json:"panelURL"`
	ValueString  string `json:"valueString"`
}

// DecodeWebhook reads the body that Alertmanager's webhook (version 4) and
// Grafana's contact point send: a group of alerts, some firing, some resolved.
// Each becomes one event of a service; an alert that the group does not name is
// not taken for recovered. An alert is refused for nothing that its texts hold,
// because the whole group would be lost with it: they are cleaned and marked.
//
// Object. The host is the alert's label instance, or what else names a machine;
// fallback where nothing does. The service is the alert's name with all labels
// that are left, so that two alerts are two objects exactly if the engine tells
// them apart by their labels. Grafana (fallback "grafana") also tells them apart by
// the rule's id, which it takes out of the labels: that is found in the address of
// the rule's page.
//
// State. The label severity says it: critical unless it is a word for less. A
// data source of Grafana's that did not answer is unknown.
//
// Time. A group is sent again whenever something in it changes, always with the
// start of each alert, which may be long ago; and an alert whose data came back
// after an interruption fires again with its old start, after it had resolved.
// An event so dated would be older than the recovery and be taken for stale. So
// an event is of the time of its arrival; only within two minutes of its start,
// when it is surely the first, is it of the time when the alert began. The start
// stands in the long text otherwise. For the same reason the call's id of a
// firing alert holds the minute: a request that is sent again is one call, an
// alert that fires again is not.
//
// Repetition. What is only told again because another alert of its group changed
// is no repetition of its own: the events say that they came as a group, and what
// the group was sent for where the sender says it.
func DecodeWebhook(body []byte, now time.Time, maxEvents int, fallback string) ([]alert.Event, error) {
	var w webhook
	if err := unmarshal(body, &w); err != nil {
		return nil, err
	}
	if w.Alerts == nil {
		return nil, &FieldError{Field: "alerts", Problem: "is missing", Mend: "send what a webhook receiver of Alertmanager or Grafana sends, without a template of your own"}
	}
	if len(w.Alerts) == 0 {
		return nil, &FieldError{Field: "alerts", Problem: "is empty", Mend: "send at least one alert"}
	}
	if len(w.Alerts) > maxEvents {
		return nil, &FieldError{Field: "alerts", Problem: fmt.Sprintf("holds %d alerts", len(w.Alerts)),
			Mend: fmt.Sprintf("group by more labels (group_by), so that no group has more than %d", maxEvents)}
	}
	now = now.UTC().Truncate(time.Millisecond)
	events := make([]alert.Event, len(w.Alerts))
	for i := range w.Alerts {
		a := &w.Alerts[i]
		if a.Status == "" {
			a.Status = w.Status
		}
		if a.Status != "firing" && a.Status != "resolved" {
			shown, _, _ := Line(a.Status, 40)
			return nil, &FieldError{Field: fmt.Sprintf("alerts[%d].status", i), Problem: fmt.Sprintf("is %q", shown), Mend: "send firing or resolved"}
		}
		events[i] = a.event(now, fallback)
		w.grouped(&events[i])
	}
	if w.TruncatedAlerts > 0 {
		first := &events[0]
		first.Long = join(first.Long, fmt.Sprintf("%d further alerts of this group were left out by the sender (max_alerts): nobody is told of them.", w.TruncatedAlerts))
		first.Marks = append(first.Marks, alert.MarkCut)
	}
	return events, nil
}

// unmarshal reads one JSON value and says what is wrong with it as a
// *FieldError.
func unmarshal(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	err := d.Decode(into)
	if err == nil {
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return &FieldError{Field: "body", Problem: "has something after its end", Mend: "send one JSON value in a request"}
		}
		return nil
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		field := wrong.Field
		if field == "" {
			field = "body"
		}
		return &FieldError{Field: field, Problem: "is of the wrong type: " + wrong.Value, Mend: "send what Alertmanager or Grafana sends, without a template of your own"}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &FieldError{Field: "body", Problem: "ends too early, the JSON is cut off", Mend: "send the whole body"}
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return &FieldError{Field: "body", Problem: "is not JSON at byte " + strconv.FormatInt(syntax.Offset, 10), Mend: "send valid JSON"}
	}
	return &FieldError{Field: "body", Problem: "is not JSON", Mend: "send valid JSON"}
}

// keeper cleans texts and remembers whether there was need to.
type keeper struct{ cleaned, cut bool }

func (k *keeper) line(s string, limit int) string {
	s, cleaned, cut := Line(s, limit)
	trimmed := strings.TrimSpace(s)
	k.cleaned, k.cut = k.cleaned || cleaned || trimmed != s, k.cut || cut
	return trimmed
}

func (k *keeper) text(s string, limit int) string {
	s, cleaned, cut := Text(s, limit)
	k.cleaned, k.cut = k.cleaned || cleaned, k.cut || cut
	return s
}

// event is the alert as one of ours.
func (a *webhookAlert) event(now time.Time, fallback string) alert.Event {
	var k keeper
	e := alert.Event{Type: alert.Problem, State: a.state(), Time: now, Origin: alert.FromEngine}
	fingerprint := a.fingerprint()
	starts := moment(a.StartsAt)
	e.CallID = fingerprint + "/" + strconv.FormatInt(starts.UnixMilli(), 10)
	if a.Status == "resolved" {
		e.Type, e.State = alert.Recovery, alert.OK
		e.CallID += "/resolved/" + strconv.FormatInt(moment(a.EndsAt).UnixMilli(), 10)
	} else {
		e.CallID += "/firing/" + strconv.FormatInt(now.Unix()/60, 10)
	}
	e.Object = a.object(&k, fingerprint, fallback)
	e.Object.State = e.State
	e.Output, e.Long = a.texts(&k)
	if e.Type == alert.Problem && starts.Unix() > 0 {
		e.Began = starts
		switch age := now.Sub(starts); {
		case age >= 0 && age <= fresh:
			e.Time = starts.Truncate(time.Millisecond)
		case age > fresh:
			e.Long = join(e.Long, "Firing since "+starts.UTC().Format(time.RFC3339)+".")
		}
	}
	if k.cleaned {
		e.Marks = append(e.Marks, alert.MarkText)
	}
	if k.cut {
		e.Marks = append(e.Marks, alert.MarkCut)
	}
	return e
}

// moment reads a time; what is none is the zero of Unix.
func moment(s string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || at.Year() < 1970 || at.Year() > 9999 {
		return time.Unix(0, 0).UTC()
	}
	return at.UTC()
}

// fingerprint is what the engine calls the alert, or would: hexadecimal digits.
func (a *webhookAlert) fingerprint() string {
	if len(a.Fingerprint) == 0 || len(a.Fingerprint) > 40 || strings.Trim(a.Fingerprint, "0123456789abcdef") != "" {
		return Fingerprint(a.Labels)
	}
	return a.Fingerprint
}

// Fingerprint is what Alertmanager calls the alert with these labels: FNV-1a
// over names and values in the order of names, each followed by 0xFF, in 16
// hexadecimal digits.
func Fingerprint(labels map[string]string) string {
	h := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if labels[name] != "" { // an empty label is none
			_, _ = io.WriteString(h, name+"\xff"+labels[name]+"\xff") // it never fails
		}
	}
	return fmt.Sprintf("%016x", h.Sum64())
}

// state is what the label severity says. An alert without it is critical: it
// fires, and nobody said that it matters less.
func (a *webhookAlert) state() alert.State {
	switch a.Labels["alertname"] {
	case "DatasourceNoData", "DatasourceError": // Grafana's, for a rule that could not be judged
		return alert.Unknown
	}
	for _, label := range []string{"severity", "priority", "level"} {
		switch strings.ToLower(strings.TrimSpace(a.Labels[label])) {
		case "":
			continue
		case "warning", "warn", "minor", "low", "medium", "moderate", "info", "information", "informational", "notice", "none", "debug":
			return alert.Warning
		case "unknown":
			return alert.Unknown
		}
		return alert.Critical
	}
	return alert.Critical
}

// hostLabels are the labels that name a machine, in the order in which they are
// looked for.
func hostLabels() []string {
	return []string{"instance", "host", "hostname", "nodename", "node", "server", "target", "vm", "pod"}
}

// tellLabels are the labels that tell people what an alert is about, the most
// telling first.
func tellLabels() []string {
	return []string{"namespace", "pod", "container", "deployment", "mountpoint", "device", "interface", "volume",
		"queue", "topic", "database", "datname", "name", "service", "path", "url"}
}

func (a *webhookAlert) object(k *keeper, fingerprint, fallback string) alert.Object {
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(a.Labels)), func(name string) bool { return a.Labels[name] == "" }) // an empty label is none
	o := alert.Object{URL: a.url()}
	var labels, identity keeper
	o.Labels = a.keep(&labels, names)
	var from string // the label that names the host
	for _, name := range hostLabels() {
		if host := identity.line(a.Labels[name], MaxName); host != "" {
			from, o.Host = name, host
			break
		}
	}
	if o.Host == "" {
		o.Host = fallback
	}
	if host, port, found := strings.Cut(o.Host, ":"); found && host != "" && port != "" && strings.Trim(port, "0123456789") == "" {
		o.HostDisplay = host
	}
	o.Service = a.service(&identity, names, o.Host == fallback, fallback == "grafana")
	if identity.cleaned || identity.cut || long(o.Service, MaxName) {
		mark := " #" + fingerprint
		o.Service, _, _ = Line(o.Service, MaxName-len(mark))
		o.Service += mark
	}
	if labels.cleaned || labels.cut {
		o.Labels[TrueFingerprint] = fingerprint
	}
	if o.ServiceDisplay = a.display(&keeper{}, from); o.ServiceDisplay == o.Service {
		o.ServiceDisplay = ""
	}
	k.cleaned, k.cut = k.cleaned || labels.cleaned, k.cut || labels.cut
	return o
}

// keep answers the labels as they may be stored.
func (a *webhookAlert) keep(k *keeper, names []string) map[string]string {
	kept := make(map[string]string, len(names))
	for _, name := range names {
		clean := k.line(name, MaxLabel)
		if clean == "" || len(kept) == MaxLabels-1 { // one is left for TrueFingerprint
			k.cut = true
			continue
		}
		value := k.text(a.Labels[name], len(a.Labels[name])*3) // a replacement is three bytes
		if long(value, MaxValue) {
			value = string([]rune(value)[:MaxValue])
			k.cut = true
		}
		kept[clean] = value
	}
	return kept
}

// service is the alert's name with all its labels but the instance, which is
// the host; the instance too where it could be taken for no instance at all, and
// the alert's own name where it bears its rule's. Grafana keeps one label to
// itself that alerts differ in.
func (a *webhookAlert) service(k *keeper, names []string, withInstance, withRule bool) string {
	var b strings.Builder
	b.WriteString(a.name(k))
	open := "{"
	if rule := a.rule(); withRule && rule != "" && a.Labels[ruleLabel] == "" {
		b.WriteString(open + ruleLabel + "=" + strconv.Quote(rule))
		open = ","
	}
	for _, name := range names {
		if name == "alertname" && !a.unjudged() || name == "instance" && !withInstance {
			continue
		}
		b.WriteString(open + k.line(name, MaxLabel) + "=" + strconv.Quote(k.line(a.Labels[name], MaxValue)))
		open = ","
	}
	if open == "," {
		b.WriteByte('}')
	}
	return b.String()
}

// ruleLabel is the label in which Grafana keeps the id of an alert's rule. It is
// not sent.
const ruleLabel = "__alert_rule_uid__"

// rule is the id of the alert's rule in Grafana, from the address of its page:
// …/alerting/grafana/ID/view. Empty where it is not there.
func (a *webhookAlert) rule() string {
	_, rest, _ := strings.Cut(a.GeneratorURL, "/alerting/grafana/")
	id, _, found := strings.Cut(rest, "/view")
	if !found || len(id) > 40 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return ""
	}
	return id
}

// unjudged says whether the alert stands for a rule that Grafana could not judge,
// and bears that one's name among its labels.
func (a *webhookAlert) unjudged() bool {
	return a.Labels["rulename"] != "" && strings.HasPrefix(a.Labels["alertname"], "Datasource")
}

func (a *webhookAlert) name(k *keeper) string {
	name := a.Labels["alertname"]
	if a.unjudged() {
		name = a.Labels["rulename"]
	}
	if name = k.line(name, MaxName); name == "" {
		return "alert"
	}
	return name
}

// display is the alert's name for people: "DiskFull (/var)".
func (a *webhookAlert) display(k *keeper, host string) string {
	var about []string
	for _, name := range tellLabels() {
		value := k.line(a.Labels[name], 100)
		if name != host && value != "" && len(about) < 3 && !slices.Contains(about, value) {
			about = append(about, value)
		}
	}
	name := a.name(k)
	if len(about) > 0 {
		name += " (" + strings.Join(about, ", ") + ")"
	}
	name, _, _ = Line(name, MaxName)
	return name
}

func (a *webhookAlert) url() string {
	for _, u := range []string{a.PanelURL, a.DashboardURL, a.GeneratorURL} {
		if u != "" && len(u) <= MaxURL && isAddress(u) {
			return u
		}
	}
	return ""
}

// texts are the summary, and what else the annotations say.
func (a *webhookAlert) texts(k *keeper) (output, long string) {
	rest := maps.Clone(a.Annotations)
	for _, name := range []string{"summary", "message", "title", "description"} {
		if output = strings.TrimSpace(rest[name]); output != "" {
			delete(rest, name)
			break
		}
	}
	if first, more, found := strings.Cut(output, "\n"); found {
		output, long = first, more
	}
	failed := strings.TrimSpace(rest["Error"]) // Grafana's, of a query
	switch name := a.Labels["alertname"]; {
	case a.Status != "firing":
	case name == "DatasourceNoData":
		output = strings.TrimSuffix("No data: "+output, ": ") // the summary tells of a problem that nobody has seen
	case name == "DatasourceError" && failed != "":
		long = join(output, long)
		output = "The query failed: " + strings.ReplaceAll(failed, "\n", " ")
		delete(rest, "Error")
	case name == "DatasourceError":
		output = strings.TrimSuffix("The query failed: "+output, ": ")
	}
	if output == "" {
		output = a.name(&keeper{}) + " is " + a.Status
	}
	long = join(long, strings.TrimSpace(rest["description"]))
	delete(rest, "description")
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		if value := strings.TrimSpace(rest[name]); value != "" && !strings.HasPrefix(name, "__") {
			long = join(long, name+": "+value)
		}
	}
	if a.ValueString != "" {
		long = join(long, "Values: "+a.ValueString)
	}
	return k.text(output, MaxOutput), k.text(long, MaxLong-1000) // what is added to it is short
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "\n" + b
}

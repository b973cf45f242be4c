package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// OpenTelemetry's own names, which other programs on the machine may share.
const (
	otelEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	otelTraces   = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	otelHeaders  = "OTEL_EXPORTER_OTLP_HEADERS"
	otelService  = "OTEL_SERVICE_NAME"
	otelRatio    = "OTEL_TRACES_SAMPLER_ARG"
)

// Observe is how the program is seen from outside.
type Observe struct {
	LogJSON bool // one JSON object a line; else text
	// PingURL is told that all is well unless the settings name another one. A secret:
	// who has it can speak for us. PingPrivate are the networks in which such an address
	// may stand besides the public one.
	PingURL     string
	PingPrivate []netip.Prefix
	// TraceURL takes spans, OTLP as JSON by HTTP; empty: nothing is traced. TraceHeaders
	// go with them, a secret; TraceService is how we are called there; TraceRatio is how
	// many of all traces are kept, 0 to 1.
	TraceURL     string
	TraceHeaders [][2]string
	TraceService string
	TraceRatio   float64
}

func observe(f found) (o Observe, err error) {
	switch format := f.get("TOCSIN_LOG_FORMAT"); format.text {
	case "text":
	case "json":
		o.LogJSON = true
	default:
		return o, &Error{format.where, "TOCSIN_LOG_FORMAT", fmt.Sprintf("%q is no format", format.text), "take text or json"}
	}
	ping := f.get("TOCSIN_PING_URL")
	if err := CheckPingURL(ping.text); err != nil {
		return o, &Error{ping.where, "TOCSIN_PING_URL", err.Problem, err.Mend}
	}
	o.PingURL = ping.text
	if o.PingPrivate, err = networks("TOCSIN_PING_PRIVATE", f.get("TOCSIN_PING_PRIVATE")); err != nil {
		return o, err
	}
	return o, o.traces(f)
}

// PingStatus stands in a ping's address for up or down.
const PingStatus = "{status}"

// CheckPingURL refuses what is no address to ping; the empty one is fine. What it says
// names nothing of the address.
func CheckPingURL(text string) *FieldError {
	if text == "" {
		return nil
	}
	u, err := url.Parse(strings.ReplaceAll(text, PingStatus, "up"))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Fragment != "" || len(text) > 2000 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return &FieldError{"ping_url", "is no address to ping", "write it as the service shows it, https://… without user and password"}
	}
	return nil
}

func (o *Observe) traces(f found) error {
	base, whole := f.get(otelEndpoint), f.get(otelTraces)
	from, key := whole, otelTraces
	if whole.text == "" && base.text != "" {
		from, key = base, otelEndpoint
		from.text = strings.TrimRight(base.text, "/") + "/v1/traces"
	}
	if from.text != "" {
		u, err := url.Parse(from.text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			return &Error{from.where, key, "is no address of a collector", "write for example http://localhost:4318; the HTTP port, not gRPC's"}
		}
	}
	o.TraceURL, o.TraceService = from.text, f.get(otelService).text
	headers := f.get(otelHeaders)
	for pair := range strings.SplitSeq(headers.text, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, text, ok := strings.Cut(pair, "=")
		text, err := url.PathUnescape(strings.TrimSpace(text))
		if name = strings.TrimSpace(name); !ok || name == "" || err != nil || strings.ContainsAny(name+text, "\r\n") {
			return &Error{headers.where, otelHeaders, "cannot be read", "write name=value, several with commas"} // it is a secret
		}
		o.TraceHeaders = append(o.TraceHeaders, [2]string{name, text})
	}
	ratio := f.get(otelRatio)
	var err error
	if o.TraceRatio, err = strconv.ParseFloat(ratio.text, 64); err != nil || o.TraceRatio < 0 || o.TraceRatio > 1 {
		return &Error{ratio.where, otelRatio, fmt.Sprintf("%q is no share", ratio.text), "write a number from 0 to 1; 0.1 keeps every tenth trace"}
	}
	return nil
}

package config_test

import (
	"strings"
	"testing"

	"tocsin/internal/config"
)

func TestHowItIsSeen(t *testing.T) {
	c, err := config.Load(config.Sources{Environ: []string{
		"TOCSIN_LOG_FORMAT=json", "TOCSIN_PING_URL=https://hc.example/secret-word", "TOCSIN_PING_PRIVATE=10.0.0.0/8",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318/", "OTEL_EXPORTER_OTLP_HEADERS=authorization=Basic%20abc, x-tenant = one", "OTEL_TRACES_SAMPLER_ARG=0.25",
		"OTEL_METRICS_EXPORTER=none",
	}})
	if err != nil {
		t.Fatal(err)
	}
	o := c.Observe
	if !o.LogJSON || o.PingURL == "" || len(o.PingPrivate) != 1 || o.TraceURL != "http://collector:4318/v1/traces" || o.TraceService != "tocsin" || o.TraceRatio != 0.25 {
		t.Errorf("%+v", o)
	}
	if len(o.TraceHeaders) != 2 || o.TraceHeaders[0] != [2]string{"authorization", "Basic abc"} || o.TraceHeaders[1] != [2]string{"x-tenant", "one"} {
		t.Errorf("headers %q", o.TraceHeaders)
	}
	for _, wrong := range []string{
		"TOCSIN_LOG_FORMAT=yaml", "TOCSIN_PING_URL=ftp://secret-word", "TOCSIN_PING_URL=https://u:secret-word@hc.example/", "TOCSIN_PING_PRIVATE=here",
		"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317", "OTEL_EXPORTER_OTLP_HEADERS=secret-word", "OTEL_TRACES_SAMPLER_ARG=2",
	} {
		_, err := config.Load(config.Sources{Environ: []string{wrong}})
		key, _, _ := strings.Cut(wrong, "=")
		if err == nil || !strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

package trace_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"tocsin/internal/trace"
)

// decode reads a body as OpenTelemetry's own types do, which refuse a name that there
// is not. JSON has ids in hex, and protobuf's JSON in base64: they are rewritten.
func decode(t *testing.T, body []byte) *collector.ExportTraceServiceRequest {
	t.Helper()
	var tree any
	if err := json.Unmarshal(body, &tree); err != nil {
		t.Fatal(err)
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			for k, x := range v {
				if s, ok := x.(string); ok && (k == "traceId" || k == "spanId" || k == "parentSpanId") {
					b, err := hex.DecodeString(s)
					if err != nil {
						t.Errorf("%s is %q", k, s)
					}
					v[k] = base64.StdEncoding.EncodeToString(b)
					continue
				}
				walk(x)
			}
		}
	}
	walk(tree)
	again, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	out := &collector.ExportTraceServiceRequest{}
	if err := protojson.Unmarshal(again, out); err != nil {
		t.Fatalf("no collector would take it: %v\n%s", err, body)
	}
	return out
}

func TestSpansReachACollector(t *testing.T) {
	got := make(chan []byte, 4)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("X-Key") != "k" || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %v", r.URL, r.Header)
		}
		got <- body
	}))
	defer srv.Close()
	tr := trace.New(trace.Options{URL: srv.URL + "/v1/traces", Headers: [][2]string{{"X-Key", "k"}}, Service: "tocsin", Node: "a", Ratio: 1, Every: time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()

	parent := trace.Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	s := tr.Start(parent, "receive events", trace.Server, time.Unix(1, 0))
	c := s.Child("commit", trace.Internal, time.Unix(2, 0))
	c.Number("events", 3)
	c.Text("source", "lab")
	c.Link(parent)
	c.Fail("the disk is full")
	c.End(time.Unix(3, 0))
	body := <-got
	cancel()
	s.End(time.Unix(4, 0))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	spans := decode(t, body).GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()
	x := spans[0]
	if len(spans) != 1 || x.GetName() != "commit" || hex.EncodeToString(x.GetTraceId()) != "0af7651916cd43dd8448eb211c80319c" || x.GetStartTimeUnixNano() != 2e9 || x.GetEndTimeUnixNano() != 3e9 ||
		x.GetStatus().GetMessage() != "the disk is full" || len(x.GetLinks()) != 1 || len(x.GetAttributes()) != 2 {
		t.Errorf("%+v", spans)
	}
	p := s.Parent()
	if string(x.GetParentSpanId()) != string(p.SpanID[:]) {
		t.Error("it is not below its parent")
	}
	if st := tr.Stats(); st.Sent < 1 || st.Dropped != 0 || st.Failed != 0 {
		t.Errorf("%+v", st)
	}
}

func TestACollectorThatIsAwayHoldsUpNothing(t *testing.T) {
	tr := trace.New(trace.Options{URL: "http://127.0.0.1:1/v1/traces", Ratio: 1, Every: time.Millisecond})
	for range 5000 {
		tr.Start(trace.Parent{}, "x", trace.Internal, time.Now()).End(time.Now())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if st := tr.Stats(); st.Dropped != 5000-4096 || st.Failed == 0 {
		t.Errorf("%+v", st)
	}
}

func TestTraceparent(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if p := trace.Parse(good); p.String() != good {
		t.Errorf("%s becomes %s", good, p)
	}
	if p := trace.Parse("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00-more"); p.IsZero() || p.Sampled {
		t.Errorf("a later version: %+v", p)
	}
	for _, bad := range []string{
		"", "00", good + "-more", "ff" + good[2:], "00-00000000000000000000000000000000-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
		"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c8031-c-b7ad6b7169203331-01",
	} {
		if p := trace.Parse(bad); !p.IsZero() {
			t.Errorf("%q is taken for %+v", bad, p)
		}
	}
}

func FuzzTraceparent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Fuzz(func(t *testing.T, header string) {
		if p := trace.Parse(header); !p.IsZero() && trace.Parse(p.String()) != p {
			t.Errorf("%q is read as %+v", header, p)
		}
	})
}

func TestWhatIsNotTracedIsNothing(t *testing.T) {
	var off *trace.Tracer
	n := testing.AllocsPerRun(100, func() {
		s := off.Start(trace.Parent{}, "x", trace.Server, time.Time{})
		s.Text("a", "b")
		s.Child("y", trace.Internal, time.Time{}).End(time.Time{})
		s.End(time.Time{})
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	tr := trace.New(trace.Options{URL: "http://127.0.0.1:1/", Ratio: 0})
	if tr.Start(trace.Parent{}, "x", trace.Server, time.Now()) != nil {
		t.Error("one of none is kept")
	}
	if tr.Start(trace.Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"), "x", trace.Server, time.Now()) != nil {
		t.Error("what its sender does not keep is kept")
	}
	if tr.Start(trace.Parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), "x", trace.Server, time.Now()) == nil {
		t.Error("what its sender keeps is not kept")
	}
}

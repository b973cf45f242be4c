package wire_test

import (
	"io"
	"net/http"
	"testing"
)

func TestStandardServers(t *testing.T) {
	for _, h2 := range []bool{true, false} {
		proto := map[bool]string{true: "h2", false: "http/1.1"}[h2]
		t.Run("a message arrives over "+proto, func(t *testing.T) {
			seen := make(chan *http.Request, 1)
			body := make(chan string, 1)
			to := standard(t, h2, func(w http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				body <- string(b)
				seen <- r
				w.WriteHeader(http.StatusCreated)
			})
			a := send(t, newClient(t), to)
			if a.Status != 201 || a.Err != nil || a.Proto != proto {
				t.Fatalf("got %+v", a)
			}
			r := <-seen
			want := map[string]string{"Ttl": "60", "Urgency": "high", "Topic": "topic", "Content-Encoding": "aes128gcm",
				"Authorization": "vapid t=token, k=key", "Content-Type": "application/octet-stream", "Content-Length": "600"}
			for name, value := range want {
				if got := r.Header.Get(name); got != value {
					t.Errorf("%s is %q, want %q", name, got, value)
				}
			}
			if r.Method != "POST" || r.URL.Path != "/p/secret" || len(<-body) != 600 || "https://"+r.Host != to {
				t.Errorf("got %s %s at %s", r.Method, r.URL, r.Host)
			}
		})
	}
}

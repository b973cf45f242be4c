package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"tocsin/internal/auth"
)

func TestOverridesMadeAtTheSameMomentAreAllKept(t *testing.T) {
	h := startHub(t)
	key := h.key(auth.WriteConfig, auth.ReadConfig)
	ann, ben := h.makes(key, "/contacts", `{"name":"ann"}`), h.makes(key, "/contacts", `{"name":"ben"}`)
	id := h.makes(key, "/schedules", weekly("Servers", ann, ben))
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			body := fmt.Sprintf(`{"contact_id":%q,"from":"2999-01-%02dT00:00:00Z","to":"2999-01-%02dT12:00:00Z"}`, ben, i+1, i+1)
			if got := h.call("POST", "/api/v1/schedules/"+id+"/overrides", key, body); got.status != http.StatusCreated {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	for range 5 { // and somebody changes the rotation meanwhile
		all.Go(func() {
			if got := h.call("PUT", "/api/v1/schedules/"+id, key, weekly("Servers", ben, ann)); got.status != http.StatusOK {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	all.Wait()
	if got := h.call("GET", "/api/v1/schedules/"+id, key, ""); got.field(t, "overrides.9.to") == "" {
		t.Errorf("some are lost: %s", got.body)
	}
}

// JSON has no year after 9999: an answer that would need one was cut off.
func TestTimesFarAwayAreRefused(t *testing.T) {
	h := startHub(t)
	key := h.key(auth.WriteConfig, auth.ReadConfig)
	ann := h.makes(key, "/contacts", `{"name":"ann"}`)
	id := h.makes(key, "/schedules", weekly("Servers", ann, ann))
	for _, at := range []string{"9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:01Z", "0000-01-01T00:00:00Z"} {
		h.call("GET", "/api/v1/on-call?at="+at, key, "").want(t, at, http.StatusUnprocessableEntity, "query.at")
		h.call("GET", "/api/v1/schedules/"+id+"/shifts?from="+at, key, "").want(t, at, http.StatusUnprocessableEntity, "query.from")
	}
	h.call("GET", "/api/v1/on-call?at=9000-12-31T23:59:59Z", key, "").want(t, "long from now", http.StatusOK, "")
	for _, to := range []string{"9999-12-31T23:00:00Z", "9999-12-31T23:00:00-12:00"} {
		h.call("POST", "/api/v1/schedules/"+id+"/overrides", key, `{"contact_id":"`+ann+`","from":"9999-12-30T00:00:00Z","to":"`+to+`"}`).want(t, to, http.StatusUnprocessableEntity, "body.to")
	}
}

func TestLettersWithoutLinks(t *testing.T) {
	h := startHub(t)
	key := h.key(auth.Administer)
	h.call("PUT", "/api/v1/settings", key, `{"ack_link_hours":0}`).want(t, "no links", http.StatusOK, "")
	h.call("PUT", "/api/v1/settings", key, `{"ack_link_hours":169}`).want(t, "too long", http.StatusUnprocessableEntity, "body.ack_link_hours")
}

// Mail servers write in all languages, and some a lot: a letter that came back is
// noted all the same, else it would be tried again for days.
func TestALetterCameBackWithManyWords(t *testing.T) {
	h := startHub(t)
	body := fmt.Sprintf(`{"message_id":"0199e1f0-7a3b-7c00-8000-000000000001@127.0.0.1","recipients":[{"action":"failed","words":%q,"by":%q}]}`, strings.Repeat("宛", 300), strings.Repeat("先", 300))
	h.call("POST", "/api/v1/email/bounces", h.key(auth.Bounces), strings.Replace(body, "@127.0.0.1", "@[127.0.0.1]", 1)).want(t, "a long one", http.StatusOK, "")
}

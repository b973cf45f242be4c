package push_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/push"
)

// browser is what PushSubscription.toJSON() gives.
func browser(t *testing.T, endpoint string) string {
	t.Helper()
	k, err := push.GenerateKey(noon)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"endpoint":%q,"expirationTime":null,"keys":{"p256dh":%q,"auth":%q}}`, endpoint, k.Public, base64.RawURLEncoding.EncodeToString([]byte(endpoint[len(endpoint)-16:])))
}

func quoted(t *testing.T, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestForeignSubscriptionsAreReadInEachForm(t *testing.T) {
	first, second := browser(t, "https://fcm.googleapis.com/fcm/send/first-first-first"), browser(t, "https://updates.push.services.mozilla.com/wpush/v2/second-second-second")
	inCSV := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	forms := map[string]string{
		"a list of rows as sqlite3 -json writes them": `[{"id":"s1","pushSubscription":` + quoted(t, first) + `,"subscribedComponents":"[\"c1\",\"c2\"]","preferredLanguage":"de"},
			{"id":"s2","pushSubscription":` + quoted(t, second) + `,"subscribedComponents":null,"preferredLanguage":null}]`,
		"rows with objects, one a line": `{"push_subscription":` + first + `,"subscribed_components":["c1","c2"],"preferred_language":"de"}` + "\n\n" + `{"push_subscription":` + second + "}\n",
		"CSV with the text of browsers": "\ufeffpushsubscription,subscribedcomponents,preferredlanguage\r\n" + inCSV(first) + `,"c1, c2",de` + "\r\n" + inCSV(second) + ",,\r\n",
	}
	for name, file := range forms {
		t.Run(name, func(t *testing.T) {
			got, err := push.ReadForeign([]byte(file))
			if err != nil || len(got) != 2 {
				t.Fatalf("%d, %v", len(got), err)
			}
			for i, f := range got {
				if f.Err != nil || len(f.Subscription.P256dh) != 65 || len(f.Subscription.Auth) != 16 {
					t.Errorf("the number %d: %+v", i+1, f)
				}
			}
			if f := got[0]; f.Subscription.Endpoint != "https://fcm.googleapis.com/fcm/send/first-first-first" || f.Subscription.Language != "de" || !cmp.Equal(f.Components, []string{"c1", "c2"}) {
				t.Errorf("%+v", f)
			}
			if f := got[1]; f.Subscription.Language != "" || len(f.Components) != 0 {
				t.Errorf("%+v", f)
			}
			if string(got[0].Subscription.Auth) != "irst-first-first" {
				t.Errorf("auth %q", got[0].Subscription.Auth)
			}
		})
	}
	t.Run("what browsers give alone, with its end", func(t *testing.T) {
		got, err := push.ReadForeign([]byte(strings.Replace(first, `"expirationTime":null`, `"expirationTime":1772366400000.5`, 1)))
		if err != nil || len(got) != 1 || got[0].Err != nil || !got[0].Subscription.Expires.Equal(time.UnixMilli(1772366400000)) {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("columns of their own", func(t *testing.T) {
		var b struct {
			Endpoint string
			Keys     struct{ P256dh, Auth string }
		}
		if err := json.Unmarshal([]byte(first), &b); err != nil {
			t.Fatal(err)
		}
		got, err := push.ReadForeign([]byte("endpoint,p256dh,auth\n" + b.Endpoint + "," + b.Keys.P256dh + "," + b.Keys.Auth + "\n"))
		if err != nil || len(got) != 1 || got[0].Err != nil || got[0].Place != 2 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestWhatIsNoForeignSubscriptionSaysWhy(t *testing.T) {
	good := browser(t, "https://fcm.googleapis.com/fcm/send/first-first-first")
	file := strings.Join([]string{
		good, `{"endpoint":`, `[1]`, `{"pushSubscription":null,"email":"x@example.org"}`, `{"pushSubscription":"","email":"x@example.org"}`, `{"email":"x@example.org"}`,
		`{"pushSubscription":"nonsense"}`, strings.Replace(good, `"auth":"`, `"auth":"AAAA`, 1), strings.Replace(good, `"p256dh"`, `"other"`, 1),
	}, "\n")
	got, err := push.ReadForeign([]byte(file))
	if err != nil || len(got) != 9 {
		t.Fatalf("%d, %v", len(got), err)
	}
	for i, want := range []string{"", "is no object of JSON", "is no object of JSON", push.ErrNoDevice.Error(), push.ErrNoDevice.Error(), push.ErrNoDevice.Error(), "its push subscription is no object", "keys.auth: has 26 characters", "keys.p256dh: is missing"} {
		said := ""
		if got[i].Err != nil {
			said = got[i].Err.Error()
		}
		if !strings.HasPrefix(said, want) || (want == "") != (said == "") || got[i].Place != i+1 {
			t.Errorf("line %d (%d): %q, want %q", i+1, got[i].Place, said, want)
		}
	}
	if !errors.Is(got[3].Err, push.ErrNoDevice) {
		t.Error("who has no browser is not told from what is broken")
	}
	for _, none := range []string{"", " \n", "id,name\n1,2\n", "[1,", "<!doctype html>", "a\"b\n"} {
		if got, err := push.ReadForeign([]byte(none)); err == nil {
			t.Errorf("%q was taken: %+v", none, got)
		}
	}
}

func FuzzReadForeign(f *testing.F) {
	f.Add([]byte(`[{"pushSubscription":"{\"endpoint\":\"https://fcm.googleapis.com/a\",\"keys\":{\"p256dh\":\"B\",\"auth\":\"A\"}}","subscribedComponents":"[\"a\"]"}]`))
	f.Add([]byte("endpoint,p256dh,auth,components\nhttps://fcm.googleapis.com/a,B,A,\"a,b\"\n"))
	f.Add([]byte("{\"endpoint\":\"x\",\"keys\":{}}\n{\"subscription\":{\"keys\":null},\"language\":\"de\"}\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		list, err := push.ReadForeign(file)
		if err != nil {
			return
		}
		for _, one := range list {
			if one.Place < 1 || one.Err == nil && (len(one.Subscription.Auth) != 16 || len(one.Subscription.P256dh) != 65 || one.Subscription.Endpoint == "") {
				t.Errorf("%+v", one)
			}
		}
	})
}

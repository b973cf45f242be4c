package page_test

import (
	"fmt"
	"testing"
)

// Addresses that somebody makes up put nothing out of its drawer: the front goes
// on to answer what it has.
func TestAddressesThatThereAreNotPutNothingOut(t *testing.T) {
	plain, front, f, _ := fronted(t)
	const german = "GET / HTTP/1.1\r\nHost: a\r\nAccept-Language: de\r\n\r\n"
	for i := range 5100 {
		if res, _ := get(t, fmt.Sprintf("http://%s/uptime/x%d", plain, i)); res.StatusCode != 404 {
			t.Fatal(res.StatusCode)
		}
	}
	before := f.Served()
	talk(t, front, 1, german)
	if f.Served() != before+1 {
		t.Error("the page in German has to be made again")
	}
}

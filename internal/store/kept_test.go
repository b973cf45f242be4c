package store_test

import (
	"os"
	"strings"
	"testing"
)

// A table either grows by itself, and docs/operations.md says how long its rows are
// kept, or is written by hand.
func TestItIsSaidHowLongEachTableIsKept(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	ok(t, err)
	byHand := ` acme_account api_key certificate chat_person chat_room component component_watch contact contact_group contact_group_member counter hook identity
		maintenance_series maintenance_window page page_group page_image page_template passkey policy recovery_code rule schedule secret setting source time_period users watch `
	r, err := reading(archive(t, engines()[0].ready(t)))()
	ok(t, err)
	for table, err := r.Next(); err == nil; table, err = r.Next() {
		if !strings.Contains(string(text), "`"+table.Name+"`") && !strings.Contains(strings.Join(strings.Fields(" "+byHand+" "), " ")+" ", table.Name+" ") {
			t.Errorf("docs/operations.md does not say how long the rows of %s are kept; if they are written by hand, name it here", table.Name)
		}
	}
}

package contact_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	_ "time/tzdata"

	"tocsin/internal/alert"
	"tocsin/internal/contact"
)

func TestParseOptions(t *testing.T) {
	tests := []struct {
		kind alert.Kind
		text string
		want contact.Options // empty: refused
	}{
		{alert.Host, "d,u,r,f,s", "d,u,r,f,s"},
		{alert.Host, "s, r ,d", "d,r,s"},
		{alert.Host, "d,d", "d"},
		{alert.Host, "", "n"},
		{alert.Host, " n ", "n"},
		{alert.Service, "r,c,w", "w,c,r"},
		{alert.Service, "w,u,c,r,f,s", "w,u,c,r,f,s"},
		{alert.Host, "w", ""},
		{alert.Service, "d", ""},
		{alert.Service, "n,w", ""},
		{alert.Service, "w,", ""},
		{alert.Service, "wu", ""},
		{alert.Service, "W", ""},
		{alert.Service, ",", ""},
	}
	for _, tt := range tests {
		got, err := contact.ParseOptions(tt.kind, tt.text)
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("ParseOptions(%s, %q) = %q, %v; want %q", tt.kind, tt.text, got, err, tt.want)
		}
		var f *contact.FieldError
		if err != nil && (!errors.As(err, &f) || f.Field != string(tt.kind)+"_options" || f.Mend == "") {
			t.Errorf("ParseOptions(%s, %q): error %v names no field or no mend", tt.kind, tt.text, err)
		}
	}
}

func TestOptionsHave(t *testing.T) {
	o := contact.Options("d,r")
	if !o.Has('d') || !o.Has('r') || o.Has('u') || o.Has(',') || contact.NoOptions.Has('n') || contact.Options("").Has('d') {
		t.Error("Has is wrong about d,r or n")
	}
}

func TestNewContactHearsOfEverything(t *testing.T) {
	c := contact.NewContact("ops")
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	for _, l := range []byte("durfs") {
		if !c.HostOptions.Has(l) {
			t.Errorf("host option %c is off", l)
		}
	}
	for _, l := range []byte("wucrfs") {
		if !c.ServiceOptions.Has(l) {
			t.Errorf("service option %c is off", l)
		}
	}
	if !c.HostNotifications || !c.ServiceNotifications || !c.PushHost || !c.PushService || c.ShownName() != "ops" {
		t.Errorf("%+v", c)
	}
}

func TestContactValidateNamesTheField(t *testing.T) {
	tests := []struct {
		field  string
		change func(*contact.Contact)
	}{
		{"name", func(c *contact.Contact) { c.Name = "" }},
		{"name", func(c *contact.Contact) { c.Name = " ops" }},
		{"name", func(c *contact.Contact) { c.Name = strings.Repeat("ü", 101) }},
		{"name", func(c *contact.Contact) { c.Name = "o\nps" }},
		{"name", func(c *contact.Contact) { c.Name = "o\x00ps" }},
		{"name", func(c *contact.Contact) { c.Name = "\xff" }},
		{"display_name", func(c *contact.Contact) { c.DisplayName = "a\tb" }},
		{"email", func(c *contact.Contact) { c.Email = "Ops <ops@example.org>" }},
		{"email", func(c *contact.Contact) { c.Email = "ops" }},
		{"engine_user_id", func(c *contact.Contact) { c.EngineUserID = strings.Repeat("7", 101) }},
		{"host_options", func(c *contact.Contact) { c.HostOptions = "w" }},
		{"service_options", func(c *contact.Contact) { c.ServiceOptions = "d" }},
		{"hook", func(c *contact.Contact) { c.Hook = "a\nb" }},
		{"quiet_period_id", func(c *contact.Contact) { c.QuietPeriodID = strings.Repeat("x", 101) }},
		{"quiet_pass", func(c *contact.Contact) { c.QuietPass = "everything" }},
	}
	for _, tt := range tests {
		c := contact.NewContact("ops")
		tt.change(&c)
		wantField(t, c.Validate(), tt.field)
	}
	c := contact.NewContact(strings.Repeat("ü", 100))
	c.Email, c.HostOptions, c.ServiceOptions = "ops@example.org", "", "n"
	if err := c.Validate(); err != nil {
		t.Errorf("a good contact: %v", err)
	}
}

func TestGroupValidateNamesTheField(t *testing.T) {
	wantField(t, contact.Group{}.Validate(), "name")
	wantField(t, contact.Group{Name: "ops", Description: strings.Repeat("x", 501)}.Validate(), "description")
	wantField(t, contact.Group{Name: "ops", ContactIDs: []string{"a", ""}}.Validate(), "contact_ids[1]")
	wantField(t, contact.Group{Name: "ops", ContactIDs: []string{"a", "b", "a"}}.Validate(), "contact_ids[2]")
	wantField(t, contact.Group{Name: "ops", ScheduleIDs: []string{"s", "s"}}.Validate(), "schedule_ids[1]")
	if err := (contact.Group{Name: "ops"}).Validate(); err != nil {
		t.Error(err)
	}
}

func wantField(t *testing.T, err error, field string) {
	t.Helper()
	var f *contact.FieldError
	if !errors.As(err, &f) {
		t.Errorf("want an error about %s, got %v", field, err)
		return
	}
	if f.Field != field || f.Problem == "" || f.Mend == "" {
		t.Errorf("want an error about %s, got %v", field, err)
	}
}

func ExampleParseOptions() {
	o, _ := contact.ParseOptions("service", "c, w, r")
	fmt.Println(o, o.Has('c'), o.Has('u'))
	_, err := contact.ParseOptions("host", "d,c")
	fmt.Println(err)
	// Output:
	// w,c,r true false
	// host_options: "c" is no option of a host; write some of d,u,r,f,s, or n for none
}

func FuzzParseOptions(f *testing.F) {
	f.Add("service", "w, u,c")
	f.Add("host", "n")
	f.Fuzz(func(t *testing.T, kind, text string) {
		o, err := contact.ParseOptions(kind, text)
		if err != nil {
			return
		}
		if again, err := contact.ParseOptions(kind, string(o)); err != nil || again != o {
			t.Errorf("%q is read as %q and that as %q, %v", text, o, again, err)
		}
	})
}

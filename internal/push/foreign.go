package push

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Foreign is a visitor's subscription as another program kept it.
type Foreign struct {
	// Place is where it stands: the line of the file, in a list of JSON its number; from 1.
	Place int
	// Subscription has Endpoint, P256dh, Auth, Expires and Language.
	Subscription Subscription
	Components   []string // ids there that it chose; none: all
	// Err says why it cannot be read, without its secrets; ErrNoDevice for a
	// subscriber who has no browser to tell.
	Err error
}

// ErrNoDevice is for a subscriber without a push subscription, such as one by e-mail.
var ErrNoDevice = errors.New("has no push subscription")

// mostComponents are the ids that a row may name; what is more is not looked at.
const mostComponents = 10 * MaxComponents

// ReadForeign reads subscriptions as other programs write them out: JSON, one a line
// or as a list, or CSV with a line of names. Each is what a browser gives
// (PushSubscription.toJSON()), or a row that has this in a field pushSubscription, as an
// object or as its text, with subscribedComponents and preferredLanguage beside it, as
// ATStatus keeps them; or a row with endpoint, p256dh and auth. Small and large letters
// and underscores in names make no difference. The error is for a file that is none of
// these; what is wrong with one of them is in its Err.
func ReadForeign(file []byte) ([]Foreign, error) {
	file = bytes.TrimPrefix(file, []byte("\xef\xbb\xbf"))
	switch begin := bytes.TrimSpace(file); {
	case len(begin) == 0:
		return nil, errors.New("the file is empty")
	case begin[0] == '[':
		var rows []json.RawMessage
		if err := json.Unmarshal(begin, &rows); err != nil {
			return nil, fmt.Errorf("the file is no list of JSON: %w", err)
		}
		var out []Foreign
		for i, r := range rows {
			out = append(out, foreign(i+1, r))
		}
		return out, nil
	case begin[0] == '{':
		var out []Foreign
		n := 0
		for line := range bytes.Lines(file) {
			if n++; len(bytes.TrimSpace(line)) > 0 {
				out = append(out, foreign(n, line))
			}
		}
		return out, nil
	}
	return readTable(file)
}

// readTable reads CSV.
func readTable(file []byte) ([]Foreign, error) {
	r := csv.NewReader(bytes.NewReader(file))
	r.FieldsPerRecord = -1
	names, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("the file is neither JSON nor CSV: %w", err)
	}
	for i := range names {
		names[i] = fold(strings.TrimSpace(names[i]))
	}
	known := false
	for _, n := range names {
		known = known || n == "pushsubscription" || n == "subscription" || n == "endpoint"
	}
	if !known {
		return nil, errors.New("the file is neither JSON nor CSV with pushSubscription or endpoint in its first line")
	}
	var out []Foreign
	for {
		values, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the CSV: %w", err)
		}
		at, _ := r.FieldPos(0)
		f := fields{}
		for i := range min(len(names), len(values)) {
			if f[names[i]], err = json.Marshal(values[i]); err != nil {
				return nil, fmt.Errorf("read the CSV: %w", err)
			}
		}
		out = append(out, f.foreign(at))
	}
}

// fields are what a row has, by their names in small letters without underscores.
type fields map[string]json.RawMessage

func fold(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// readFields reads an object, or its text.
func readFields(raw []byte) (fields, bool) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = []byte(text)
	}
	var given map[string]json.RawMessage
	if json.Unmarshal(raw, &given) != nil || given == nil {
		return nil, false
	}
	out := make(fields, len(given))
	for name, v := range given {
		out[fold(name)] = v
	}
	return out, true
}

func foreign(place int, raw []byte) Foreign {
	f, ok := readFields(raw)
	if !ok {
		return Foreign{Place: place, Err: errors.New("is no object of JSON")}
	}
	return f.foreign(place)
}

// text is a field's, empty where it has none.
func (f fields) text(names ...string) string {
	for _, n := range names {
		var s string
		if json.Unmarshal(f[n], &s) == nil && s != "" {
			return s
		}
	}
	return ""
}

// list is a field of ids: a list, its text, or ids with commas between them.
func (f fields) list(names ...string) []string {
	for _, n := range names {
		var ids []string
		text := f.text(n)
		switch {
		case text != "" && json.Unmarshal([]byte(text), &ids) == nil:
		case text != "":
			ids = strings.Split(text, ",")
		case json.Unmarshal(f[n], &ids) != nil:
			continue
		}
		var out []string
		for _, id := range ids[:min(len(ids), mostComponents)] {
			if id = strings.TrimSpace(id); id != "" {
				out = append(out, id)
			}
		}
		return out
	}
	return nil
}

func (f fields) foreign(place int) Foreign {
	out := Foreign{Place: place, Components: f.list("subscribedcomponents", "components")}
	out.Subscription.Language = f.text("preferredlanguage", "language")
	if checkLanguage("language", out.Subscription.Language) != nil {
		out.Subscription.Language = ""
	}
	device := f
	for _, n := range []string{"pushsubscription", "subscription"} {
		raw, there := f[n]
		if !there {
			continue
		}
		if string(raw) == "null" || string(raw) == `""` {
			out.Err = ErrNoDevice
			return out
		}
		var ok bool
		if device, ok = readFields(raw); !ok {
			out.Err = errors.New("its push subscription is no object of JSON")
			return out
		}
		break
	}
	out.Err = out.device(device)
	return out
}

// device reads what the browser gave. The rest is Validate's to say.
func (out *Foreign) device(f fields) error {
	keys := f
	if inner, ok := readFields(f["keys"]); ok {
		keys = inner
	}
	s := &out.Subscription
	if s.Endpoint = f.text("endpoint"); s.Endpoint == "" {
		return ErrNoDevice
	}
	var err error
	if s.P256dh, err = decode(keys.text("p256dh"), 65); err != nil {
		return fmt.Errorf("keys.p256dh: %w", err)
	}
	if s.Auth, err = decode(keys.text("auth"), 16); err != nil {
		return fmt.Errorf("keys.auth: %w", err)
	}
	var ends float64 // milliseconds; some write them with a fraction
	if json.Unmarshal(f["expirationtime"], &ends) == nil && ends > 0 && ends < 1<<53 {
		s.Expires = time.UnixMilli(int64(ends))
	}
	return nil
}

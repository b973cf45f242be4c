package live

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// storm is how many frames of kind "alert" may come in one look at the log
// before they are collapsed. A page of alerts shows about so many rows: beyond,
// reading the list anew is less work than changing it row by row.
const storm = 50

// What is said to a stream before it is closed. Each has a retry field, so that
// a client which knows nothing of these events comes back at a good time too.
var (
	moved     = []byte("retry: 1000\nevent: moved\ndata: {}\n\n")
	signedOut = []byte("retry: 10000\nevent: signed-out\ndata: {}\n\n")
	replaced  = []byte("retry: 60000\nevent: replaced\ndata: {}\n\n")
)

// event writes one event; without id if id is negative.
func event(b []byte, id int64, kind, body string) []byte {
	if id >= 0 {
		b = append(b, "id: "...)
		b = strconv.AppendInt(b, id, 10)
		b = append(b, '\n')
	}
	b = append(b, "event: "...)
	b = append(b, oneLine(kind)...)
	b = append(b, "\ndata: "...)
	b = append(b, oneLine(body)...)
	return append(b, "\n\n"...)
}

// oneLine keeps a line end in a frame from becoming a field of its own. JSON has
// none inside of strings, so a body does not change its meaning.
func oneLine(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(s)
}

// hello is the first event of every stream. seq is where the stream starts: the
// frames that follow have greater ids; those up to until were there before, so a
// tab can tell what it missed from what just happens. seq is the event's id too, so that a tab
// that loses the connection before its first frame misses none; except before a
// reset, which has the id itself (a lost connection between the two must lead to
// a reset again).
func (h *Hub) hello(b []byte, seq, until int64, withID bool) []byte {
	body, err := json.Marshal(struct {
		Seq       int64   `json:"seq"`
		Until     int64   `json:"until"`
		Node      string  `json:"node"`
		Heartbeat float64 `json:"heartbeat"`
	}{seq, until, h.o.Node, h.o.Heartbeat.Seconds()})
	if err != nil {
		body = []byte("{}") // two numbers and a string: cannot happen
	}
	id := seq
	if !withID {
		id = -1
	}
	return event(b, id, "hello", string(body))
}

func reset(b []byte, seq int64, reason string) []byte {
	return event(b, seq, "reset", `{"seq":`+strconv.FormatInt(seq, 10)+`,"reason":"`+reason+`"}`)
}

func ping(now time.Time) []byte {
	return event(nil, -1, "ping", `{"at":"`+now.UTC().Format(time.RFC3339)+`"}`)
}

// collapse makes a storm bearable: of more than 50 "alert" frames for everybody
// it keeps the newest of each object, and if those are more than 50 too, only
// one "many" event is left of them, {"count": N}, in the place and with the id
// of the last: the page then loads its list anew, once. All other frames stay.
func collapse(frames []Frame) ([]Frame, int) {
	n := 0
	for _, f := range frames {
		if everybodysAlert(f) {
			n++
		}
	}
	if n <= storm {
		return frames, 0
	}
	kept := make([]Frame, 0, len(frames))
	seen := make(map[string]bool, n)
	for _, f := range slices.Backward(frames) {
		if everybodysAlert(f) {
			var body struct {
				ObjectID string `json:"object_id"`
			}
			if json.Unmarshal([]byte(f.Body), &body) == nil && body.ObjectID != "" {
				if seen[body.ObjectID] {
					continue
				}
				seen[body.ObjectID] = true
			}
		}
		kept = append(kept, f)
	}
	slices.Reverse(kept)
	left := 0
	for _, f := range kept {
		if everybodysAlert(f) {
			left++
		}
	}
	if left <= storm {
		return kept, len(frames) - len(kept)
	}
	many := make([]Frame, 0, len(kept)-left+1)
	for _, f := range kept {
		if !everybodysAlert(f) {
			many = append(many, f)
			continue
		}
		if left--; left == 0 {
			many = append(many, Frame{Seq: f.Seq, Kind: "many", Body: `{"count":` + strconv.Itoa(n) + `}`, At: f.At})
		}
	}
	return many, len(frames) - len(many)
}

func everybodysAlert(f Frame) bool { return f.UserID == "" && f.Kind == "alert" }

// chunk is a run of events, rendered once and shared by all streams it is for.
type chunk struct {
	bytes  []byte
	frames int
}

// renderFor joins those of the frames that are for the user; with "" those for
// everybody.
func renderFor(frames []Frame, userID string) chunk {
	var c chunk
	size := 0
	for _, f := range frames {
		if f.UserID == "" || f.UserID == userID {
			size += len(f.Kind) + len(f.Body) + 48
		}
	}
	if size == 0 {
		return c
	}
	c.bytes = make([]byte, 0, size)
	for _, f := range frames {
		if f.UserID == "" || f.UserID == userID {
			c.bytes = event(c.bytes, f.Seq, f.Kind, f.Body)
			c.frames++
		}
	}
	return c
}

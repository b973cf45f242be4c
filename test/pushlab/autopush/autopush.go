// Package autopush is a push service as Mozilla's: it speaks the WebSocket
// protocol of Firefox's PushServiceWebSocket.sys.mjs with browsers, and answers
// application servers in autopush's words.
package autopush

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"tocsin/test/pushlab/box"
)

// Host is where the endpoints of Firefox's subscriptions are.
const Host = "updates.push.services.mozilla.com"

// prefix is what comes before the token in an endpoint's path.
const prefix = "/wpush/v2/"

// Server is one such service. The Box is what application servers reach.
type Server struct {
	*box.Box
	listener net.Listener
	server   *http.Server

	mu     sync.Mutex
	agents map[string]*websocket.Conn // by uaid; nil while it is away
}

// Start starts the side that Firefox connects to, on a port of its own. The
// other side is served by the caller, under the name Host.
func Start() (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("autopush: %w", err)
	}
	s := &Server{listener: l, agents: map[string]*websocket.Conn{}}
	s.Box = box.New(box.Rules{Token: token, Unknown: http.StatusNotFound, Unauthorized: http.StatusUnauthorized, Refuse: refuse})
	s.server = &http.Server{Handler: http.HandlerFunc(s.agent), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.server.Serve(l) }()
	return s, nil
}

// Close ends it, and every connection.
func (s *Server) Close() {
	_ = s.server.Close()
	s.Disconnect()
}

// Prefs are the preferences with which Firefox uses this service.
func (s *Server) Prefs() map[string]any {
	return map[string]any{
		"dom.push.serverURL":                      "ws://" + s.listener.Addr().String() + "/",
		"dom.push.testing.allowInsecureServerURL": true,
		"dom.push.connection.enabled":             true,
		"dom.push.retryBaseInterval":              100, // milliseconds
	}
}

func token(path string) (string, bool) { return strings.CutPrefix(path, prefix) }

// Endpoint is where messages for a token are sent to.
func Endpoint(token string) string { return "https://" + Host + prefix + token }

// errnos are autopush's own numbers for what it refuses.
var errnos = map[int]int{400: 110, 401: 109, 404: 102, 410: 106, 413: 104}

func refuse(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"code": status, "errno": errnos[status], "error": http.StatusText(status), "message": reason,
		"more_info": "http://autopush.readthedocs.io/en/latest/http.html#error-codes",
	})
}

// call is what Firefox says.
type call struct {
	MessageType string `json:"messageType"`
	UAID        string `json:"uaid"`
	ChannelID   string `json:"channelID"`
	Key         string `json:"key"`
	Updates     []struct {
		Version string `json:"version"`
	} `json:"updates"`
}

// agent serves one Firefox.
func (s *Server) agent(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols:       []string{"push-notification"},
		InsecureSkipVerify: true, // Firefox names the service itself as the origin
	})
	if err != nil {
		return // Accept has answered
	}
	defer func() { _ = c.CloseNow() }()
	ctx := context.Background() // the connection outlives the request
	say := func(m map[string]any) error {
		text, err := json.Marshal(m)
		if err != nil {
			return err
		}
		return c.Write(ctx, websocket.MessageText, text)
	}
	var uaid string
	for {
		_, text, err := c.Read(ctx)
		if err != nil {
			return
		}
		var m call
		if json.Unmarshal(text, &m) != nil {
			return
		}
		switch m.MessageType {
		case "": // "{}" is a ping and its answer
			err = say(map[string]any{})
		case "ping":
			err = say(map[string]any{"messageType": "ping"})
		case "hello":
			uaid = s.known(m.UAID, c)
			if err = say(map[string]any{"messageType": "hello", "status": 200, "uaid": uaid, "use_webpush": true, "broadcasts": map[string]any{}}); err == nil {
				leave := s.Connect(uaid, func(m *box.Message) error { return say(frame(m)) })
				defer s.left(uaid, c, leave)
			}
		case "register":
			err = say(s.register(uaid, m))
		case "unregister":
			s.Unsubscribe(uaid, func(channel string, _ []byte) bool { return channel == m.ChannelID })
			err = say(map[string]any{"messageType": "unregister", "channelID": m.ChannelID, "status": 200})
		case "ack":
			for _, u := range m.Updates {
				s.Acknowledge(uaid, u.Version)
			}
		}
		if err != nil {
			return
		}
	}
}

// known answers the id of the browser: its own if it was given by this
// service, else a new one, upon which the browser drops its subscriptions.
func (s *Server) known(uaid string, c *websocket.Conn) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.agents[uaid]; !ok {
		uaid = box.Token(16)
	}
	s.agents[uaid] = c
	return uaid
}

func (s *Server) left(uaid string, c *websocket.Conn, leave func()) {
	leave()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.agents[uaid] == c {
		s.agents[uaid] = nil
	}
}

// register gives out an endpoint.
func (s *Server) register(uaid string, m call) map[string]any {
	answer := map[string]any{"messageType": "register", "channelID": m.ChannelID}
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(m.Key, "="))
	if uaid == "" || err != nil || (len(key) != 0 && len(key) != 65) {
		answer["status"] = 400
		return answer
	}
	if len(key) == 0 {
		key = nil
	}
	token := "gAAAAA" + box.Token(48)
	s.Subscribe(token, uaid, m.ChannelID, key)
	answer["status"], answer["pushEndpoint"] = 200, Endpoint(token)
	return answer
}

// frame is a message as Firefox wants it.
func frame(m *box.Message) map[string]any {
	f := map[string]any{"messageType": "notification", "channelID": m.Channel, "version": m.ID, "ttl": int(m.TTL.Seconds())}
	if len(m.Body) > 0 {
		f["data"] = base64.RawURLEncoding.EncodeToString(m.Body)
		f["headers"] = map[string]any{"encoding": m.Encoding}
	}
	return f
}

// Disconnect breaks the connection of every browser; they come back.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.agents {
		if c != nil {
			_ = c.CloseNow()
		}
	}
}

// Forget loses all browsers and subscriptions, as a service that was set up
// anew: the browsers come back, drop their subscriptions, and pages get
// pushsubscriptionchange.
func (s *Server) Forget() {
	s.Disconnect()
	for _, t := range s.Tokens() {
		s.Drop(t)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.agents)
}

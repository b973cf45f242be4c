// Package fakefcm is a push service as Google's: check-in, registration and the
// MCS stream as desktop Chromium speaks them, and the endpoint of application
// servers in FCM's words.
package fakefcm

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"tocsin/test/pushlab/box"
)

// Hosts are where the endpoints of Chromium's subscriptions are: Google's own
// builds use the first, Debian's the second.
func Hosts() []string { return []string{"fcm.googleapis.com", "jmt17.google.com"} }

// The kinds of MCS messages (components/gcm, mcs.proto).
const (
	tagPing          = 0
	tagPingAck       = 1
	tagLogin         = 2
	tagLoginResponse = 3
	tagClose         = 4
	tagIQ            = 7
	tagData          = 8

	mcsVersion = 41
)

// maxMCS is longer than anything that a browser says, in bytes.
const maxMCS = 1 << 20

// Server is one such service. The Box is what application servers reach.
type Server struct {
	*box.Box
	web  net.Listener // check-in and registration, plain HTTP
	mcs  net.Listener // the stream, TLS
	http *http.Server
	spki string

	mu      sync.Mutex
	apps    map[string]registration // by subscription token
	conns   map[net.Conn]bool
	devices uint64
}

// registration is what the browser wants back with each message.
type registration struct{ app, subtype, sender string }

// Start starts the side that Chromium connects to. cert is for 127.0.0.1, and
// spki names its key as --ignore-certificate-errors-spki-list does. The
// other side is served by the caller, under the names of Hosts.
func Start(cert tls.Certificate, spki string) (*Server, error) {
	s := &Server{spki: spki, apps: map[string]registration{}, conns: map[net.Conn]bool{}, devices: 1000}
	s.Box = box.New(box.Rules{Token: token, Unknown: http.StatusGone, Unauthorized: http.StatusForbidden, Refuse: refuse})
	var err error
	if s.web, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("fakefcm: %w", err)
	}
	if s.mcs, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}); err != nil {
		_ = s.web.Close()
		return nil, fmt.Errorf("fakefcm: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/checkin", s.checkin)
	mux.HandleFunc("/register", s.register)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.http.Serve(s.web) }()
	go s.accept()
	return s, nil
}

// Close ends it, and every connection.
func (s *Server) Close() {
	_ = s.http.Close()
	_ = s.mcs.Close()
	s.Disconnect()
}

// Flags are the switches with which Chromium uses this service.
func (s *Server) Flags() []string {
	return []string{
		"--gcm-checkin-url=http://" + s.web.Addr().String() + "/checkin",
		"--gcm-registration-url=http://" + s.web.Addr().String() + "/register",
		"--gcm-mcs-endpoint=https://" + s.mcs.Addr().String(),
		"--ignore-certificate-errors-spki-list=" + s.spki,
	}
}

// token takes it out of "/fcm/send/TOKEN" or the newer "/wp/TOKEN".
func token(path string) (string, bool) {
	t, ok := strings.CutPrefix(path, "/fcm/send/")
	if !ok {
		t, ok = strings.CutPrefix(path, "/wp/")
	}
	return t, ok
}

// Endpoint is where messages for a token are sent to.
func Endpoint(token string) string {
	return "https://" + Hosts()[0] + "/fcm/send/" + url.PathEscape(token)
}

// Disconnect breaks the stream of every browser; they come back.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
}

// checkin answers an AndroidCheckinRequest with the id of the device.
func (s *Server) checkin(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(io.LimitReader(r.Body, maxMCS))
	if err != nil {
		return
	}
	_, numbers := parse(b)
	id, secret := numbers[2], numbers[13]
	if id == 0 {
		s.mu.Lock()
		s.devices++
		id, secret = s.devices, s.devices*7919
		s.mu.Unlock()
	}
	w.Header().Set("Content-Type", "application/x-protobuffer")
	_, _ = w.Write(message{}.varint(1, 1).varint(3, uint64(time.Now().UnixMilli())).fixed64(7, id).fixed64(8, secret).varint(9, 0))
}

// register answers the forms by which Chromium gets and deletes tokens of its
// instance ids.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f := r.PostForm
	device, subtype, sender := f.Get("device"), f.Get("X-subtype"), f.Get("sender")
	if f.Get("delete") == "true" {
		s.Unsubscribe(device, func(channel string, _ []byte) bool {
			ofSubtype, ofSender, _ := strings.Cut(channel, " ")
			return ofSubtype == subtype && (sender == "*" || ofSender == sender)
		})
		fmt.Fprintf(w, "token=%s", f.Get("app"))
		return
	}
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(sender, "="))
	if err != nil || len(key) != 65 {
		fmt.Fprint(w, "Error=INVALID_PARAMETERS")
		return
	}
	t := box.Token(11) + ":APA91b" + box.Token(60)
	s.mu.Lock()
	s.apps[t] = registration{app: f.Get("app"), subtype: subtype, sender: sender}
	s.mu.Unlock()
	s.Subscribe(t, device, subtype+" "+sender, key)
	fmt.Fprintf(w, "token=%s", t)
}

func (s *Server) accept() {
	for {
		c, err := s.mcs.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		go func() {
			_ = s.stream(c) // a browser that leaves ends it
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.conns, c)
			_ = c.Close()
		}()
	}
}

// stream serves one Chromium.
func (s *Server) stream(c net.Conn) error {
	r := bufio.NewReader(c)
	version, err := r.ReadByte()
	if err != nil {
		return err
	}
	if version != mcsVersion {
		return fmt.Errorf("version %d of MCS", version)
	}
	tag, b, err := receive(r)
	if err != nil {
		return err
	}
	login, _ := parse(b)
	if tag != tagLogin || len(login[3]) == 0 {
		return errors.New("no login")
	}
	device := string(login[3][0])
	s.acknowledge(device, login[10])
	out := &output{conn: c, ids: map[uint64]string{}}
	if _, err := c.Write([]byte{mcsVersion}); err != nil {
		return err
	}
	if err := out.send(tagLoginResponse, message{}.str(1, "fake").varint(8, uint64(time.Now().UnixMilli())), ""); err != nil {
		return err
	}
	defer s.Connect(device, func(m *box.Message) error { return out.send(tagData, s.data(m), m.ID) })()
	for {
		tag, b, err := receive(r)
		if err != nil {
			return err
		}
		fields, numbers := parse(b)
		switch tag {
		case tagPing:
			s.Acknowledge(device, out.upTo(numbers[2])...)
			if err := out.send(tagPingAck, nil, ""); err != nil {
				return err
			}
		case tagIQ:
			s.Acknowledge(device, out.upTo(numbers[10])...)
			s.acknowledge(device, selective(fields))
		case tagClose:
			return nil
		}
	}
}

// output is what goes to one browser. Both sides number what they send, from
// 1, and say up to which number they have what the other sent.
type output struct {
	conn net.Conn
	mu   sync.Mutex
	sent uint64
	ids  map[uint64]string // of messages that the browser has not confirmed
}

// send sends one message; id is the box's, empty for what needs no
// acknowledgement.
func (o *output) send(tag byte, body message, id string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent++
	if id != "" {
		o.ids[o.sent] = id
	}
	_, err := o.conn.Write(append(binary.AppendUvarint([]byte{tag}, uint64(len(body))), body...))
	return err
}

// upTo answers the ids of what was sent up to a number, once.
func (o *output) upTo(number uint64) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var ids []string
	for n, id := range o.ids {
		if n <= number {
			ids = append(ids, id)
			delete(o.ids, n)
		}
	}
	return ids
}

// receive reads one message: its tag, its length, itself.
func receive(r *bufio.Reader) (byte, []byte, error) {
	tag, err := r.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	n, err := binary.ReadUvarint(r)
	if err != nil {
		return 0, nil, err
	}
	if n > maxMCS {
		return 0, nil, fmt.Errorf("a message of %d bytes", n)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return tag, b, err
}

// selective answers the ids in a SelectiveAck, extension 12 of an IqStanza, by
// which a browser names what it got before an earlier connection broke.
func selective(iq map[int][][]byte) [][]byte {
	if len(iq[7]) == 0 {
		return nil
	}
	extension, numbers := parse(iq[7][0])
	if numbers[1] != 12 || len(extension[2]) == 0 {
		return nil
	}
	ids, _ := parse(extension[2][0])
	return ids[1]
}

func (s *Server) acknowledge(device string, ids [][]byte) {
	for _, id := range ids {
		s.Acknowledge(device, strings.TrimPrefix(string(id), idPrefix))
	}
}

// idPrefix is how Google's message ids begin.
const idPrefix = "0:"

// data is a message as a DataMessageStanza.
func (s *Server) data(m *box.Message) message {
	s.mu.Lock()
	reg := s.apps[m.Token]
	s.mu.Unlock()
	out := message{}.str(3, reg.sender).str(5, reg.app)
	out = out.bytes(7, message{}.str(1, "subtype").str(2, reg.subtype))
	if len(m.Body) > 0 {
		out = out.bytes(7, message{}.str(1, "content-encoding").str(2, m.Encoding))
	}
	out = out.str(9, idPrefix+m.ID).varint(17, uint64(m.TTL.Seconds())).varint(18, uint64(time.Now().Unix())).varint(24, 1)
	if len(m.Body) > 0 {
		out = out.bytes(21, m.Body)
	}
	return out
}

func refuse(w http.ResponseWriter, status int, reason string) { http.Error(w, reason, status) }

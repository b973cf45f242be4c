// Package notifyd is a desktop's notification daemon on a private D-Bus: a
// test reads the notifications that a person would see, and clicks or closes
// them.
//
//	bus, err := notifyd.StartBus(ctx)       // give bus.Env() to the browser
//	n, err := bus.Wait(ctx, func(n notifyd.Notification) bool { return n.Summary == "…" })
//	bus.Click(n.ID, "default")
package notifyd

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/godbus/dbus/v5"
)

// Notification is one notification as the desktop got it.
type Notification struct {
	ID      uint32
	App     string
	Summary string   // the title
	Body    string   // as sent: Chromium puts the origin on its first line, with markup
	Actions []string // key, label, key, label …; "default" is a click on the body
	Hints   map[string]string
	Image   []byte // pixels, nil when the notification has no picture
	Timeout int32  // milliseconds, -1 the desktop's own, 0 never
	Shown   time.Time
	Closed  time.Time // zero while it is on screen
	// Replaced says that another one took its place on the screen, with the
	// same ID; it is in the list, too.
	Replaced bool
}

// Open says whether it is still on screen.
func (n Notification) Open() bool { return n.Closed.IsZero() }

// Daemon owns org.freedesktop.Notifications on one bus.
type Daemon struct {
	conn *dbus.Conn
	bus  *exec.Cmd // nil if the bus is somebody else's
	addr string

	mu      sync.Mutex
	next    uint32
	all     []*Notification
	coming  map[call]*Notification // those whose ids are on their way to the programs
	changed chan struct{}          // closed and made anew at each change
}

// call is one call of Notify.
type call struct {
	sender string
	serial uint32
}

const (
	path  = dbus.ObjectPath("/org/freedesktop/Notifications")
	iface = "org.freedesktop.Notifications"
)

// The reasons of NotificationClosed, from the Desktop Notifications
// Specification.
const (
	byUser = 2
	byCall = 3
)

// StartBus starts a private session bus with the daemon on it. The bus ends
// with Close, or with this process.
func StartBus(ctx context.Context) (*Daemon, error) {
	cmd := exec.Command("dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("dbus-daemon: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("dbus-daemon: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if !stop() || err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("dbus-daemon gave no address: %w", err)
	}
	d, err := Start(strings.TrimSpace(line))
	if err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, err
	}
	d.bus = cmd
	return d, nil
}

// Start puts the daemon on the bus at that address.
func Start(address string) (*Daemon, error) {
	d := &Daemon{addr: address, coming: map[call]*Notification{}, changed: make(chan struct{})}
	c, err := d.connect()
	if err != nil {
		return nil, fmt.Errorf("connect to the bus: %w", err)
	}
	d.conn = c
	if err := c.Export(service{d}, path, iface); err != nil {
		return nil, fmt.Errorf("export %s: %w", iface, err)
	}
	r, err := c.RequestName(iface, dbus.NameFlagDoNotQueue)
	if err != nil {
		return nil, fmt.Errorf("own %s: %w", iface, err)
	}
	if r != dbus.RequestNameReplyPrimaryOwner {
		return nil, fmt.Errorf("own %s: the name is taken", iface)
	}
	return d, nil
}

// connect is dbus.Connect with an ear to what is written.
func (d *Daemon) connect() (*dbus.Conn, error) {
	kind, keys, _ := strings.Cut(d.addr, ":")
	at := ""
	for _, pair := range strings.Split(keys, ",") {
		switch key, value, _ := strings.Cut(pair, "="); key {
		case "path":
			at = value
		case "abstract":
			at = "@" + value
		}
	}
	if kind != "unix" || at == "" {
		return nil, fmt.Errorf("the address %q is none of a socket here", d.addr)
	}
	at, err := dbus.UnescapeBusAddressValue(at)
	if err != nil {
		return nil, err
	}
	socket, err := net.Dial("unix", at)
	if err != nil {
		return nil, err
	}
	c, err := dbus.NewConn(&ear{Conn: socket, written: d.written})
	if err != nil {
		return nil, err
	}
	if err := c.Auth(nil); err != nil {
		_ = c.Close()
		return nil, err
	}
	if err := c.Hello(); err != nil {
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// ear is a connection to a bus that tells of each message once the bus has it.
// A message is written with one Write.
type ear struct {
	net.Conn
	written func(*dbus.Message)
}

func (e *ear) Write(b []byte) (int, error) {
	n, err := e.Conn.Write(b)
	if err == nil {
		if m, err := dbus.DecodeMessage(bytes.NewReader(b)); err == nil { // the words before the first one are none
			e.written(m)
		}
	}
	return n, err
}

// written puts a notification on the screen when its id is on the bus: a click on
// it comes after that there, so the program knows which one is meant.
func (d *Daemon) written(m *dbus.Message) {
	if m.Type != dbus.TypeMethodReply {
		return
	}
	var c call
	c.sender, _ = m.Headers[dbus.FieldDestination].Value().(string)
	c.serial, _ = m.Headers[dbus.FieldReplySerial].Value().(uint32)
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.coming[c]; n != nil {
		delete(d.coming, c)
		d.show(n)
	}
}

// Close leaves the bus, and ends it if StartBus started it.
func (d *Daemon) Close() {
	_ = d.conn.Close()
	if d.bus != nil {
		_ = d.bus.Process.Kill()
		_ = d.bus.Wait()
	}
}

// Address is the bus's.
func (d *Daemon) Address() string { return d.addr }

// Env is what a browser needs in its environment to find the bus.
func (d *Daemon) Env() []string { return []string{"DBUS_SESSION_BUS_ADDRESS=" + d.addr} }

// List answers all notifications so far in the order of their first showing,
// closed ones too.
func (d *Daemon) List() []Notification {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]Notification, len(d.all))
	for i, n := range d.all {
		out[i] = *n
	}
	return out
}

// OnScreen answers those that are still shown.
func (d *Daemon) OnScreen() []Notification {
	var out []Notification
	for _, n := range d.List() {
		if n.Open() {
			out = append(out, n)
		}
	}
	return out
}

// Wait answers the first notification that fits, as soon as there is one. A
// predicate may ask for a closed one. The error tells what there was instead.
func (d *Daemon) Wait(ctx context.Context, fits func(Notification) bool) (Notification, error) {
	for {
		d.mu.Lock()
		changed := d.changed
		d.mu.Unlock()
		for _, n := range d.List() {
			if fits(n) {
				return n, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return Notification{}, fmt.Errorf("no such notification: %w; there were %s", ctx.Err(), d)
		}
	}
}

// WaitClosed waits until the notification is off the screen, and not only
// replaced by another one.
func (d *Daemon) WaitClosed(ctx context.Context, id uint32) (Notification, error) {
	return d.Wait(ctx, func(n Notification) bool { return n.ID == id && !n.Open() && !n.Replaced })
}

// String lists the notifications for an error message.
func (d *Daemon) String() string {
	var b strings.Builder
	for _, n := range d.List() {
		state := "open"
		if !n.Open() {
			state = "closed"
		}
		fmt.Fprintf(&b, "\n  %d %s %q %q (%s)", n.ID, n.App, n.Summary, n.Body, state)
	}
	if b.Len() == 0 {
		return "none"
	}
	return b.String()
}

// Click presses an action, "default" for the body. The notification stays, as
// on desktops that leave closing to the program.
func (d *Daemon) Click(id uint32, action string) error {
	return d.conn.Emit(path, iface+".ActionInvoked", id, action)
}

// Dismiss closes a notification as its user does.
func (d *Daemon) Dismiss(id uint32) error { return d.close(id, byUser) }

func (d *Daemon) close(id, reason uint32) error {
	d.mu.Lock()
	for _, n := range d.all {
		if n.ID == id && n.Open() {
			n.Closed = time.Now()
		}
	}
	for _, n := range d.coming {
		if n.ID == id {
			n.Closed = time.Now()
		}
	}
	d.tell()
	d.mu.Unlock()
	return d.conn.Emit(path, iface+".NotificationClosed", id, reason)
}

// tell wakes those that wait. The lock is held.
func (d *Daemon) tell() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// number is the id of a notification that is to come. The lock is held.
func (d *Daemon) number(replaces uint32) uint32 {
	for _, old := range d.all {
		if replaces != 0 && old.ID == replaces && old.Open() {
			return old.ID
		}
	}
	d.next++
	return d.next
}

// show puts a notification on the screen, in the place of an older one with its
// id. The lock is held.
func (d *Daemon) show(n *Notification) {
	n.Shown = time.Now()
	for _, old := range d.all {
		if old.ID == n.ID && old.Open() {
			old.Closed, old.Replaced = n.Shown, true
		}
	}
	d.all = append(d.all, n)
	d.tell()
}

// service is what the bus sees: its exported methods are the interface's.
type service struct{ d *Daemon }

// GetCapabilities answers those of a usual desktop.
func (s service) GetCapabilities() ([]string, *dbus.Error) {
	return []string{"actions", "body", "body-markup", "body-hyperlinks", "body-images", "persistence", "icon-static"}, nil
}

// GetServerInformation answers name, vendor, version and the specification's
// version.
func (s service) GetServerInformation() (name, vendor, version, spec string, e *dbus.Error) {
	return "notifyd", "test", "1.0", "1.2", nil
}

// Notify answers a notification's id, and shows it after that (see written).
func (s service) Notify(m dbus.Message, app string, replaces uint32, _, summary, body string, actions []string, hints map[string]dbus.Variant, timeout int32) (uint32, *dbus.Error) {
	n := &Notification{App: app, Summary: summary, Body: body, Actions: actions, Hints: map[string]string{}, Timeout: timeout}
	for k, v := range hints {
		switch k {
		case "image-data", "image_data", "icon_data":
			n.Image = pixels(v)
			n.Hints[k] = fmt.Sprintf("%d bytes", len(n.Image))
		default:
			n.Hints[k] = cut(v.String(), 200)
		}
	}
	var c call
	c.sender, _ = m.Headers[dbus.FieldSender].Value().(string)
	c.serial = m.Serial()
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	n.ID = s.d.number(replaces)
	if m.Flags&dbus.FlagNoReplyExpected != 0 {
		s.d.show(n)
	} else {
		s.d.coming[c] = n
	}
	return n.ID, nil
}

// CloseNotification takes a notification off the screen.
func (s service) CloseNotification(id uint32) *dbus.Error {
	if err := s.d.close(id, byCall); err != nil {
		return dbus.MakeFailedError(err)
	}
	return nil
}

// pixels takes the bytes out of the specification's (iiibiiay) image.
func pixels(v dbus.Variant) []byte {
	fields, ok := v.Value().([]any)
	if !ok || len(fields) != 7 {
		return nil
	}
	b, _ := fields[6].([]byte)
	return b
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}

package notifyd_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"tocsin/test/browser/notifyd"
)

// A program knows a notification by the id that Notify answers. One who clicks as
// soon as there is something to see must not be faster than that answer.
func TestAClickComesAfterTheID(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bus, err := notifyd.StartBus(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	program, err := dbus.Connect(bus.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	const name = "org.freedesktop.Notifications"
	if err := program.AddMatchSignal(dbus.WithMatchInterface(name)); err != nil {
		t.Fatal(err)
	}
	all := make(chan *dbus.Message, 100) // as they come
	program.Eavesdrop(all)
	next := func() *dbus.Message {
		t.Helper()
		select {
		case m := <-all:
			return m
		case <-ctx.Done():
			t.Fatal("nothing comes")
			return nil
		}
	}
	var early int
	for i := range 500 {
		title := strconv.Itoa(i)
		clicked := make(chan error, 1)
		go func() {
			n, err := bus.Wait(ctx, func(n notifyd.Notification) bool { return n.Summary == title })
			if err == nil {
				err = bus.Click(n.ID, "default")
			}
			clicked <- err
		}()
		body := []any{"program", uint32(0), "", title, "", []string{}, map[string]dbus.Variant{}, int32(-1)}
		program.Send(&dbus.Message{Type: dbus.TypeMethodCall, Body: body, Headers: map[dbus.HeaderField]dbus.Variant{
			dbus.FieldDestination: dbus.MakeVariant(name),
			dbus.FieldPath:        dbus.MakeVariant(dbus.ObjectPath("/org/freedesktop/Notifications")),
			dbus.FieldInterface:   dbus.MakeVariant(name),
			dbus.FieldMember:      dbus.MakeVariant("Notify"),
			dbus.FieldSignature:   dbus.MakeVariant(dbus.SignatureOf(body...)),
		}}, make(chan *dbus.Call, 1))
		first, second := next(), next()
		if err := <-clicked; err != nil {
			t.Fatal(err)
		}
		if first.Type == dbus.TypeSignal {
			early++
			first, second = second, first
		}
		if first.Type != dbus.TypeMethodReply || second.Type != dbus.TypeSignal || len(first.Body) != 1 || len(second.Body) != 2 || first.Body[0] != second.Body[0] {
			t.Fatalf("the program got %v and %v", first, second)
		}
	}
	if early > 0 {
		t.Errorf("%d of 500 clicks came before the id of what was clicked", early)
	}
}

// What a program shows in the place of another notification has its id, and is
// closed with it.
func TestOneTakesThePlaceOfAnother(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	bus, err := notifyd.StartBus(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer bus.Close()
	program, err := dbus.Connect(bus.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	desktop := program.Object("org.freedesktop.Notifications", "/org/freedesktop/Notifications")
	notify := func(replaces uint32, title string) (id uint32) {
		t.Helper()
		err := desktop.CallWithContext(ctx, "org.freedesktop.Notifications.Notify", 0, "program", replaces, "", title, "", []string{}, map[string]dbus.Variant{}, int32(-1)).Store(&id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bus.Wait(ctx, func(n notifyd.Notification) bool { return n.Summary == title && n.ID == id }); err != nil {
			t.Fatal(err)
		}
		return id
	}
	first := notify(0, "one")
	if again := notify(first, "two"); again != first {
		t.Errorf("the second one has the id %d, the first one %d", again, first)
	}
	if all, on := bus.List(), bus.OnScreen(); len(all) != 2 || !all[0].Replaced || len(on) != 1 || on[0].Summary != "two" {
		t.Errorf("there are %v, on screen %v", all, on)
	}
	if err := desktop.CallWithContext(ctx, "org.freedesktop.Notifications.CloseNotification", 0, first).Err; err != nil {
		t.Fatal(err)
	}
	if n, err := bus.WaitClosed(ctx, first); err != nil || n.Summary != "two" {
		t.Errorf("%v was closed: %v", n, err)
	}
	if third := notify(first, "three"); third == first {
		t.Errorf("the id %d is used again after it was closed", third)
	}
}

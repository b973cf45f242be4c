package chat_test

import (
	"testing"

	"tocsin/internal/chat"
)

func TestDirectMessagesHaveAKeyOfTheirOwn(t *testing.T) {
	if user, ok := chat.DirectUser(chat.Direct("n87c9bob47fi38ibiu4nahjwyr")); !ok || user != "n87c9bob47fi38ibiu4nahjwyr" {
		t.Errorf("%q %v", user, ok)
	}
	if user, ok := chat.DirectUser("0190a1b2-0000-7000-8000-000000000000"); ok {
		t.Errorf("a room is the user %q", user)
	}
}

func TestASecretIsKnownByItsHashAlone(t *testing.T) {
	// SHA-256 of "abc", from FIPS 180-2.
	if got := chat.Hash("abc"); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Error(got)
	}
}

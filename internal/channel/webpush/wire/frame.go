package wire

import (
	"encoding/binary"
	"fmt"
)

type frameType uint8

const (
	frameData frameType = iota
	frameHeaders
	framePriority
	frameReset
	frameSettings
	framePush
	framePing
	frameGoAway
	frameWindow
	frameContinuation
)

const (
	flagEnd        = 0x1 // END_STREAM; ACK of SETTINGS and PING
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20

	frameHead = 9
	maxFrame  = 16384 // we take no longer ones and send none
	maxID     = 1<<31 - 1
	maxWindow = 1<<31 - 1
)

// Settings of RFC 9113, 6.5.2.
const (
	settingTable    = 1
	settingPush     = 2
	settingStreams  = 3
	settingWindow   = 4
	settingFrame    = 5
	settingHeadList = 6
)

// code is why a stream or a connection ends.
type code uint32

const (
	codeNo       code = 0x0
	codeProtocol code = 0x1
	codeFlow     code = 0x3
	codeSettings code = 0x4
	codeSize     code = 0x6
	codeRefused  code = 0x7
	codeCancel   code = 0x8
	codeCompress code = 0x9
	codeCalm     code = 0xb
)

func (c code) String() string {
	names := [...]string{"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
		"FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
		"INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED"}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("code %d", uint32(c))
}

// broken is an error of the connection: it ends with a GOAWAY that says so.
type broken struct {
	code code
	why  string
}

func (b *broken) Error() string { return fmt.Sprintf("%v: %s (%v)", ErrProtocol, b.why, b.code) }
func (b *broken) Unwrap() error { return ErrProtocol }

func breaks(c code, why string) error { return &broken{c, why} }

func appendFrame(dst []byte, length int, t frameType, flags byte, id uint32) []byte {
	dst = append(dst, byte(length>>16), byte(length>>8), byte(length), byte(t), flags)
	return binary.BigEndian.AppendUint32(dst, id)
}

func appendReset(dst []byte, id uint32, c code) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(dst, 4, frameReset, 0, id), uint32(c))
}

func appendGoAway(dst []byte, c code) []byte {
	dst = appendFrame(dst, 8, frameGoAway, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, 0) // it opens no streams to us
	return binary.BigEndian.AppendUint32(dst, uint32(c))
}

func appendWindow(dst []byte, id uint32, n int) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(dst, 4, frameWindow, 0, id), uint32(n))
}

func appendPing(dst []byte, ack byte, data []byte) []byte {
	return append(appendFrame(dst, 8, framePing, ack, 0), data[:8]...)
}

const (
	preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	// Answers to messages are short; what is longer is cut off.
	streamWindow = 16 << 10
	ourWindow    = 1 << 20 // of the connection
)

// appendGreeting is what a connection starts with.
func appendGreeting(dst []byte) []byte {
	dst = append(dst, preface...)
	settings := [...][2]uint32{{settingPush, 0}, {settingWindow, streamWindow}, {settingHeadList, maxHeaderBlock}}
	dst = appendFrame(dst, 6*len(settings), frameSettings, 0, 0)
	for _, s := range settings {
		dst = binary.BigEndian.AppendUint16(dst, uint16(s[0]))
		dst = binary.BigEndian.AppendUint32(dst, s[1])
	}
	return appendWindow(dst, 0, ourWindow-65535)
}

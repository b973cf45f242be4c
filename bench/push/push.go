// Package push measures the sending of Web Push: what a message costs beside
// its bare cryptography, against other senders, with keys made ahead, to a
// million devices with the program killed on the way, and with a far service.
//
// The push service is a process of its own (bench/push/sink), which costs
// little, counts what every device got and decrypts a sample. The sender is
// another one (bench/push/sender) around the program's real sender, or the
// program itself.
package push

// Seen is what the push service says of itself since the last reset.
type Seen struct {
	Origin      string
	Messages    int64
	Bytes       int64 // of bodies
	Connections int64 // opened
	Devices     int   // that got something
	Most        int   // messages that one device got
	Read        int   // samples that were decrypted
	Text        string
	Topics      []string // of the samples
	Sizes       []int    // of their bodies
	Wrong       []string // what no browser could have read, or no service would take
	CPU         int64    // nanoseconds of the process since its start
}

package nagios

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"time"

	"tocsin/internal/source"
)

// CommandFile is the way of telling by the engine's command file, read back from
// its status.dat.
func CommandFile() source.WriteBackKind { return commandFile{} }

// Livestatus is the way of telling and reading by Livestatus.
func Livestatus() source.WriteBackKind { return viaLivestatus{} }

type commandFile struct{}

func (commandFile) Name() string  { return "command_file" }
func (commandFile) Title() string { return "Command file and status.dat" }
func (commandFile) For() []string { return []string{"nagios", "naemon", "openitcockpit"} }

// Releases is false: an acknowledgement there ends with the problem.
func (commandFile) Releases(source.WriteBack) bool { return false }

func (commandFile) Fields() []source.Field {
	return append([]source.Field{
		{
			Name: "command_file", Label: "Command file", Kind: "text", Required: true, Default: "/var/lib/nagios4/rw/nagios.cmd",
			Hint: "The engine's setting command_file: a FIFO on this machine that Tocsin's user may write to, as one of the engine's group.",
		},
		{
			Name: "status_file", Label: "Status file", Kind: "text", Default: "/var/lib/nagios4/status.dat",
			Hint: "The engine's setting status_file. From it Tocsin learns that an acknowledgement stands there; without it that is never known.",
		},
	}, common()...)
}

// common are the fields of both ways.
func common() []source.Field {
	return []source.Field{
		{
			Name: "expire", Label: "Hand over when an acknowledgement ends", Kind: "checkbox",
			Hint: "Only for engines that know ACKNOWLEDGE_SVC_PROBLEM_EXPIRE; Nagios Core does not. Tocsin takes an acknowledgement back itself when its time is over.",
		},
		{
			Name: "notify", Label: "Let the engine tell its contacts, too", Kind: "checkbox",
			Hint: "The engine then sends its own acknowledgement notifications. The one that comes back here is not shown twice.",
		},
		{
			Name: "confirm_seconds", Label: "Not confirmed after (seconds)", Kind: "number", Default: "120",
			Hint: "After how long an acknowledgement that the engine does not show is marked as not confirmed. Looking goes on.",
		},
	}
}

// Open checks the settings.
func (commandFile) Open(w source.WriteBack, o source.EngineOptions) (source.Engine, error) {
	if err := checkPath("write_back.command_file", w.CommandFile, true); err != nil {
		return nil, err
	}
	if err := checkPath("write_back.status_file", w.StatusFile, false); err != nil {
		return nil, err
	}
	if err := checkSeconds(w); err != nil {
		return nil, err
	}
	p := pipe{filepath.Clean(w.CommandFile)}
	e := &engine{
		tell:  p.tell,
		knock: func(context.Context) error { return p.probe() },
		enc:   Encoding{Expire: w.Expire, Notify: w.Notify},
		now:   clockOf(o),
	}
	if w.StatusFile == "" {
		e.enc.Bare = true
		return e, nil
	}
	e.looks = newStatusFile(filepath.Clean(w.StatusFile))
	return e, nil
}

type viaLivestatus struct{}

func (viaLivestatus) Name() string  { return "livestatus" }
func (viaLivestatus) Title() string { return "Livestatus" }
func (viaLivestatus) For() []string { return []string{"nagios", "naemon", "openitcockpit"} }

// Releases is false: an acknowledgement there ends with the problem.
func (viaLivestatus) Releases(source.WriteBack) bool { return false }

func (viaLivestatus) Fields() []source.Field {
	return append([]source.Field{{
		Name: "livestatus", Label: "Livestatus", Kind: "text", Required: true, Default: "unix:/var/cache/naemon/live",
		Hint: "unix:/path of the socket, or tcp:host:port. Over TCP everything goes in the clear and anybody who reaches the port may give commands: use it in a network of your own.",
	}}, common()...)
}

// Open checks the settings.
func (viaLivestatus) Open(w source.WriteBack, o source.EngineOptions) (source.Engine, error) {
	l, err := livestatusAt(w.Livestatus)
	if err != nil {
		return nil, err
	}
	if err := checkSeconds(w); err != nil {
		return nil, err
	}
	l.now = clockOf(o)
	return &engine{
		tell:  l.tell,
		knock: func(context.Context) error { return nil }, // looking uses the same socket
		looks: l,
		enc:   Encoding{Expire: w.Expire, Notify: w.Notify},
		now:   l.now,
	}, nil
}

func clockOf(o source.EngineOptions) func() time.Time {
	if o.Now == nil {
		return time.Now
	}
	return o.Now
}

// livestatusAt reads the address of a Livestatus.
func livestatusAt(s string) (livestatus, error) {
	const field, mend = "write_back.livestatus", "give unix:/path of the engine's Livestatus socket, or tcp:host:port"
	if s == "" {
		return livestatus{}, &source.FieldError{Field: field, Problem: "is missing", Mend: mend}
	}
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		if err := checkPath(field, path, true); err != nil {
			return livestatus{}, err
		}
		// sun_path of a socket's address has 108 bytes with its zero.
		if path = filepath.Clean(path); len(path) > 107 {
			return livestatus{}, &source.FieldError{Field: field, Problem: "is too long for a socket", Mend: "give a path of at most 107 bytes"}
		}
		return livestatus{network: "unix", address: path}, nil
	}
	address, ok := strings.CutPrefix(s, "tcp:")
	if !ok {
		return livestatus{}, &source.FieldError{Field: field, Problem: "is neither unix: nor tcp:", Mend: mend}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || host == "" || port == "" || strings.ContainsFunc(address, func(r rune) bool { return breaks(r) || r == ' ' }) {
		return livestatus{}, &source.FieldError{Field: field, Problem: "has no host and port", Mend: "give tcp:host:port, for example tcp:naemon.example.com:6557"}
	}
	return livestatus{network: "tcp", address: address}, nil
}

// checkPath says what is wrong with a path, or nil. Where it is not required it
// may be empty.
func checkPath(field, path string, required bool) error {
	switch {
	case path == "" && required:
		return &source.FieldError{Field: field, Problem: "is missing", Mend: "give its whole path"}
	case path == "":
		return nil
	case !filepath.IsAbs(path):
		return &source.FieldError{Field: field, Problem: "does not begin with /", Mend: "give its whole path"}
	case len(path) > 4000 || strings.ContainsFunc(path, breaks):
		return &source.FieldError{Field: field, Problem: "is no path", Mend: "give its whole path"}
	case filepath.Clean(path) == "/" || strings.HasSuffix(path, "/"):
		return &source.FieldError{Field: field, Problem: "is a directory", Mend: "give the path of the file in it"}
	}
	return nil
}

// checkSeconds says what is wrong with the time of confirmation, or nil.
func checkSeconds(w source.WriteBack) error {
	if w.ConfirmSeconds < 0 || w.ConfirmSeconds > 86400 {
		return &source.FieldError{Field: "write_back.confirm_seconds", Problem: "is out of range", Mend: "give 1 to 86400 seconds, or 0 for 120"}
	}
	return nil
}

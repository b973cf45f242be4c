package notify

import (
	"fmt"
	"strings"
)

// help is the text of --help.
func help() string {
	var b strings.Builder
	b.WriteString(`Tell the hub what the monitoring engine noticed. Made to be an engine's notification command.

Usage:
  tocsin notify --type Service --notificationtype PROBLEM --hostname web01 --service "HTTP Check" \
      --state 2 --output "CRITICAL - no answer" --contact ops
  tocsin notify --flush

The event (from the engine's macros; a value may be empty):
`)
	section := true
	for _, f := range flags() {
		if section && !f.engine {
			section = false
			b.WriteString("\nSettings (a flag goes before the environment, the environment before the file):\n")
		}
		left := "--" + f.name
		if f.arg != "" {
			left += " " + f.arg
		}
		for i, text := range strings.Split(f.help+f.origin(), "\n") {
			if i > 0 {
				left = ""
			}
			fmt.Fprintf(&b, "  %-27s %s\n", left, text)
		}
	}
	b.WriteString(`
In the engine's configuration write --flag="$MACRO$", with the equals sign and the quotes: then it
makes no difference what the value is.

Exit codes:
  0  the hub has accepted the event, or it is safe in the spool
  1  neither; the line on stderr says what to mend (with --flush: events still wait)
  2  wrong flags (with --flush: or settings); nothing was sent or spooled
`)
	return b.String()
}

// origin says where a setting may also stand, and what is in force without it.
func (f flag) origin() string {
	if f.key == "" {
		return ""
	}
	text := " [" + f.key
	if f.usual != "" {
		if len(f.help)+len(f.key)+len(f.usual) > 70 {
			text += ",\ndefault " + f.usual
		} else {
			text += ", default " + f.usual
		}
	}
	return text + "]"
}

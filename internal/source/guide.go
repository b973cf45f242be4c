package source

import (
	"fmt"
	"strings"
)

// noToken stands where the token would, when it is not to be shown any more.
const noToken = "ts_the-token-that-was-shown-once"

// ShownToken is the token as a snippet shows it: itself, or what stands for one
// that is not shown any more.
func (s Setup) ShownToken() string {
	if s.Token == "" {
		return noToken
	}
	return s.Token
}

// EventsURL is where the source's events are sent to.
func (s Setup) EventsURL() string {
	return strings.TrimRight(s.BaseURL, "/") + "/api/v1/sources/" + s.Source + "/events"
}

// NotifyEnvironment is the snippet that tells `tocsin notify` its hub and
// token, for an engine that runs it as the given user of the system.
func NotifyEnvironment(s Setup, user string) Snippet {
	return Snippet{Title: "Give the command its hub and token", Where: "the engine's machine, as root",
		Why: "With the engine's user in place of " + user + " if it has another name; and below with /usr/bin/tocsin in place of /usr/local/bin/tocsin where it comes from the Debian package.",
		Text: fmt.Sprintf(`install -d -m 0755 /etc/tocsin
install -d -m 0700 -o %[1]s -g %[1]s /var/spool/tocsin
install -m 0600 -o %[1]s -g %[1]s /dev/null /etc/tocsin/token
echo '%[2]s' > /etc/tocsin/token
cat > /etc/tocsin/notify.env <<'END'
TOCSIN_URL=%[3]s
TOCSIN_SOURCE=%[4]s
TOCSIN_TOKEN_FILE=/etc/tocsin/token
TOCSIN_SPOOL=/var/spool/tocsin
END`, user, s.ShownToken(), strings.TrimRight(s.BaseURL, "/"), s.Source)}
}

// NotifyTrial is the snippet that sends a first event by `tocsin notify`.
func NotifyTrial(user string) Snippet {
	return Snippet{Title: "Try it", Where: "the engine's machine", Why: "The page of this source turns green when it has arrived.",
		Text: "sudo -u " + user + ` tocsin notify --type Service --notificationtype CUSTOM \
  --hostname "$(hostname)" --service Tocsin --state 0 --output "Hello from here"`}
}

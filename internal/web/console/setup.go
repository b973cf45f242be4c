package console

import "fmt"

// step is one thing to do at the engine, with what to paste.
type step struct {
	Title, Text, Code string
}

// setup says how to connect an engine of a kind. It is shown with the token,
// once; without one the place of the token is named.
func setup(kind, base, name, token string) []step {
	if token == "" {
		token = "ts_…the token that was shown once…"
	}
	credentials := step{"Give the command its hub and token",
		"On the engine's machine, as root, with the engine's user in place of nagios if it has another name.",
		fmt.Sprintf(`install -d -m 0755 /etc/tocsin
install -d -m 0700 -o nagios -g nagios /var/spool/tocsin
install -m 0600 -o nagios -g nagios /dev/null /etc/tocsin/token
echo '%s' > /etc/tocsin/token
cat > /etc/tocsin/notify.env <<'END'
TOCSIN_URL=%s
TOCSIN_SOURCE=%s
TOCSIN_TOKEN_FILE=/etc/tocsin/token
TOCSIN_SPOOL=/var/spool/tocsin
END`, token, base, name)}
	try := step{"Try it", "This page turns green when it has arrived.",
		`sudo -u nagios tocsin notify --type Service --notificationtype CUSTOM \
  --hostname "$(hostname)" --service Tocsin --state 0 --output "Hello from here"`}
	switch kind {
	case "nagios", "naemon":
		return []step{credentials, {"Define the commands",
			"In a configuration file of the engine. Then give contacts (or a contact template) these commands and reload the engine.",
			`define command {
  command_name  tocsin-host
  command_line  /usr/local/bin/tocsin notify --type=Host --notificationtype="$NOTIFICATIONTYPE$" --hostname="$HOSTNAME$" --hostdisplayname="$HOSTDISPLAYNAME$" --state="$HOSTSTATEID$" --output="$HOSTOUTPUT$" --longoutput="$LONGHOSTOUTPUT$" --ackauthor="$NOTIFICATIONAUTHOR$" --ackcomment="$NOTIFICATIONCOMMENT$" --contact="$CONTACTNAME$" --time="$TIMET$"
}
define command {
  command_name  tocsin-service
  command_line  /usr/local/bin/tocsin notify --type=Service --notificationtype="$NOTIFICATIONTYPE$" --hostname="$HOSTNAME$" --hostdisplayname="$HOSTDISPLAYNAME$" --service="$SERVICEDESC$" --servicedisplayname="$SERVICEDISPLAYNAME$" --state="$SERVICESTATEID$" --output="$SERVICEOUTPUT$" --longoutput="$LONGSERVICEOUTPUT$" --ackauthor="$NOTIFICATIONAUTHOR$" --ackcomment="$NOTIFICATIONCOMMENT$" --contact="$CONTACTNAME$" --time="$TIMET$"
}
define contact {
  contact_name                   ops
  use                            generic-contact
  host_notification_commands     tocsin-host
  service_notification_commands  tocsin-service
}`}, try}
	case "openitcockpit":
		return []step{credentials, {"Replace the path in the commands",
			"In openITCOCKPIT's notification commands. The flags of its own commands, --user-id too, are understood as they are; these also carry the names for people.",
			`# host
/usr/local/bin/tocsin notify --type=Host --notificationtype="$NOTIFICATIONTYPE$" --hostuuid="$HOSTNAME$" --hostdisplayname="$HOSTDISPLAYNAME$" --state="$HOSTSTATEID$" --output="$HOSTOUTPUT$" --ackauthor="$NOTIFICATIONAUTHOR$" --ackcomment="$NOTIFICATIONCOMMENT$" --contact="$CONTACTNAME$" --time="$TIMET$"
# service
/usr/local/bin/tocsin notify --type=Service --notificationtype="$NOTIFICATIONTYPE$" --hostuuid="$HOSTNAME$" --hostdisplayname="$HOSTDISPLAYNAME$" --serviceuuid="$SERVICEDESC$" --servicedisplayname="$SERVICEDISPLAYNAME$" --state="$SERVICESTATEID$" --output="$SERVICEOUTPUT$" --ackauthor="$NOTIFICATIONAUTHOR$" --ackcomment="$NOTIFICATIONCOMMENT$" --contact="$CONTACTNAME$" --time="$TIMET$"`}, try}
	}
	return []step{{"Send events as JSON", "One event, an array of them, or {\"events\":[…]}. The answer comes when they are on disk.",
		fmt.Sprintf(`curl %s/api/v1/sources/%s/events \
  -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \
  -d '{"type":"PROBLEM","host":"web01","service":"HTTP","state":"critical","output":"no answer"}'`, base, name, token)}}
}

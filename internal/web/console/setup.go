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
		"On the engine's machine, as root. The file is for the engine's user alone.",
		fmt.Sprintf(`install -d -m 0755 /etc/tocsin
install -m 0640 -g nagios /dev/null /etc/tocsin/notify.env
cat > /etc/tocsin/notify.env <<'END'
TOCSIN_URL=%s
TOCSIN_SOURCE=%s
TOCSIN_TOKEN=%s
END`, base, name, token)}
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
			"In openITCOCKPIT under Commands, Notifications. The flags stay as they are.",
			`# host
/usr/local/bin/tocsin notify --type Host --notificationtype "$NOTIFICATIONTYPE$" --hostuuid "$HOSTNAME$" --hostdisplayname="$HOSTDISPLAYNAME$" --state "$HOSTSTATEID$" --output "$HOSTOUTPUT$" --ackauthor "$NOTIFICATIONAUTHOR$" --ackcomment "$NOTIFICATIONCOMMENT$" --user-id $_CONTACTOITCUSERID$
# service
/usr/local/bin/tocsin notify --type Service --notificationtype "$NOTIFICATIONTYPE$" --hostuuid "$HOSTNAME$" --hostdisplayname="$HOSTDISPLAYNAME$" --serviceuuid "$SERVICEDESC$" --servicedisplayname="$SERVICEDISPLAYNAME$" --state "$SERVICESTATEID$" --output "$SERVICEOUTPUT$" --ackauthor "$NOTIFICATIONAUTHOR$" --ackcomment "$NOTIFICATIONCOMMENT$" --user-id $_CONTACTOITCUSERID$`}, try}
	}
	return []step{{"Send events as JSON", "One event, an array of them, or {\"events\":[…]}. The answer comes when they are on disk.",
		fmt.Sprintf(`curl %s/api/v1/sources/%s/events \
  -H 'Authorization: Bearer %s' -H 'Content-Type: application/json' \
  -d '{"type":"PROBLEM","host":"web01","service":"HTTP","state":"critical","output":"no answer"}'`, base, name, token)}}
}

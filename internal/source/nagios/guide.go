package nagios

import "tocsin/internal/source"

// Snippets are how its notifications come here: credentials for `tocsin notify`,
// its commands, a contact that uses them, and a trial. Texts stand in single
// quotes: the engine takes these out of texts (illegal_macro_output_chars), and
// between them a backslash at a text's end, which it leaves there, joins nothing
// with what follows. Names may have an apostrophe, so they stand in double ones.
func (k Kind) Snippets(s source.Setup) []source.Snippet {
	user, file := "nagios", "/etc/nagios4/conf.d/tocsin.cfg"
	why := "Give the contact, or a contact template, to the hosts and services that are meant, and reload " + k.title + "."
	if k.name == "naemon" {
		user, file = "naemon", "/etc/naemon/conf.d/tocsin.cfg"
	} else {
		why += " Nagios before 4.5.14 (Debian 12: before 4.4.6-4+deb12u2) lets the shell obey what people write in acknowledgements (CVE-2026-48554): upgrade it, or leave --ackauthor and --ackcomment out."
	}
	return []source.Snippet{
		source.NotifyEnvironment(s, user),
		{
			Title: "Define the commands and a contact", Where: file,
			Why: why,
			Text: `define command {
  command_name  tocsin-host
  command_line  /usr/local/bin/tocsin notify --type=Host --notificationtype="$NOTIFICATIONTYPE$" --hostname="$HOSTNAME$" --hostdisplayname="$HOSTDISPLAYNAME$" --state="$HOSTSTATEID$" --output='$HOSTOUTPUT$' --longoutput='$LONGHOSTOUTPUT$' --label="attempt=$HOSTATTEMPT$/$MAXHOSTATTEMPTS$" --ackauthor='$NOTIFICATIONAUTHOR$' --ackcomment='$NOTIFICATIONCOMMENT$' --contact="$CONTACTNAME$" --time="$TIMET$"
}
define command {
  command_name  tocsin-service
  command_line  /usr/local/bin/tocsin notify --type=Service --notificationtype="$NOTIFICATIONTYPE$" --hostname="$HOSTNAME$" --hostdisplayname="$HOSTDISPLAYNAME$" --service="$SERVICEDESC$" --servicedisplayname="$SERVICEDISPLAYNAME$" --state="$SERVICESTATEID$" --output='$SERVICEOUTPUT$' --longoutput='$LONGSERVICEOUTPUT$' --label="attempt=$SERVICEATTEMPT$/$MAXSERVICEATTEMPTS$" --ackauthor='$NOTIFICATIONAUTHOR$' --ackcomment='$NOTIFICATIONCOMMENT$' --contact="$CONTACTNAME$" --time="$TIMET$"
}
define contact {
  contact_name                   ops
  use                            generic-contact
  host_notification_commands     tocsin-host
  service_notification_commands  tocsin-service
}`,
		},
		source.NotifyTrial(user),
	}
}

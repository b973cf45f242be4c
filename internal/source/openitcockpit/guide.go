package openitcockpit

import "tocsin/internal/source"

// Snippets say how openITCOCKPIT is set up to run `tocsin notify`. Texts stand in
// single quotes, as in those of Nagios, and for the same reason.
func (Kind) Snippets(s source.Setup) []source.Snippet {
	return []source.Snippet{
		source.NotifyEnvironment(s, "nagios"),
		{Title: "Replace the path in the commands", Where: "openITCOCKPIT's notification commands",
			Why: "The flags of its own browser and Mattermost commands, --user-id and --no-emoji too, are understood as they are: it is enough to put /usr/local/bin/tocsin notify in the place of the program. These also carry the names for people.",
			Text: `# host
/usr/local/bin/tocsin notify --type=Host --notificationtype="$NOTIFICATIONTYPE$" --hostuuid="$HOSTNAME$" --hostdisplayname="$HOSTDISPLAYNAME$" --state="$HOSTSTATEID$" --output='$HOSTOUTPUT$' --ackauthor='$NOTIFICATIONAUTHOR$' --ackcomment='$NOTIFICATIONCOMMENT$' --contact="$CONTACTNAME$" --time="$TIMET$"
# service
/usr/local/bin/tocsin notify --type=Service --notificationtype="$NOTIFICATIONTYPE$" --hostuuid="$HOSTNAME$" --hostdisplayname="$HOSTDISPLAYNAME$" --serviceuuid="$SERVICEDESC$" --servicedisplayname="$SERVICEDISPLAYNAME$" --state="$SERVICESTATEID$" --output='$SERVICEOUTPUT$' --ackauthor='$NOTIFICATIONAUTHOR$' --ackcomment='$NOTIFICATIONCOMMENT$' --contact="$CONTACTNAME$" --time="$TIMET$"`},
		source.NotifyTrial("nagios"),
	}
}

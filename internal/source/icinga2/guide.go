package icinga2

import "tocsin/internal/source"

// Snippets say how Icinga 2 is set up to run `tocsin notify`, and which user of
// its API the way back needs. Each argument is one element of the command:
// Icinga runs it without a shell, and no text of a check can become another one.
func (Kind) Snippets(s source.Setup) []source.Snippet {
	return []source.Snippet{
		source.NotifyEnvironment(s, "nagios"),
		{Title: "Define commands and notifications", Where: "/etc/icinga2/conf.d/tocsin.conf, or in your zone's folder",
			Why: "The user's name is looked for among Tocsin's contacts. Then reload Icinga 2. Elsewhere than on Debian its user is icinga.",
			Text: `object User "ops" { }

object NotificationCommand "tocsin-host" {
  command = [ "/usr/local/bin/tocsin", "notify", "--type=Host", "--notificationtype=$notification.type$",
    "--hostname=$host.name$", "--hostdisplayname=$host.display_name$", "--state=$host.state_id$", "--output=$host.output$",
    "--label=attempt=$host.check_attempt$/$host.max_check_attempts$",
    "--ackauthor=$notification.author$", "--ackcomment=$notification.comment$", "--contact=$user.name$", "--time=$icinga.timet$" ]
}

object NotificationCommand "tocsin-service" {
  command = [ "/usr/local/bin/tocsin", "notify", "--type=Service", "--notificationtype=$notification.type$",
    "--hostname=$host.name$", "--hostdisplayname=$host.display_name$",
    "--service=$service.name$", "--servicedisplayname=$service.display_name$", "--state=$service.state_id$", "--output=$service.output$",
    "--label=attempt=$service.check_attempt$/$service.max_check_attempts$",
    "--ackauthor=$notification.author$", "--ackcomment=$notification.comment$", "--contact=$user.name$", "--time=$icinga.timet$" ]
}

apply Notification "tocsin" to Host {
  command = "tocsin-host"
  users = [ "ops" ]
  interval = 0 // Tocsin reminds by itself
  assign where true
}

apply Notification "tocsin" to Service {
  command = "tocsin-service"
  users = [ "ops" ]
  interval = 0
  assign where true
}`},
		{Title: "Let acknowledgements come back", Where: "/etc/icinga2/conf.d/api-users.conf",
			Why: "For the way back to the engine. Choose a password, reload Icinga 2, and give both to this source. icinga2 api setup switches the API on.",
			Text: `object ApiUser "tocsin" {
  password = "choose one"
  permissions = [
    "actions/acknowledge-problem", "actions/remove-acknowledgement", "actions/add-comment",
    "actions/schedule-downtime", "actions/remove-downtime",
    "objects/query/Host", "objects/query/Service", "objects/query/Comment", "objects/query/Downtime"
  ]
}`},
		source.NotifyTrial("nagios"),
	}
}

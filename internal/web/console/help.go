package console

import "strings"

// DocsPath is where the hub shows the documentation; helps name its pages.
const DocsPath = "/docs/"

// help is the page of the documentation about a page of the console.
type help struct{ Title, Path string }

// helps are where help is likely wanted, by the beginning of the page's path. What comes
// first is taken.
func helps() [][3]string {
	return [][3]string{
		{"/console/sources", "connect an engine", "engines.html"},
		{notificationsPath, "Web Push", "webpush.html"},
		{emailPath, "e-mail", "email.html"},
		{"/console/me", "when something does not appear", "troubleshooting.html"},
		{"/console/deliveries", "when something does not appear", "troubleshooting.html"},
		{mattermostPath, "Mattermost", "mattermost.html"},
		{linkPath, "Mattermost", "mattermost.html"},
		{webhooksPath, "webhooks", "webhooks.html"},
		{onCallPath, "on call", "on-call.html"},
		{schedulesPath, "on call", "on-call.html"},
		{policiesPath, "on call", "on-call.html"},
		{windowsPath, "quiet hours and maintenance", "quiet.html"},
		{"/console/periods", "quiet hours and maintenance", "quiet.html"},
		{"/console/settings", "every setting", "settings.html#settings"},
		{simulatePath, "the simulator", "simulate.html"},
		{"/console/rules", "the simulator", "simulate.html"},
		{importPath, "move a status page", "moving-status-page.html"},
		{subscribersPath, "visitors", "visitors.html"},
		{statusPagesPath, "status pages", "status-page.html"},
		{componentsPath, "status pages", "status-page.html"},
		{incidentsPath, "status pages", "status-page.html"},
		{templatesPath, "status pages", "status-page.html"},
		{maintenancePath, "status pages", "status-page.html"},
		{seriesPath, "status pages", "status-page.html"},
		{accountPath, "signing in", "sign-in.html"},
		{"/console/users", "signing in", "sign-in.html"},
		{"/console/keys", "the API", "api.html"},
		{trailPath, "the audit trail", "audit.html"},
		{"/console/health", "operations", "operations.html"},
	}
}

// helpFor is the help of the page at a path, nothing where there is none.
func helpFor(path string) help {
	for _, h := range helps() {
		if path == h[0] || strings.HasPrefix(path, h[0]+"/") {
			return help{h[1], DocsPath + h[2]}
		}
	}
	return help{}
}

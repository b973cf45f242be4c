package console

import (
	"net/http"
	"slices"

	"tocsin/internal/auth"
)

type routing struct {
	pattern string
	scope   auth.Scope // empty: everybody who is signed in
	page    page
}

// routes lists every page and form with what somebody must be allowed to do.
func (c *console) routes() []routing {
	return slices.Concat(c.ownRoutes(), c.accountRoutes(), c.emailRoutes(), c.statusRoutes(), c.planningRoutes(), c.simulateRoutes())
}

func (c *console) ownRoutes() []routing {
	return []routing{
		{"GET /console/{$}", "", func(w http.ResponseWriter, v *visit) error {
			http.Redirect(w, v.Request, "/console/alerts", http.StatusSeeOther)
			return nil
		}},
		{"GET /console/", "", func(w http.ResponseWriter, v *visit) error {
			c.fail(w, v, http.StatusNotFound, "There is no such page", "The menu leads to all there are.")
			return nil
		}},
		{"POST /console/sign-out", "", c.signOut},

		{"GET /console/alerts", auth.ReadAlerts, c.alerts},
		{"GET /console/alerts/rows", auth.ReadAlerts, c.alertRows},
		{"POST /console/alerts/acknowledge", auth.AckAlerts, c.acknowledgeMany},
		{"GET /console/alerts/{id}", auth.ReadAlerts, c.alert},
		{"POST /console/alerts/{id}/acknowledge", auth.AckAlerts, c.acknowledge},
		{"POST /console/alerts/{id}/unacknowledge", auth.AckAlerts, c.unacknowledge},
		{"POST /console/alerts/{id}/snooze", auth.AckAlerts, c.snooze},
		{"POST /console/alerts/{id}/unsnooze", auth.AckAlerts, c.unsnooze},
		{"POST /console/alerts/{id}/comment", auth.AckAlerts, c.commentOn},
		{"POST /console/alerts/{id}/downtime", auth.Downtime, c.scheduleDowntime},
		{"POST /console/alerts/{id}/downtime/cancel", auth.Downtime, c.cancelDowntime},
		{"GET /console/act/{id}", auth.ReadAlerts, c.act},
		{"GET /console/objects/{id}", auth.ReadAlerts, c.object},
		{"GET /console/deliveries", auth.ReadAlerts, c.deliveries},

		{"GET /console/contacts", auth.ReadConfig, c.contacts},
		{"GET /console/contacts/{id}", auth.ReadConfig, c.contact},
		{"POST /console/contacts/{id}", auth.WriteConfig, c.saveContact},
		{"GET /console/contacts/{id}/delete", auth.WriteConfig, c.askDeleteContact},
		{"POST /console/contacts/{id}/delete", auth.WriteConfig, c.deleteContact},

		{"GET /console/groups", auth.ReadConfig, c.groups},
		{"GET /console/groups/{id}", auth.ReadConfig, c.group},
		{"POST /console/groups/{id}", auth.WriteConfig, c.saveGroup},
		{"GET /console/groups/{id}/delete", auth.WriteConfig, c.askDeleteGroup},
		{"POST /console/groups/{id}/delete", auth.WriteConfig, c.deleteGroup},

		{"GET /console/rules", auth.ReadConfig, c.rules},
		{"GET /console/rules/{id}", auth.ReadConfig, c.rule},
		{"POST /console/rules/{id}", auth.WriteConfig, c.saveRule},
		{"POST /console/rules/{id}/move", auth.WriteConfig, c.moveRule},
		{"POST /console/rules/{id}/switch", auth.WriteConfig, c.switchRule},
		{"GET /console/rules/{id}/delete", auth.WriteConfig, c.askDeleteRule},
		{"POST /console/rules/{id}/delete", auth.WriteConfig, c.deleteRule},

		{"GET /console/periods", auth.ReadConfig, c.periods},
		{"GET /console/periods/{id}", auth.ReadConfig, c.period},
		{"POST /console/periods/{id}", auth.WriteConfig, c.savePeriod},
		{"GET /console/periods/{id}/delete", auth.WriteConfig, c.askDeletePeriod},
		{"POST /console/periods/{id}/delete", auth.WriteConfig, c.deletePeriod},

		{"GET /console/sources", auth.ReadConfig, c.sources},
		{"GET /console/sources/{id}", auth.ReadConfig, c.source},
		{"POST /console/sources/{id}", auth.Administer, c.saveSource},
		{"POST /console/sources/{id}/probe", auth.Administer, c.probeSource},
		{"POST /console/sources/{id}/try", auth.Administer, c.tryExample},
		{"POST /console/sources/{id}/token", auth.Administer, c.rotateToken},
		{"GET /console/sources/{id}/delete", auth.Administer, c.askDeleteSource},
		{"POST /console/sources/{id}/delete", auth.Administer, c.deleteSource},

		{"GET /console/users", auth.Administer, c.users},
		{"GET /console/users/{id}", auth.Administer, c.user},
		{"POST /console/users/{id}", auth.Administer, c.saveUser},
		{"GET /console/users/{id}/delete", auth.Administer, c.askDeleteUser},
		{"POST /console/users/{id}/delete", auth.Administer, c.deleteUser},

		{"GET /console/keys", auth.Administer, c.keys},
		{"GET /console/keys/new", auth.Administer, c.newKey},
		{"POST /console/keys/new", auth.Administer, c.createKey},
		{"GET /console/keys/{id}/delete", auth.Administer, c.askRevokeKey},
		{"POST /console/keys/{id}/delete", auth.Administer, c.revokeKey},

		{"GET " + mattermostPath, auth.ReadConfig, c.mattermost},
		{"POST " + mattermostPath, auth.Administer, c.saveMattermost},
		{"POST " + mattermostPath + "/bot", auth.Administer, c.checkBot},
		{"POST " + mattermostPath + "/key", auth.Administer, c.makeMattermostKey},
		{"GET " + mattermostPath + "/rooms/{id}", auth.ReadConfig, c.room},
		{"POST " + mattermostPath + "/rooms/{id}", auth.Administer, c.saveRoom},
		{"POST " + mattermostPath + "/rooms/{id}/test", auth.Administer, c.testRoom},
		{"GET " + mattermostPath + "/rooms/{id}/delete", auth.Administer, c.askDeleteRoom},
		{"POST " + mattermostPath + "/rooms/{id}/delete", auth.Administer, c.deleteRoom},
		{"POST " + mattermostPath + "/people/{id}/unlink", auth.ReadAlerts, c.unlink},
		{"GET " + linkPath, "", c.link},
		{"POST " + linkPath, "", c.takeLink},

		{"GET " + trailPath, auth.Administer, c.trail},
		{"GET /console/settings", auth.ReadConfig, c.settings},
		{"POST /console/settings", auth.Administer, c.saveSettings},
		{"GET " + notificationsPath, auth.ReadConfig, c.pushSettings},
		{"POST " + notificationsPath, auth.Administer, c.savePushSettings},
		{"GET " + notificationsPath + "/rotate", auth.Administer, c.askRotatePushKey},
		{"POST " + notificationsPath + "/rotate", auth.Administer, c.rotatePushKey},
		{"GET " + notificationsPath + "/keys/{id}/delete", auth.Administer, c.askDeletePushKey},
		{"POST " + notificationsPath + "/keys/{id}/delete", auth.Administer, c.deletePushKey},
		{"POST /console/devices/{id}/test", auth.ReadAlerts, c.testDevice},
		{"GET /console/devices/{id}/remove", auth.ReadAlerts, c.askRemoveDevice},
		{"POST /console/devices/{id}/remove", auth.ReadAlerts, c.removeDevice},
		{"GET /console/health", auth.ReadAlerts, c.health},
		{"GET /console/me", "", c.me},
	}
}

// Paths are the pages that exist on every installation, for tests that look at
// each of them.
func Paths() []string {
	return []string{
		"/console/alerts", "/console/alerts?status=all", "/console/deliveries",
		"/console/contacts", "/console/contacts/new", "/console/groups", "/console/groups/new",
		"/console/rules", "/console/rules/new", "/console/periods", "/console/periods/new",
		"/console/sources", "/console/sources/new", "/console/users", "/console/users/new",
		incidentsPath, templatesPath, auditPath,
		trailPath, "/console/keys", "/console/keys/new", mattermostPath, mattermostPath + "/rooms/new", emailPath, linkPath, "/console/settings", notificationsPath, notificationsPath + "/rotate", "/console/health", "/console/me", accountPath, confirmPath,
		statusPagesPath, statusPagesPath + "/new", importPath, componentsPath,
		maintenancePath, maintenancePath + "/new", seriesPath + "/new", subscribersPath,
		onCallPath, schedulesPath, schedulesPath + "/new", policiesPath, policiesPath + "/new",
		windowsPath, windowsPath + "/new", webhooksPath, webhooksPath + "/new", simulatePath,
	}
}

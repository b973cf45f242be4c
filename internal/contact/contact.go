package contact

// Contact is somebody who is told. Contacts are known to the engine by Name;
// the user who signs in is linked by UserID.
type Contact struct {
	ID                   string  `json:"id"`
	Name                 string  `json:"name"`         // the engine's name of it, unique here
	DisplayName          string  `json:"display_name"` // empty: Name is shown
	Email                string  `json:"email"`
	UserID               string  `json:"user_id"`               // the linked user, empty if none
	EngineUserID         string  `json:"engine_user_id"`        // what openITCOCKPIT passes as --user-id, empty if none
	HostOptions          Options `json:"host_options"`          // of d u r f s
	ServiceOptions       Options `json:"service_options"`       // of w u c r f s
	HostPeriodID         string  `json:"host_period_id"`        // empty: always
	ServicePeriodID      string  `json:"service_period_id"`     // empty: always
	HostNotifications    bool    `json:"host_notifications"`    // notifications enabled for hosts at all
	ServiceNotifications bool    `json:"service_notifications"` // and for services
	PushHost             bool    `json:"push_host"`             // in the browser, for hosts
	PushService          bool    `json:"push_service"`          // in the browser, for services
	Mattermost           string  `json:"mattermost"`            // "" not there, MattermostDirect, or the id of a room
	MailHost             bool    `json:"mail_host"`             // by e-mail, for hosts
	MailService          bool    `json:"mail_service"`          // and for services
	Hook                 string  `json:"hook"`                  // id of a webhook of its own, empty: none
	QuietPeriodID        string  `json:"quiet_period_id"`       // in this time period it wants to be left in peace; empty: never
	QuietPass            string  `json:"quiet_pass"`            // what is told all the same: QuietNothing, QuietCritical, QuietWarning
}

// What passes a contact's quiet hours. Whoever is on call is told of everything.
const (
	QuietNothing  = ""         // nothing does
	QuietCritical = "critical" // critical services, hosts that are down
	QuietWarning  = "warning"  // those, warnings, unknown and unreachable: all problems, but no recoveries
)

// MattermostDirect is the Contact.Mattermost of whoever wants direct messages.
const MattermostDirect = "direct"

// Options is a set of notification options in Nagios' letters, in canonical
// order and without repeats: "d,u,r,f,s" for hosts (down, unreachable,
// recovery, flapping, scheduled downtime), "w,u,c,r,f,s" for services
// (warning, unknown, critical, recovery, flapping, scheduled downtime). "n"
// alone, or an empty text, is none.
type Options string

// Group is several contacts under one name.
type Group struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Description string   `json:"description"`
	ContactIDs  []string `json:"contact_ids"`
	ScheduleIDs []string `json:"schedule_ids"` // who is on call there belongs to the group at that moment
}

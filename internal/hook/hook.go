// Package hook is about webhooks that are told of alerts: what is set of one, and
// what is posted to it. Pure.
package hook

import "time"

// Form is what is posted.
type Form string

// The forms.
const (
	JSON   Form = "json"    // all that is known, see docs/webhooks.md
	Slack  Form = "slack"   // as incoming webhooks of Slack, Mattermost, Rocket.Chat and Discord (/slack) take it
	Teams  Form = "msteams" // an adaptive card, as workflows of Microsoft Teams take it
	Ntfy   Form = "ntfy"    // https://docs.ntfy.sh/publish/#publish-as-json
	Gotify Form = "gotify"
	Fields Form = "fields" // JSON of one's own: Template says which fields
)

// Hook is one webhook.
type Hook struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"` // for people, unique here
	Form       Form              `json:"form"`
	Topic      string            `json:"topic"`      // of ntfy
	Template   map[string]any    `json:"template"`   // of Fields: a JSON object whose texts may name values: {{state}}
	Everything bool              `json:"everything"` // gets every alert; else what rules, contacts and policies send there
	Disabled   bool              `json:"disabled"`
	Private    bool              `json:"private"`   // may be in a network that is not public
	UseProxy   bool              `json:"use_proxy"` // the outgoing proxy of the settings
	Headers    map[string]string `json:"headers"`   // no secrets: these are shown

	// Secrets, stored apart and never shown: the address, the key of the signature, and
	// a token (Bearer for ntfy and JSON, X-Gotify-Key for Gotify; may be empty).
	URL    string `json:"-"`
	Secret string `json:"-"`
	Token  string `json:"-"`

	Host        string    `json:"host"` // of URL, for people
	LastSent    time.Time `json:"last_sent"`
	LastError   string    `json:"last_error"`
	LastErrorAt time.Time `json:"last_error_at"`
	Created     time.Time `json:"created"`
}

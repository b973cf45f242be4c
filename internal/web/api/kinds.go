package api

import (
	"context"
	"net/http"
	"time"

	"tocsin/internal/source"
	"tocsin/internal/web"
)

// WriteBackIO is how an engine is told what was done here. Which fields a kind
// uses, GET /sources/kinds says. The secret is apart.
type WriteBackIO struct {
	Kind           string `json:"kind" maxLength:"50" doc:"One of those that fit the source's kind; none: it is told nothing" example:"command_file"`
	CommandFile    string `json:"command_file,omitempty" maxLength:"500" doc:"The engine's FIFO" example:"/var/lib/nagios4/rw/nagios.cmd"`
	StatusFile     string `json:"status_file,omitempty" maxLength:"500" doc:"status.dat" example:"/var/lib/nagios4/status.dat"`
	Livestatus     string `json:"livestatus,omitempty" maxLength:"500" doc:"unix:/path or tcp:host:port" example:"unix:/var/cache/naemon/live"`
	URL            string `json:"url,omitempty" maxLength:"500" doc:"Of the engine's API" example:"https://icinga.example.com:5665"`
	User           string `json:"user,omitempty" maxLength:"200"`
	CA             string `json:"ca,omitempty" maxLength:"50000" doc:"PEM of who signed the engine's certificate; none: the system's"`
	ServerName     string `json:"server_name,omitempty" maxLength:"253" doc:"In the certificate, where it is not the URL's host"`
	UseProxy       bool   `json:"use_proxy,omitempty" doc:"Through the outgoing proxy"`
	Silence        bool   `json:"silence,omitempty" doc:"Alertmanager: an acknowledgement makes a silence"`
	Expire         bool   `json:"expire,omitempty" doc:"The engine takes acknowledgements that expire"`
	Notify         bool   `json:"notify,omitempty" doc:"The engine tells its own contacts, too"`
	ConfirmSeconds int    `json:"confirm_seconds,omitempty" minimum:"0" maximum:"86400" doc:"After how long what the engine did not confirm is shown as not confirmed; 0: 120"`
}

func (w WriteBackIO) writeBack() source.WriteBack {
	return source.WriteBack{
		Kind: w.Kind, CommandFile: w.CommandFile, StatusFile: w.StatusFile, Livestatus: w.Livestatus, URL: w.URL, User: w.User, CA: w.CA,
		ServerName: w.ServerName, UseProxy: w.UseProxy, Silence: w.Silence, Expire: w.Expire, Notify: w.Notify, ConfirmSeconds: w.ConfirmSeconds,
	}
}

func writeBackOut(w source.WriteBack) WriteBackIO {
	if !w.On() {
		return WriteBackIO{Kind: "none"}
	}
	return WriteBackIO{
		Kind: w.Kind, CommandFile: w.CommandFile, StatusFile: w.StatusFile, Livestatus: w.Livestatus, URL: w.URL, User: w.User, CA: w.CA,
		ServerName: w.ServerName, UseProxy: w.UseProxy, Silence: w.Silence, Expire: w.Expire, Notify: w.Notify, ConfirmSeconds: w.ConfirmSeconds,
	}
}

// MappingIO says where a JSON that is not ours has what an event needs.
type MappingIO struct {
	Events  string            `json:"events,omitempty" maxLength:"500" doc:"JSON pointer to the array of events; none: the body is one, or an array" example:"/alerts"`
	ID      string            `json:"id,omitempty" maxLength:"500" doc:"JSON pointers into one event, or =text for a text that is always the same"`
	Type    string            `json:"type,omitempty" maxLength:"500" doc:"None: RECOVERY for a good state, else PROBLEM"`
	Types   map[string]string `json:"types,omitempty" doc:"From its words to types"`
	Host    string            `json:"host,omitempty" maxLength:"500" example:"/labels/host"`
	Service string            `json:"service,omitempty" maxLength:"500" example:"/check"`
	State   string            `json:"state,omitempty" maxLength:"500" example:"/status"`
	States  map[string]string `json:"states,omitempty" doc:"From its words to states: {\"firing\": \"critical\", \"resolved\": \"ok\"}"`
	Output  string            `json:"output,omitempty" maxLength:"500" example:"/message"`
	Long    string            `json:"long_output,omitempty" maxLength:"500"`
	Author  string            `json:"author,omitempty" maxLength:"500"`
	Comment string            `json:"comment,omitempty" maxLength:"500"`
	Contact string            `json:"contact,omitempty" maxLength:"500"`
	Time    string            `json:"time,omitempty" maxLength:"500"`
	URL     string            `json:"url,omitempty" maxLength:"500"`
	Labels  string            `json:"labels,omitempty" maxLength:"500" doc:"Pointer to an object of texts"`
}

func (m MappingIO) mapping() *source.Mapping {
	if m.Host == "" && m.Service == "" && m.State == "" && m.Events == "" {
		return nil
	}
	return &source.Mapping{
		Events: m.Events, ID: m.ID, Type: m.Type, Types: m.Types, Host: m.Host, Service: m.Service, State: m.State, States: m.States, Output: m.Output,
		Long: m.Long, Author: m.Author, Comment: m.Comment, Contact: m.Contact, Time: m.Time, URL: m.URL, Labels: m.Labels,
	}
}

func mappingOut(m *source.Mapping) *MappingIO {
	if m == nil {
		return nil
	}
	return &MappingIO{
		Events: m.Events, ID: m.ID, Type: m.Type, Types: m.Types, Host: m.Host, Service: m.Service, State: m.State, States: m.States, Output: m.Output,
		Long: m.Long, Author: m.Author, Comment: m.Comment, Contact: m.Contact, Time: m.Time, URL: m.URL, Labels: m.Labels,
	}
}

// SnippetOut is configuration that a person pastes somewhere.
type SnippetOut struct {
	Title string `json:"title" example:"Notification commands"`
	Where string `json:"where" example:"/etc/nagios4/conf.d/tocsin.cfg"`
	Why   string `json:"why" doc:"What to do with it; may be empty"`
	Text  string `json:"text"`
}

// KindOut is one kind of source.
type KindOut struct {
	Name       string         `json:"name" example:"nagios"`
	Title      string         `json:"title" example:"Nagios"`
	Signs      bool           `json:"signs" doc:"Its requests can be signed with the source's secret"`
	Maps       bool           `json:"maps" doc:"It takes a mapping"`
	WriteBacks []WriteBackOut `json:"write_backs" doc:"How such an engine can be told what was done here; besides these, none"`
}

// WriteBackOut is one way of telling engines.
type WriteBackOut struct {
	Name   string     `json:"name" example:"command_file"`
	Title  string     `json:"title" example:"Command file and status.dat"`
	Fields []FieldOut `json:"fields" doc:"Which fields of write_back it uses; secret is write_back_secret"`
}

// FieldOut is one field of a form.
type FieldOut struct {
	Name     string `json:"name"`
	Label    string `json:"label"`
	Hint     string `json:"hint"`
	Kind     string `json:"kind" enum:"text,secret,checkbox,pem,number"`
	Required bool   `json:"required"`
	Default  string `json:"default"`
}

// KindsOut are all kinds.
type KindsOut struct {
	Items []KindOut `json:"items" doc:"In the order in which they are offered"`
}

// TriedOut is what became of a try.
type TriedOut struct {
	OK     bool   `json:"ok"`
	Detail string `json:"detail" doc:"For people: that it went well, or which step failed and the mend"`
}

// probeWithin bounds a try of an engine, so that it is answered before whoever
// asks gives up.
const probeWithin = 8 * time.Second

func (a *API) sourceKindRoutes() {
	register(a, readConfig(), route("sources", http.MethodGet, "/sources/kinds", "list-source-kinds", "The kinds of source, and how each can be told what was done here"),
		func(context.Context, *struct{}) (*body[KindsOut], error) {
			return give(KindsOut{each(a.d.Kinds, a.kindOut)}), nil
		})
	probe := route("sources", http.MethodPost, "/sources/{id}/probe", "probe-source", "Try whether the source's engine can be told, without changing anything there")
	probe.Errors = []int{http.StatusNotFound}
	register(a, administer(), probe, func(ctx context.Context, in *byID) (*body[TriedOut], error) {
		s, err := a.source(ctx, in.ID)
		if err != nil {
			return nil, err
		}
		if !s.WriteBack.On() {
			return give(TriedOut{Detail: "This source's engine is told nothing: choose how it is told first."}), nil
		}
		ctx, cancel := context.WithTimeout(ctx, probeWithin)
		defer cancel()
		if err := a.d.Probe(ctx, s); err != nil {
			return give(TriedOut{Detail: err.Error()}), nil
		}
		return give(TriedOut{OK: true, Detail: "The engine answers, and lets Tocsin in."}), nil
	})
}

func (a *API) kindOut(k source.Kind) KindOut {
	_, signs := k.(source.Signed)
	return KindOut{Name: k.Name(), Title: k.Title(), Signs: signs, Maps: k.Name() == "generic",
		WriteBacks: each(web.WriteBacksFor(k.Name(), a.d.WriteBacks), func(w source.WriteBackKind) WriteBackOut {
			return WriteBackOut{Name: w.Name(), Title: w.Title(), Fields: each(w.Fields(), func(f source.Field) FieldOut { return FieldOut(f) })}
		})}
}

// snippets is what is pasted at the engine, none where its kind says nothing.
func (a *API) snippets(s source.Source, token string) []SnippetOut {
	g, ok := a.kinds[s.Kind].(source.Guided)
	if !ok {
		return []SnippetOut{}
	}
	return each(g.Snippets(source.Setup{BaseURL: a.d.BaseURL, Source: s.Name, Token: token}), func(x source.Snippet) SnippetOut { return SnippetOut(x) })
}

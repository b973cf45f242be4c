package console

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/dispatch"
	"tocsin/internal/fault"
	"tocsin/internal/source"
)

const alertsPerPage = 100

type alertsView struct {
	shell
	Counts  alert.Counts
	Tabs    []tab
	States  []option
	Sources []option
	Kinds   []option
	Search  string
	ToldMe  bool
	CanTold bool // the visitor has a contact, so "told me" means something
	Status  string
	Rows    []alertRow
	Older   string // address of the next page
	Further string // address of a page that looks through all, where this one stopped before
	First   string // address of the first page, when this is a later one
	Narrow  bool   // a filter besides the status is set
	Plain   string // address without the filter
	LastAt  time.Time
	Sourced bool // there is a source at all
	Storm   string
}

type tab struct {
	Title, Path string
	Count       int
	Counted     bool
	Current     bool
}

// alertRow is one alert as the list shows it.
type alertRow struct {
	alert.Alert
	Source string
	MayAck bool
	Back   string
	Says   engineSays // what the engine made of the acknowledgement
	// Order sorts as the list does: open ones first, then the newest.
	Order string
}

// Short is the output's first line.
func (r alertRow) Short() string {
	line, _, _ := strings.Cut(r.Output, "\n")
	return line
}

// RowSays is what stands of the engine in the list: nothing where it is not told.
func (r alertRow) RowSays() *engineSays {
	if r.Ack == nil || !r.Open() || !r.Ack.Origin.Here() || r.Ack.Confirmation == alert.Local || r.Ack.Confirmation == "" {
		return nil
	}
	return &r.Says
}

type statusTab struct {
	key, title string
	status     []alert.Status
}

// statuses are the tabs; the first is where the menu leads.
func statuses() []statusTab {
	return []statusTab{
		{"open", "Open", []alert.Status{alert.Firing, alert.Acknowledged}},
		{"firing", "Firing", []alert.Status{alert.Firing}},
		{"acknowledged", "Acknowledged", []alert.Status{alert.Acknowledged}},
		{"resolved", "Resolved", []alert.Status{alert.Resolved}},
		{"all", "All", nil},
	}
}

// alertQuery is the list's filter as its address has it.
type alertQuery struct {
	status string
	filter alert.Filter
	toldMe bool
	values url.Values // what is set, without the cursor
}

func readAlertQuery(q url.Values, contactID string) alertQuery {
	a := alertQuery{status: "open", values: url.Values{}}
	for _, s := range statuses() {
		if q.Get("status") == s.key {
			a.status = s.key
			a.values.Set("status", s.key)
		}
	}
	for _, s := range statuses() {
		if s.key == a.status {
			a.filter.Status = s.status
		}
	}
	for _, s := range q["state"] {
		if s != "" && problemState(alert.State(s)) {
			a.filter.States = append(a.filter.States, alert.State(s))
			a.values.Add("state", s)
		}
	}
	if s := q.Get("source"); s != "" {
		a.filter.SourceIDs = []string{s}
		a.values.Set("source", s)
	}
	if k := alert.Kind(q.Get("kind")); k == alert.Host || k == alert.Service {
		a.filter.Kind = k
		a.values.Set("kind", string(k))
	}
	if s := strings.TrimSpace(q.Get("q")); s != "" {
		if r := []rune(s); len(r) > 200 {
			s = string(r[:200])
		}
		a.filter.Search = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
		a.values.Set("q", s)
	}
	if q.Get("older") == "yes" {
		a.filter.Older = true
		a.values.Set("older", "yes")
	}
	if s := q.Get("storm"); s != "" && len(s) <= 100 {
		a.filter.Storm = s
		a.values.Set("storm", s)
		if q.Get("status") == "" { // a storm is all of its alerts
			a.status, a.filter.Status = "all", nil
		}
	}
	if q.Get("told") == "me" && contactID != "" {
		a.toldMe = true
		a.filter.ContactID = contactID
		a.values.Set("told", "me")
	}
	a.filter.Cursor = q.Get("cursor")
	a.filter.Limit = alertsPerPage
	return a
}

func problemState(s alert.State) bool {
	switch s {
	case alert.Down, alert.Unreachable, alert.Warning, alert.Critical, alert.Unknown, alert.Up, alert.OK:
		return true
	}
	return false
}

func (q alertQuery) with(key, value string) string {
	v := url.Values{}
	for k, vs := range q.values {
		v[k] = vs
	}
	if value == "" {
		v.Del(key)
	} else {
		v.Set(key, value)
	}
	if len(v) == 0 {
		return "/console/alerts"
	}
	return "/console/alerts?" + v.Encode()
}

// fits says whether an alert belongs into the list, for rows that are fetched
// one by one after something happened to them.
func (q alertQuery) fits(a alert.Alert, told func() bool) bool {
	f := q.filter
	switch {
	case f.Status != nil && !slices.Contains(f.Status, a.Status),
		f.States != nil && !slices.Contains(f.States, a.State),
		f.SourceIDs != nil && !slices.Contains(f.SourceIDs, a.Object.SourceID),
		f.Kind != "" && a.Object.Kind() != f.Kind:
		return false
	}
	if f.Search != "" {
		o := a.Object
		text := strings.ToLower(strings.Join([]string{o.Host, o.Service, o.HostDisplay, o.ServiceDisplay, a.Output}, "\n"))
		if !strings.Contains(text, strings.ToLower(f.Search)) {
			return false
		}
	}
	// Whether a message of a storm tells of it is the store's to know.
	return f.Storm == "" && f.ContactID == "" || told()
}

func (c *console) alerts(w http.ResponseWriter, v *visit) error {
	ctx := v.Context()
	mine, err := c.contactOf(v)
	if err != nil {
		return err
	}
	q := readAlertQuery(v.URL.Query(), mine)
	items, next, err := c.Store.Alerts(ctx, q.filter)
	if err != nil {
		return err
	}
	counts, err := c.Store.AlertCounts(ctx)
	if err != nil {
		return err
	}
	sources, err := c.Store.Sources(ctx)
	if err != nil {
		return err
	}
	view := alertsView{
		shell: c.shell(w, v, "/console/alerts", "Alerts"), Counts: counts, Search: q.filter.Search, Status: q.status,
		ToldMe: q.toldMe, CanTold: mine != "", Narrow: len(q.values) > 1 || (len(q.values) == 1 && q.values.Get("status") == ""),
		Plain: "/console/alerts", Sourced: len(sources) > 0,
		Rows: c.rowsOf(v, items, sources, q.with("", "")),
	}
	if st := q.values.Get("status"); st != "" {
		view.Plain += "?status=" + st
	}
	figures := map[string]int{"open": counts.Firing + counts.Acknowledged, "firing": counts.Firing, "acknowledged": counts.Acknowledged}
	for _, s := range statuses() {
		n, counted := figures[s.key]
		view.Tabs = append(view.Tabs, tab{Title: s.title, Path: q.with("status", s.key), Count: n, Counted: counted, Current: s.key == q.status})
	}
	view.States = append(view.States, option{"", "Any state", len(q.filter.States) == 0})
	for _, s := range []alert.State{alert.Critical, alert.Warning, alert.Unknown, alert.Down, alert.Unreachable} {
		view.States = append(view.States, option{string(s), stateOf(s).Word, slices.Contains(q.filter.States, s)})
	}
	view.Sources = append(view.Sources, option{"", "Any source", q.filter.SourceIDs == nil})
	for _, s := range sources {
		view.Sources = append(view.Sources, option{s.ID, s.Name, slices.Contains(q.filter.SourceIDs, s.ID)})
		if s.LastEventAt.After(view.LastAt) {
			view.LastAt = s.LastEventAt
		}
	}
	view.Kinds = []option{{"", "Hosts and services", q.filter.Kind == ""},
		{"host", "Hosts", q.filter.Kind == alert.Host}, {"service", "Services", q.filter.Kind == alert.Service}}
	view.Storm = q.filter.Storm
	if next != "" {
		view.Older = q.with("cursor", next)
	}
	if next != "" && len(items) < alertsPerPage {
		all := q
		all.values = maps.Clone(q.values)
		all.values.Set("older", "yes")
		view.Further = all.with("cursor", q.filter.Cursor)
	}
	if q.filter.Cursor != "" {
		view.First = q.with("", "")
	}
	return c.show(w, v, "alerts", view)
}

func (c *console) rowsOf(v *visit, items []alert.Alert, sources []source.Source, back string) []alertRow {
	names := map[string]string{}
	for _, s := range sources {
		names[s.ID] = s.Name
	}
	rows := make([]alertRow, 0, len(items))
	for _, a := range items {
		order := "1"
		if !a.Open() {
			order = "0"
		}
		var says engineSays
		if a.Ack != nil {
			says = ackSays(a.Ack, names[a.Object.SourceID])
		}
		rows = append(rows, alertRow{
			Says: says, Alert: a, Source: names[a.Object.SourceID], Back: back, Order: order + a.ID,
			MayAck: a.Status == alert.Firing && v.may("alerts:acknowledge"),
		})
	}
	return rows
}

// alertRows answers the rows of some alerts, for the list that follows live:
// those that the filter no longer fits are left out.
func (c *console) alertRows(w http.ResponseWriter, v *visit) error {
	ctx := v.Context()
	mine, err := c.contactOf(v)
	if err != nil {
		return err
	}
	q := readAlertQuery(v.URL.Query(), mine)
	ids := strings.Split(v.URL.Query().Get("ids"), ",")
	if len(ids) > 50 {
		ids = ids[:50]
	}
	var items []alert.Alert
	for _, id := range ids {
		a, err := c.Store.Alert(ctx, id)
		if errors.Is(err, fault.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		told := func() bool {
			f := q.filter
			f.ObjectID, f.Cursor, f.Limit = a.Object.ID, "", 50
			found, _, err := c.Store.Alerts(ctx, f)
			return err == nil && slices.ContainsFunc(found, func(x alert.Alert) bool { return x.ID == a.ID })
		}
		if q.fits(a, told) {
			items = append(items, a)
		}
	}
	counts, err := c.Store.AlertCounts(ctx)
	if err != nil {
		return err
	}
	sources, err := c.Store.Sources(ctx)
	if err != nil {
		return err
	}
	view := alertsView{shell: shell{May: may{Ack: v.may("alerts:acknowledge")}}, Counts: counts, Rows: c.rowsOf(v, items, sources, q.with("", ""))}
	c.write(w, v.Request, http.StatusOK, "alerts", "fragment", view)
	return nil
}

// contactOf is the contact that is linked to the visitor, empty if none is.
func (c *console) contactOf(v *visit) (string, error) {
	contacts, err := c.Store.Contacts(v.Context())
	if err != nil {
		return "", err
	}
	for _, k := range contacts {
		if k.UserID == v.who.UserID {
			return k.ID, nil
		}
	}
	return "", nil
}

func (c *console) ackRequest(v *visit) dispatch.AckRequest {
	return dispatch.AckRequest{
		UserID: v.who.UserID, Author: v.who.Label(), Comment: strings.TrimSpace(v.PostFormValue("comment")),
		Origin: alert.FromConsole, Sticky: v.PostFormValue("sticky") != "",
	}
}

// ackProblem is what to tell of an acknowledgement that was not taken, empty
// if the error is none of that kind.
func ackProblem(err error) string {
	switch {
	case errors.Is(err, dispatch.ErrNotOpen):
		return "It has recovered in the meantime: there is nothing left to acknowledge."
	case errors.Is(err, dispatch.ErrAckedBefore):
		return "Somebody else has acknowledged it already."
	case errors.Is(err, dispatch.ErrNotAcked):
		return "It is not acknowledged any more."
	case errors.Is(err, dispatch.ErrBusy):
		return "The hub is very busy. Try again in a second."
	case errors.Is(err, dispatch.ErrAckLength):
		return "An acknowledgement ends after 1 minute to 30 days, or not by itself."
	}
	return ""
}

// answered ends an acknowledgement: with a page for forms, in a word for the
// script, which shows a toast of its own.
func (c *console) answered(w http.ResponseWriter, v *visit, back string, err error, good string) error {
	if err != nil {
		text := ackProblem(err)
		if text == "" {
			return err
		}
		if v.Header.Get("Tocsin-Fragment") != "" {
			http.Error(w, text, http.StatusConflict)
			return nil
		}
		say(w, "bad", text)
		http.Redirect(w, v.Request, back, http.StatusSeeOther)
		return nil
	}
	if v.Header.Get("Tocsin-Fragment") != "" {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return done(w, v, back, good)
}

func (c *console) acknowledge(w http.ResponseWriter, v *visit) error {
	id := v.PathValue("id")
	back := "/console/alerts/" + id
	if b := v.PostFormValue("back"); b != "" {
		back = local(b)
	}
	r := c.ackRequest(v)
	if v.PostFormValue("form") == "" {
		// The row's button has no form of its own: the settings' default.
		s, err := c.Store.Settings(v.Context())
		if err != nil {
			return err
		}
		r.Sticky = s.AckSticky
	} else if d, err := minutesOf(v, "expire"); err != nil {
		return c.refusedHere(w, v, back, "Until when? Choose one of the list.")
	} else if d > 0 {
		r.Until = v.now.Add(d)
	}
	a, err := c.Acks.Acknowledge(v.Context(), id, r)
	good := "Acknowledged " + a.Object.Name() + "."
	if err == nil && a.Ack != nil && a.Ack.Confirmation == alert.Pending {
		good = "Acknowledged " + a.Object.Name() + ". Its engine is being told."
	}
	return c.answered(w, v, back, err, good)
}

func (c *console) unacknowledge(w http.ResponseWriter, v *visit) error {
	id := v.PathValue("id")
	back := "/console/alerts/" + id
	if b := v.PostFormValue("back"); b != "" {
		back = local(b)
	}
	a, err := c.Acks.Unacknowledge(v.Context(), id, c.ackRequest(v))
	return c.answered(w, v, back, err, "The acknowledgement of "+a.Object.Name()+" is removed.")
}

func (c *console) acknowledgeMany(w http.ResponseWriter, v *visit) error {
	back := local(v.PostFormValue("back"))
	ids := v.PostForm["id"]
	if len(ids) == 0 {
		say(w, "bad", "No alert was ticked. Tick those that you take, then press Acknowledge.")
		http.Redirect(w, v.Request, back, http.StatusSeeOther)
		return nil
	}
	if len(ids) > 500 {
		ids = ids[:500]
	}
	s, err := c.Store.Settings(v.Context())
	if err != nil {
		return err
	}
	r := c.ackRequest(v)
	r.Sticky = s.AckSticky
	taken, late := 0, 0
	for _, id := range ids {
		_, err := c.Acks.Acknowledge(v.Context(), id, r)
		switch {
		case err == nil:
			taken++
		case ackProblem(err) != "", errors.Is(err, fault.ErrNotFound):
			late++
		default:
			return err
		}
	}
	text := "Acknowledged " + count(taken, "alert", "alerts") + "."
	if late > 0 {
		text += " " + count(late, "alert was", "alerts were") + " left as they are: resolved or acknowledged in the meantime."
	}
	return done(w, v, back, text)
}

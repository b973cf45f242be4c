package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/contact"
	"tocsin/internal/fault"
	"tocsin/internal/push"
	"tocsin/internal/source"
	"tocsin/internal/status"
)

// form is one form as the template "form" draws it. Names of fields are those
// of the API, so that an error that names a field finds it.
type form struct {
	Action   string
	Submit   string
	Cancel   string
	Stay     string // what leads to Cancel is called; empty: Cancel
	Delete   string // address of the page that asks before deleting, empty if there is none
	Problem  string // what is wrong with the form as a whole
	Clash    *clash // what somebody else made of it meanwhile
	Seen     string // what it was drawn from, see meanwhile
	Key      string // names one sending of it, where that matters
	Locked   bool   // the visitor may look only
	Sections []section
	// Check is where the script sends the form while it is filled in; what the
	// answer has in its region "means" is shown beside.
	Check string
}

type section struct {
	Title  string
	Hint   string
	Fields []field
	Grid   *grid // draws the fields as a table instead of below each other
	// For is when the section matters: "kind=generic grafana" while the field kind
	// has one of these values. The script hides the others; without it all show.
	For     string
	Buttons []formButton // send the form to another address
	Said    *flash       // what became of one of them
	ID      string       // where a button's answer leads to
}

// formButton sends a form as it is to another address, which keeps nothing.
type formButton struct{ Title, Action, Wait string }

// grid is the table of a section: a heading for the rows and for each column of
// controls, and as many fields in each row as there are such columns.
type grid struct {
	Heads []string // the first is that of the rows
	Rows  []gridRow
	Notes []gridNote // said beside the table
}

type gridRow struct{ Title, Icon string }

type gridNote struct{ Word, Means string }

// gridLine is a row with its controls.
type gridLine struct {
	gridRow
	ID     string
	Fields []field
}

// Lines are the rows of a section's table.
func (s section) Lines() []gridLine {
	lines := make([]gridLine, 0, len(s.Grid.Rows))
	wide := len(s.Grid.Heads) - 1
	for i, r := range s.Grid.Rows {
		lines = append(lines, gridLine{r, "g-" + strconv.Itoa(i), s.Fields[i*wide : (i+1)*wide]})
	}
	return lines
}

// field is one control. Kind is text, email, number, password, date, textarea,
// select, checkbox, checks (several checkboxes under one name), parts (the same
// for a page's components, by group) or static (to be read only).
type field struct {
	Name, Label, Kind, Value string
	Hint                     string
	Problem, Mend            string
	Options                  []option
	Checked                  bool
	Required                 bool
	Mono                     bool
	Half                     bool // may stand beside another
	List                     string
	Auto                     string // autocomplete
	Rows                     int
	Min, Max                 string
	Empty                    string // said in place of options when there are none
	// Secret says that the value is never shown. Stored says that there is one:
	// what is left empty keeps it, and it can be removed.
	Secret, Stored bool
	Keep           bool              // of a stored one: it cannot be removed here
	Look           *look             // of kind static: how it stands, beside Value
	For            map[string]string // of a select: by value, when an option can be chosen; as of a section
	Sample         string            // shown in an empty field
	When           string            // when the field matters, as For of a section
	Groups         []optionGroup     // of kind parts
}

// optionGroup is choices under a heading.
type optionGroup struct {
	Title   string // empty: without one
	Options []option
}

// Chosen is how many of a field's choices are.
func (f field) Chosen() int {
	n := 0
	for _, g := range f.Groups {
		for _, o := range g.Options {
			if o.Selected {
				n++
			}
		}
	}
	return n
}

// Offered is how many choices there are.
func (f field) Offered() int {
	n := 0
	for _, g := range f.Groups {
		n += len(g.Options)
	}
	return n
}

type option struct {
	Value, Title string
	Selected     bool
}

// blame puts a problem to the field it is about; where there is no such field,
// to the form.
func (f *form) blame(name, problem, mend string) {
	// The form has a field for each weekday, the API one list.
	if rest, ok := strings.CutPrefix(name, "weekdays["); ok {
		day, _, _ := strings.Cut(rest, "]")
		name = "day_" + day
	}
	// It has one for each kind of notification, where the settings have a map.
	for _, m := range []string{"auto_close", "push_urgency"} {
		if key, ok := strings.CutPrefix(name, m+"."); ok {
			name = m + "_" + key
		}
	}
	// A form writes one update, the desk looks at all.
	if rest, ok := strings.CutPrefix(name, "updates["); ok {
		_, name, _ = strings.Cut(rest, "].")
	}
	if f.says(name, problem, mend) {
		return
	}
	name, _, _ = strings.Cut(name, "[")
	name, _, _ = strings.Cut(name, ".")
	if f.says(name, problem, mend) {
		return
	}
	f.Problem = sentence(problem) + " " + sentence(mend)
}

// says puts a problem to a field, if the form has it.
func (f *form) says(name, problem, mend string) bool {
	for i := range f.Sections {
		for j := range f.Sections[i].Fields {
			if x := &f.Sections[i].Fields[j]; x.Name == name {
				x.Problem, x.Mend = sentence(problem), sentence(mend)
				return true
			}
		}
	}
	return false
}

// sentence makes one of the half that a FieldError holds.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	r := []rune(s)
	out := strings.ToUpper(string(r[:1])) + string(r[1:])
	if !strings.ContainsAny(out[len(out)-1:], ".!?…") {
		out += "."
	}
	return out
}

// refused puts an error that the person can mend to its field, and says
// whether it was one.
func (f *form) refused(err error) bool {
	var c *contact.FieldError
	var s *source.FieldError
	var a *auth.FieldError
	var g *config.FieldError
	var p *push.FieldError
	var u *status.FieldError
	var other *clash
	switch {
	case errors.As(err, &other):
		f.Clash = other
	case errors.As(err, &u):
		f.blame(u.Field, u.Problem, u.Mend)
	case errors.As(err, &g):
		f.blame(g.Field, g.Problem, g.Mend)
	case errors.As(err, &p):
		f.blame(p.Field, p.Problem, p.Mend)
	case errors.As(err, &c):
		f.blame(c.Field, c.Problem, c.Mend)
	case errors.As(err, &s):
		f.blame(s.Field, s.Problem, s.Mend)
	case errors.As(err, &a):
		f.blame(a.Field, a.Problem, a.Mend)
	case errors.Is(err, fault.ErrTaken):
		f.blame("name", "This name is taken", "Choose another one")
	default:
		return false
	}
	return true
}

func text(v url.Values, name string) string { return strings.TrimSpace(v.Get(name)) }

// chosen are the values of checks, without repeats.
func chosen(v url.Values, name string) []string {
	out := []string{}
	for _, s := range v[name] {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

type formView struct {
	shell
	Heading string
	Intro   string
	Form    form
	Aside   string // name of a part that the page adds, empty for none
	Period  *periodNow
	Ways    *ways // how the user of the page signs in
}

// showForm draws a form; with a problem in it the answer is 422.
func (c *console) showForm(w http.ResponseWriter, v *visit, status int, view formView) error {
	c.write(w, v.Request, status, "edit", "shell", view)
	return nil
}

// confirmView asks before something is deleted and says what refers to it.
type confirmView struct {
	shell
	Heading string
	What    string
	Effects []string
	Action  string
	Back    string
	Button  string
	Refused string // why it cannot be done now
}

func (c *console) confirm(w http.ResponseWriter, v *visit, section string, view confirmView) error {
	view.shell = c.shell(w, v, section, view.Heading)
	return c.show(w, v, "confirm", view)
}

// deleted ends a delete: what is in use is said, not failed.
func (c *console) deleted(w http.ResponseWriter, v *visit, err error, back, good, inUse string) error {
	if errors.Is(err, fault.ErrInUse) {
		say(w, "bad", inUse)
		http.Redirect(w, v.Request, back, http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	return done(w, v, back, good)
}

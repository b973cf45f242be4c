package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
)

// Where pages come in from elsewhere, and go out.
const (
	importPath = statusPagesPath + "/import"
	exportPath = statusPagesPath + "/export"
)

// Bounds of what is sent with the form; the command takes more.
const (
	mostImport = 32 << 20
	mostFiles  = 8
)

// transferRoutes are the import and the export of pages.
func (c *console) transferRoutes() []routing {
	return []routing{
		{"GET " + importPath, auth.ReadConfig, c.importing},
		{"POST " + importPath, auth.Administer, c.importPage},
		{"GET " + exportPath, auth.ReadConfig, c.exportPages},
	}
}

// importForm is what was filled in.
type importForm struct {
	From, Page, Slug, Zone string
	Field, Problem, Mend   string // what was refused
}

type importView struct {
	shell
	Pages  []status.Page
	Form   importForm
	Froms  []option
	Report []importReport
	Notes  []string
	Dry    bool
	Most   int // MiB of a file
}

// importReport is what became of one page.
type importReport struct {
	publish.Imported
	Rows []importRow
}

type importRow struct {
	What string
	publish.Tally
}

// Wrong says whether a field was refused.
func (f importForm) Wrong(field string) bool { return f.Problem != "" && f.Field == field }

func (c *console) importing(w http.ResponseWriter, v *visit) error {
	return c.showImport(w, v, http.StatusOK, importView{Form: importForm{From: "tocsin", Zone: "UTC"}})
}

func (c *console) showImport(w http.ResponseWriter, v *visit, code int, view importView) error {
	pages, err := c.Store.StatusPages(v.Context())
	if err != nil {
		return err
	}
	view.shell = c.shell(w, v, statusPagesPath, "Import and export")
	view.Pages, view.Most = mainFirst(pages), mostImport>>20
	for _, o := range []option{{Value: "tocsin", Title: "Tocsin (a file that was exported here or elsewhere)"}, {Value: transfer.FromStatuspage, Title: "Statuspage"},
		{Value: transfer.FromUptimeKuma, Title: "Uptime Kuma"}, {Value: transfer.FromCachet, Title: "Cachet 1 or 2"}, {Value: transfer.FromATStatus, Title: "ATStatus"}} {
		o.Selected = o.Value == view.Form.From
		view.Froms = append(view.Froms, o)
	}
	c.write(w, v.Request, code, "status-import", "shell", view)
	return nil
}

// sent are the fields and files of a form that was sent with files.
func sent(r *http.Request) (fields map[string]string, files [][]byte, err error) {
	defer func() { _, _ = io.Copy(io.Discard, r.Body) }() // a browser whose sending is cut off shows no answer
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, nil, &status.FieldError{Field: "file", Problem: "did not come with the form", Mend: "choose a file, then send it"}
	}
	fields = map[string]string{}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return fields, files, nil
		}
		var body []byte
		if err == nil {
			body, err = io.ReadAll(part)
		}
		if err != nil {
			return fields, nil, &status.FieldError{Field: "file", Problem: "is too large, or came only in part",
				Mend: fmt.Sprintf("keep to %d MiB here; the command tocsin import takes more", mostImport>>20)}
		}
		switch {
		case part.FormName() == "file" && len(body) > 0 && len(files) < mostFiles:
			files = append(files, body)
		case part.FormName() != "file" && len(fields) < 20 && len(body) < 1000:
			fields[part.FormName()] = strings.TrimSpace(string(body))
		}
	}
}

func (c *console) importPage(w http.ResponseWriter, v *visit) error {
	fields, files, err := sent(v.Request)
	view := importView{Form: importForm{From: fields["from"], Page: fields["page"], Slug: fields["slug"], Zone: fields["zone"]}, Dry: fields["action"] != "import"}
	if err == nil && len(files) == 0 {
		err = &status.FieldError{Field: "file", Problem: "is missing", Mend: "choose the file with the page"}
	}
	if err == nil {
		view.Report, view.Notes, err = c.importFiles(v, &view, files)
	}
	var f *status.FieldError
	switch {
	case errors.As(err, &f):
		label, known := map[string]string{"from": "Where it is from", "slug": "The address", "zone": "The time zone", "file": "The file"}[f.Field]
		if view.Form.Field = f.Field; !known {
			view.Form.Field, label = "file", "In the file, "+f.Field
		}
		view.Form.Problem = label + " " + f.Problem + "."
		view.Form.Mend = sentence(strings.ReplaceAll(f.Mend, "say which page it is to be: --page SLUG", "choose below which page it is to be"))
		return c.showImport(w, v, http.StatusUnprocessableEntity, view)
	case errors.Is(err, fault.ErrTaken):
		view.Form.Field, view.Form.Problem, view.Form.Mend = "slug", "Another page has this address, or this host.", "Choose another one, or import into that page."
		return c.showImport(w, v, http.StatusUnprocessableEntity, view)
	case err != nil:
		return err
	}
	return c.showImport(w, v, http.StatusOK, view)
}

// importFiles reads what was sent and imports it, or looks what would come of it.
func (c *console) importFiles(v *visit, view *importView, files [][]byte) (reports []importReport, notes []string, err error) {
	in := view.Form
	zone, err := time.LoadLocation(in.Zone)
	if err != nil || in.Zone == "" || in.Zone == "Local" {
		return nil, nil, &status.FieldError{Field: "zone", Problem: "is no time zone", Mend: "write one such as Europe/Berlin"}
	}
	now := c.Now()
	doc := &transfer.Document{Pages: make([]transfer.Page, 1)}
	switch in.From {
	case "tocsin":
		doc, err = transfer.Parse(files[0], now)
	case transfer.FromStatuspage:
		doc.Pages[0], notes, err = transfer.Statuspage(now, files...)
	case transfer.FromUptimeKuma:
		doc.Pages[0], notes, err = transfer.UptimeKuma(now, files...)
		doc.Pages[0].Zone = zone.String()
	case transfer.FromCachet:
		doc.Pages[0], notes, err = transfer.Cachet(zone, now, files[0])
	case transfer.FromATStatus:
		doc.Pages[0], notes, err = transfer.ATStatus(in.Slug, now, files...)
		doc.Pages[0].Zone = zone.String()
	default:
		err = &status.FieldError{Field: "from", Problem: "is none of these", Mend: "choose where the page is from"}
	}
	if err != nil {
		return nil, nil, err
	}
	into, err := c.importTarget(v, in)
	if err != nil {
		return nil, nil, err
	}
	if into != "" && len(doc.Pages) > 1 {
		return nil, nil, &status.FieldError{Field: "slug", Problem: fmt.Sprintf("is one, but there are %d pages in the file", len(doc.Pages)), Mend: "leave the choice to the file"}
	}
	for i := range doc.Pages {
		done, err := c.Desk.Import(v.Context(), v.author(), &doc.Pages[i], publish.ImportOptions{Page: into, Exported: doc.Exported, DryRun: view.Dry, Locked: auth.UnknownPassword})
		if err != nil {
			return reports, notes, err
		}
		r := importReport{Imported: done}
		for _, t := range []importRow{{"Groups", done.Groups}, {"Components", done.Components}, {"Incidents", done.Incidents}, {"Maintenances", done.Maintenances}, {"Series", done.Series}, {"Templates", done.Templates}} {
			if t.New+t.Changed+t.Same > 0 {
				r.Rows = append(r.Rows, t)
			}
		}
		reports = append(reports, r)
	}
	return reports, notes, nil
}

// importTarget is the slug of the page to import into, empty where the file says.
func (c *console) importTarget(v *visit, in importForm) (string, error) {
	switch in.Page {
	case "":
		return "", nil
	case "new":
		p := status.Page{Slug: in.Slug, Name: "x", Zone: "UTC"}
		if err := p.Validate(); err != nil {
			return "", err
		}
		return in.Slug, nil
	}
	p, err := c.pageByID(v, in.Page)
	return p.Slug, err
}

// exportPages answers everything of a page, or of all, as a file.
func (c *console) exportPages(w http.ResponseWriter, v *visit) error {
	var ids []string
	name := "status-pages"
	if id := v.URL.Query().Get("page"); id != "" {
		p, err := c.pageByID(v, id)
		if err != nil {
			return err
		}
		ids, name = []string{p.ID}, p.Slug
	}
	doc, err := c.Desk.Export(v.Context(), "tocsin "+c.Version, ids...)
	if err != nil {
		return err
	}
	if len(doc.Pages) == 0 {
		return fmt.Errorf("page to export: %w", fault.ErrNotFound)
	}
	var b bytes.Buffer
	if err := doc.Write(&b); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": "tocsin-" + name + "-" + v.now.UTC().Format(time.DateOnly) + ".json"}))
	_, _ = w.Write(b.Bytes())
	return nil
}

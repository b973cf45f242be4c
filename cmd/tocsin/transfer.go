package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/fetch"
	"tocsin/internal/publish"
	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
	"tocsin/internal/store"
)

// moving is `tocsin import`: from where, and how.
type moving struct {
	c      *cli
	page   string
	zone   string
	dryRun bool
	last   time.Time // that progress was told
}

func (c *cli) imports() *cobra.Command {
	m := &moving{c: c}
	root := &cobra.Command{
		Use: "import", Short: "Import a public status page",
		Long: "Import a public status page from elsewhere, or one that tocsin export wrote, or the browsers of\nvisitors who subscribed elsewhere. Nobody is told of it. A page is done in one transaction, and a\nsecond time updates what the first one made. With --dry-run nothing is changed, and what would be is said.",
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	from := func(use, short, long, example string, read func(ctx context.Context, db *store.DB, args []string) (*transfer.Document, []string, error)) *cobra.Command {
		cmd := &cobra.Command{Use: use, Short: short, Long: long, Example: example, Args: someNames,
			RunE: func(cmd *cobra.Command, args []string) error {
				return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
					doc, notes, err := read(cmd.Context(), db, args)
					if err != nil {
						return err
					}
					return m.run(cmd.Context(), db, doc, notes)
				})
			}}
		cmd.Flags().StringVar(&m.page, "page", "", "slug of the page to import into; one that there is not is made")
		cmd.Flags().BoolVar(&m.dryRun, "dry-run", false, "change nothing, and say what would be")
		c.jsonFlag(cmd)
		return cmd
	}
	sp := from("statuspage FILE|URL…", "From Statuspage, or whatever has its interface",
		"Import a page from Statuspage: its address, or files with the JSON of /api/v2/summary.json and, where\nthere are, incidents.json and scheduled-maintenances.json. Ids stay what they were.",
		"  tocsin import statuspage https://status.example.com --dry-run\n  tocsin import statuspage summary.json incidents.json --page main", m.statuspage)
	kuma := from("uptime-kuma FILE|URL…", "From Uptime Kuma",
		"Import a status page of Uptime Kuma: its address as visitors open it, or files with the JSON of\n/api/status-page/SLUG and, where there are, /api/status-page/heartbeat/SLUG and its incident-history.",
		"  tocsin import uptime-kuma https://kuma.example.com/status/shop", m.kuma)
	cachet := from("cachet FILE|URL", "From Cachet 1 or 2",
		"Import a Cachet 1 or 2: its address, or one file with components, groups, incidents and schedules, each\nas /api/v1 answers it. Cachet writes times without their zone: --zone says which it is.",
		"  tocsin import cachet https://status.example.com --zone Europe/Berlin", m.cachet)
	at := from("atstatus FILE|URL…", "From ATStatus",
		"Import a page of ATStatus: its address with the slug of the page behind it, or files with the JSON of\n/api/public/status/SLUG/components and, where there are, incidents and maintenance.",
		"  tocsin import atstatus https://status.example.com/shop --zone Europe/Berlin --dry-run\n  tocsin import atstatus components.json incidents.json maintenance.json --page main", m.atstatus)
	for _, cmd := range []*cobra.Command{kuma, cachet, at} {
		cmd.Flags().StringVar(&m.zone, "zone", "UTC", "time zone of the page, for Cachet also that of its times, such as Europe/Berlin")
	}
	own := from("tocsin FILE", "From a file that tocsin export wrote",
		"Import a file that tocsin export --json wrote: all pages in it, or with --page the one into that page.\nWhat happened here since the file was written stays. Passwords of pages are in no file: set new ones.",
		"  tocsin export --json pages.json\n  tocsin import tocsin pages.json --dry-run", m.own)
	root.AddCommand(sp, kuma, cachet, at, own, m.subscriptions())
	return root
}

func someNames(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return &usageError{fmt.Errorf("%s takes a file or an address; see %s --help", cmd.CommandPath(), cmd.CommandPath())}
	}
	if len(args) > 1 && (strings.HasSuffix(cmd.CommandPath(), "cachet") || strings.HasSuffix(cmd.CommandPath(), "import tocsin")) {
		return &usageError{fmt.Errorf("%s takes one, not %d; see %s --help", cmd.CommandPath(), len(args), cmd.CommandPath())}
	}
	return nil
}

// address says whether an argument is one, and not a file.
func address(args []string) bool {
	return strings.HasPrefix(args[0], "https://") || strings.HasPrefix(args[0], "http://")
}

// get fetches for an import, and says how far it is.
func (m *moving) get(ctx context.Context, db *store.DB, args []string) (*fetch.Client, error) {
	if len(args) > 1 {
		return nil, &usageError{errors.New("give one address, or files")}
	}
	cfg, err := m.c.load()
	if err != nil {
		return nil, err
	}
	proxy, err := app.OutgoingProxy(ctx, db, cfg)
	if err != nil {
		return nil, err
	}
	return fetch.New(fetch.Options{Proxy: proxy, Agent: "tocsin/" + app.Version, Fetched: func(n int, address string) {
		m.say(fmt.Sprintf("fetched %d: %s", n, address))
	}}), nil
}

// say tells progress, once a second at most.
func (m *moving) say(text string) {
	if now := time.Now(); now.Sub(m.last) >= time.Second {
		m.last = now
		fmt.Fprintln(m.c.err, text)
	}
}

// files reads files that others wrote.
func (m *moving) files(names []string) ([][]byte, error) {
	var bodies [][]byte
	for _, n := range names {
		b, err := readAll(m.c.in, n, fetch.MaxBody)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, b)
	}
	return bodies, nil
}

func readAll(in io.Reader, name string, most int64) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(filepath.Clean(name))
		if err != nil {
			return nil, fmt.Errorf("%w; give a file, or an address that begins with https://", err)
		}
		defer func() { _ = f.Close() }() // only read
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s has more than %d MiB; no status page is that large", name, most>>20)
	}
	return b, err
}

func (m *moving) statuspage(ctx context.Context, db *store.DB, args []string) (*transfer.Document, []string, error) {
	if !address(args) {
		bodies, err := m.files(args)
		if err != nil {
			return nil, nil, err
		}
		p, notes, err := transfer.Statuspage(time.Now(), bodies...)
		return one(p), notes, err
	}
	get, err := m.get(ctx, db, args)
	if err != nil {
		return nil, nil, err
	}
	defer get.Close()
	p, notes, err := transfer.FetchStatuspage(ctx, get.Get, args[0], time.Now())
	return one(p), notes, err
}

func (m *moving) kuma(ctx context.Context, db *store.DB, args []string) (*transfer.Document, []string, error) {
	return m.zoned(ctx, db, args,
		func(get *fetch.Client) (transfer.Page, []string, error) {
			return transfer.FetchUptimeKuma(ctx, get.Get, args[0], time.Now())
		},
		func(bodies [][]byte) (transfer.Page, []string, error) {
			return transfer.UptimeKuma(time.Now(), bodies...)
		})
}

// zoned brings a page from an address or from files, and gives it the zone that was named.
func (m *moving) zoned(ctx context.Context, db *store.DB, args []string, fetched func(*fetch.Client) (transfer.Page, []string, error),
	read func([][]byte) (transfer.Page, []string, error),
) (*transfer.Document, []string, error) {
	zone, err := m.location()
	if err != nil {
		return nil, nil, err
	}
	var p transfer.Page
	var notes []string
	if address(args) {
		var get *fetch.Client
		if get, err = m.get(ctx, db, args); err != nil {
			return nil, nil, err
		}
		defer get.Close()
		p, notes, err = fetched(get)
	} else {
		var bodies [][]byte
		if bodies, err = m.files(args); err != nil {
			return nil, nil, err
		}
		p, notes, err = read(bodies)
	}
	p.Zone = zone.String()
	return one(p), notes, err
}

func (m *moving) cachet(ctx context.Context, db *store.DB, args []string) (*transfer.Document, []string, error) {
	zone, err := m.location()
	if err != nil {
		return nil, nil, err
	}
	if !address(args) {
		bodies, err := m.files(args)
		if err != nil {
			return nil, nil, err
		}
		p, notes, err := transfer.Cachet(zone, time.Now(), bodies[0])
		return one(p), notes, err
	}
	get, err := m.get(ctx, db, args)
	if err != nil {
		return nil, nil, err
	}
	defer get.Close()
	p, notes, err := transfer.FetchCachet(ctx, get.Get, args[0], zone, time.Now())
	return one(p), notes, err
}

func (m *moving) atstatus(ctx context.Context, db *store.DB, args []string) (*transfer.Document, []string, error) {
	return m.zoned(ctx, db, args,
		func(get *fetch.Client) (transfer.Page, []string, error) {
			return transfer.FetchATStatus(ctx, get.Get, args[0], time.Now())
		},
		func(bodies [][]byte) (transfer.Page, []string, error) {
			return transfer.ATStatus(m.page, time.Now(), bodies...)
		})
}

func (m *moving) location() (*time.Location, error) {
	zone, err := time.LoadLocation(m.zone)
	if err != nil || m.zone == "" || m.zone == "Local" {
		return nil, &usageError{fmt.Errorf("--zone: %q is no time zone; write one such as Europe/Berlin", m.zone)}
	}
	return zone, nil
}

func (m *moving) own(_ context.Context, _ *store.DB, args []string) (*transfer.Document, []string, error) {
	b, err := readAll(m.c.in, args[0], transfer.MaxDocument)
	if err != nil {
		return nil, nil, err
	}
	doc, err := transfer.Parse(b, time.Now())
	return doc, nil, err
}

func one(p transfer.Page) *transfer.Document { return &transfer.Document{Pages: []transfer.Page{p}} }

// run imports the pages of a document, one transaction each.
func (m *moving) run(ctx context.Context, db *store.DB, doc *transfer.Document, notes []string) error {
	if m.page != "" && len(doc.Pages) > 1 {
		named := doc.Pages[:0]
		for i := range doc.Pages {
			if doc.Pages[i].Slug == m.page {
				named = append(named, doc.Pages[i])
			}
		}
		if doc.Pages = named; len(named) != 1 {
			return fmt.Errorf("--page: there are several pages in the file, and none is %q; leave --page out to import them all", m.page)
		}
	}
	desk, err := app.NewDesk(db)
	if err != nil {
		return err
	}
	list := []publish.Imported{}
	var text strings.Builder
	for i := range doc.Pages {
		done, err := desk.Import(ctx, publish.Who{Name: "tocsin import"}, &doc.Pages[i], publish.ImportOptions{Page: m.page, Exported: doc.Exported, DryRun: m.dryRun, Locked: auth.UnknownPassword,
			Progress: func(what string, done, of int) { m.say(fmt.Sprintf("%s: %d of %d", what, done, of)) }})
		if err != nil {
			var f *status.FieldError
			if len(list) > 0 && errors.As(err, &f) {
				return fmt.Errorf("page %s: %w; the %d before it were imported", doc.Pages[i].Slug, err, len(list))
			}
			return fmt.Errorf("page %s: %w", doc.Pages[i].Slug, err)
		}
		done.Notes = append(done.Notes, notes...)
		list = append(list, done)
		text.WriteString(imported(&done))
	}
	return m.c.answer(struct {
		Items []publish.Imported `json:"items"`
	}{list}, text.String())
}

// imported says what an import did, for people.
func imported(d *publish.Imported) string {
	var b strings.Builder
	switch {
	case d.DryRun && d.New:
		fmt.Fprintf(&b, "Would make the page “%s” (%s):\n", d.Name, d.Slug)
	case d.DryRun:
		fmt.Fprintf(&b, "Would import into the page “%s” (%s):\n", d.Name, d.Slug)
	case d.New:
		fmt.Fprintf(&b, "Made the page “%s” (%s):\n", d.Name, d.Slug)
	default:
		fmt.Fprintf(&b, "Imported into the page “%s” (%s):\n", d.Name, d.Slug)
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, t := range []struct {
		what string
		publish.Tally
	}{{"groups", d.Groups}, {"components", d.Components}, {"incidents", d.Incidents}, {"maintenances", d.Maintenances}, {"series", d.Series}, {"templates", d.Templates}} {
		if t.New+t.Changed+t.Same > 0 {
			fmt.Fprintf(w, "  %s\t%d new\t%d changed\t%d as they were\n", t.what, t.New, t.Changed, t.Same)
		}
	}
	if d.Audit > 0 {
		fmt.Fprintf(w, "  audit trail\t%d lines\n", d.Audit)
	}
	_ = w.Flush() // a strings.Builder takes everything
	for _, n := range d.Notes {
		b.WriteString("  Note: " + n + "\n")
	}
	if d.DryRun {
		b.WriteString("Nothing was changed.\n")
	}
	return b.String()
}

func (c *cli) export() *cobra.Command {
	var file, dir, page string
	cmd := &cobra.Command{
		Use: "export", Short: "Export the public status pages", Args: noArgs,
		Long: "Export the public status pages: with --json everything of them as one file, which tocsin import\nreads (all but visitors and passwords), with --static as files for any web server.",
		Example: "  tocsin export --json pages.json\n  tocsin export --json - --page main\n" +
			"  tocsin export --static /srv/status",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (file == "") == (dir == "") {
				return &usageError{errors.New("tocsin export takes --json FILE or --static DIR; see tocsin export --help")}
			}
			if dir != "" && page != "" {
				return &usageError{errors.New("--static writes all pages: --page goes with --json")}
			}
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				if dir != "" {
					return c.exportStatic(cmd.Context(), db, dir)
				}
				return c.exportJSON(cmd.Context(), db, file, page)
			})
		},
	}
	cmd.Flags().StringVar(&file, "json", "", "file for everything of the pages; - is standard output")
	cmd.Flags().StringVar(&dir, "static", "", "folder for the pages as files")
	cmd.Flags().StringVar(&page, "page", "", "slug of the one page to export (default: all)")
	c.setting(cmd, "base-url", "TOCSIN_BASE_URL", "how visitors reach the hub, where a copy leads to")
	return cmd
}

func (c *cli) exportJSON(ctx context.Context, db *store.DB, file, slug string) (err error) {
	desk, err := app.NewDesk(db)
	if err != nil {
		return err
	}
	pages, err := db.StatusPages(ctx)
	if err != nil {
		return err
	}
	var ids, slugs []string
	for i := range pages {
		if slugs = append(slugs, pages[i].Slug); slug == "" || pages[i].Slug == slug {
			ids = append(ids, pages[i].ID)
		}
	}
	if len(ids) == 0 {
		return fmt.Errorf("there is no page %q; there are: %s", slug, strings.Join(append(slugs, "none")[:max(1, len(slugs))], ", "))
	}
	doc, err := desk.Export(ctx, "tocsin "+app.Version, ids...)
	if err != nil {
		return err
	}
	if file == "-" {
		return doc.Write(c.out)
	}
	// A file that is there is replaced when the new one is whole. Who may read it is
	// who made it: private pages are in it.
	f, err := os.CreateTemp(filepath.Dir(file), ".tocsin-export-*")
	if err != nil {
		return fmt.Errorf("make the file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name()) // it is not whole
		}
	}()
	if err := errors.Join(doc.Write(f), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	_, err = fmt.Fprintf(c.out, "Exported %d of %d pages to %s.\n", len(ids), len(pages), file)
	return err
}

func (c *cli) exportStatic(ctx context.Context, db *store.DB, dir string) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // another program serves what is in it
		return fmt.Errorf("make the folder: %w", err)
	}
	out, err := app.ExportStatic(ctx, db, cfg, filepath.Clean(dir))
	if err != nil {
		return err
	}
	if len(out.Pages) == 0 {
		fmt.Fprintln(c.err, "tocsin: there is no public page to export")
	}
	text := fmt.Sprintf("Exported %d files of %s to %s.\n", out.Files, strings.Join(out.Pages, ", "), dir)
	if len(out.Skipped) > 0 {
		text += "Left out, as a copy cannot ask who may see it: " + strings.Join(out.Skipped, ", ") + ".\n"
	}
	_, err = fmt.Fprint(c.out, text)
	return err
}

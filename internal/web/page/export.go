package page

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tocsin/internal/status"
)

// Exported is what ExportStatic has written.
type Exported struct {
	Files   int
	Pages   []string // slugs
	Skipped []string // slugs of those that are not public: a copy has no gate
}

// ExportStatic writes every public page as files, for a copy elsewhere that is
// served from the root of a host by any web server: the main page at /, others at
// /s/SLUG/, each language below /LANGUAGE/. A copy says that it is one, and leads
// to the live page for subscribing. Refresh must have looked before.
func (s *Site) ExportStatic(ctx context.Context, dir string) (Exported, error) {
	s.mu.Lock()
	pages := s.pages
	s.mu.Unlock()
	var out Exported
	for _, set := range pages {
		if set.at.Private {
			out.Skipped = append(out.Skipped, set.page.Slug)
			continue
		}
		if err := s.export(ctx, dir, set, &out); err != nil {
			return out, fmt.Errorf("export page %s: %w", set.page.Slug, err)
		}
		out.Pages = append(out.Pages, set.page.Slug)
	}
	for at, d := range assets().documents {
		if err := out.write(dir, at, d); err != nil {
			return out, err
		}
	}
	slices.Sort(out.Pages)
	slices.Sort(out.Skipped)
	return out, nil
}

func (s *Site) export(ctx context.Context, dir string, live *pageSet, out *Exported) error {
	at := live.at
	at.Copy = live.at.URL + "/"
	if at.Base = "/s/" + live.page.Slug; live.page.Main {
		at.Base = ""
	}
	set, err := s.buildAt(live.record, live.taken, at, nil)
	if err != nil {
		return err
	}
	root := filepath.Join(dir, filepath.FromSlash(at.Base))
	paths := []string{"", "subscribe", "embed", "history", "uptime"}
	parts(set.snapshot.Groups, func(id string) { paths = append(paths, "uptime/"+id) })
	for i := range set.record.Incidents {
		if !set.record.Incidents[i].Draft {
			paths = append(paths, "incidents/"+set.record.Incidents[i].ID)
		}
	}
	for i := range set.record.Maintenances {
		paths = append(paths, "incidents/"+set.record.Maintenances[i].ID)
	}
	months, older, err := s.past(ctx, set)
	if err != nil {
		return err
	}
	paths = append(append(paths, months...), older...)
	slices.Sort(paths)
	paths = slices.Compact(paths)
	put := func(a address, to string) error {
		d, ours, err := s.document(ctx, set, a)
		if err != nil || !ours || d == nil {
			return err
		}
		return out.write(root, to, d)
	}
	for _, p := range paths {
		if err := put(address{language: set.language, path: p}, path.Join(p, "index.html")); err != nil {
			return err
		}
		for tag, l := range s.renderer.languages {
			if err := put(address{language: l, named: true, path: p}, path.Join(tag, p, "index.html")); err != nil {
				return err
			}
		}
	}
	var files []string
	for p := range s.programs(ctx, set, address{language: set.language}) {
		files = append(files, p)
	}
	each(set.snapshot.Groups, func(id string) { files = append(files, "badge/"+id+".svg") })
	for _, p := range append(files, "logo") {
		if err := put(address{language: set.language, path: p}, p); err != nil {
			return err
		}
	}
	return nil
}

// each calls f for the ids of all groups and components.
func each(groups []status.GroupView, f func(id string)) {
	for i := range groups {
		if groups[i].ID != "" {
			f(groups[i].ID)
		}
		for j := range groups[i].Components {
			f(groups[i].Components[j].ID)
		}
		each(groups[i].Groups, f)
	}
}

// parts calls f for the ids of all components.
func parts(groups []status.GroupView, f func(id string)) {
	for i := range groups {
		for j := range groups[i].Components {
			f(groups[i].Components[j].ID)
		}
		parts(groups[i].Groups, f)
	}
}

// past answers the paths of all months since the first, and of what happened in
// them.
func (s *Site) past(ctx context.Context, set *pageSet) (months, entries []string, err error) {
	now := set.taken.In(set.zone)
	end := time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, set.zone)
	in, work, err := s.store.StatusMonth(ctx, set.page.ID, beginning, end)
	if err != nil {
		return nil, nil, fmt.Errorf("read the history: %w", err)
	}
	first := set.page.Created
	add := func(id string, at time.Time) {
		entries = append(entries, "incidents/"+id)
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	for i := range in {
		add(in[i].ID, in[i].Started)
	}
	for i := range work {
		add(work[i].ID, work[i].Start)
	}
	for m := end.AddDate(0, -1, 0); !m.AddDate(0, 1, 0).Before(first) && len(months) < 12*50; m = m.AddDate(0, -1, 0) {
		months = append(months, "history/"+m.Format(monthFormat))
	}
	return months, entries, nil
}

// write writes a document below a folder.
func (e *Exported) write(dir, name string, d *document) error {
	file := filepath.Join(dir, filepath.FromSlash(name))
	if !strings.HasPrefix(file, filepath.Clean(dir)+string(filepath.Separator)) {
		return fmt.Errorf("%s is outside of %s", name, dir)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // another program serves them
		return fmt.Errorf("make a folder: %w", err)
	}
	if err := os.WriteFile(file, d.forms[plain].body, 0o644); err != nil { //nolint:gosec // likewise
		return fmt.Errorf("write %s: %w", name, err)
	}
	e.Files++
	return nil
}

package page

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"tocsin/internal/fault"
	"tocsin/internal/status"
)

// what a preview has no use for: it stands in a frame of the console, where
// nothing runs and no link leads away.
var (
	previewScript   = regexp.MustCompile(`<script type="module"[^>]*></script>`)
	previewManifest = regexp.MustCompile(`<link rel="(?:manifest|alternate)"[^>]*>\n?`)
	headOpens       = []byte("<head>")
	// A link opens a new window, which the frame's sandbox forbids.
	nowhere = []byte("<head>\n" + `<base target="_blank">`)
)

// Preview is the page of an incident as visitors would see it, made by what makes
// theirs, while nothing of it is stored. A language that there is none of is the
// page's own. fault.ErrNotFound where there is no such page.
//
// It is for those alone who may see what is not public yet: nothing is kept.
func (s *Site) Preview(ctx context.Context, pageID string, i status.Incident, language string) ([]byte, error) {
	var page status.Page
	var snapshot status.Snapshot
	var zone *time.Location
	if set := s.made.Load().byID[pageID]; set != nil {
		page, snapshot, zone = set.page, set.snapshot, set.zone
	} else { // made a moment ago
		pages, err := s.store.StatusPages(ctx)
		if err != nil {
			return nil, fmt.Errorf("list pages: %w", err)
		}
		if !slices.ContainsFunc(pages, func(p status.Page) bool { return p.ID == pageID }) {
			return nil, fmt.Errorf("page %q: %w", pageID, fault.ErrNotFound)
		}
		record, err := s.store.StatusRecord(ctx, pageID)
		if err != nil {
			return nil, fmt.Errorf("read page %q: %w", pageID, err)
		}
		if zone, err = time.LoadLocation(record.Page.Zone); err != nil {
			zone = time.UTC // was checked when it was stored; this machine may know fewer
		}
		page, snapshot = record.Page, status.Take(record, zone, s.o.Now())
	}
	body, err := s.renderer.Incident(snapshot, &i, s.renderer.languages.For(language, page.Language), zone, s.place(&page))
	if err != nil {
		return nil, err
	}
	body = previewManifest.ReplaceAll(previewScript.ReplaceAll(body, nil), nil)
	return bytes.Replace(body, headOpens, nowhere, 1), nil
}

package page_test

import (
	"testing"

	"tocsin/internal/markdown"
	"tocsin/internal/web/page"
)

// BenchmarkRefresh is what a change of a page costs until all can see it, in all
// languages and forms.
func BenchmarkRefresh(b *testing.B) {
	for name, components := range map[string]int{"50 components": 50, "1000 components": 1000} {
		b.Run(name, func(b *testing.B) {
			st := &shelf{r: companyOf(components, now)}
			st.r.Page.Main, st.r.Page.Slug, st.r.Page.Zone = true, "main", "Europe/Berlin"
			s, err := page.NewSite(st, markdown.New(), page.Options{Dir: b.TempDir()})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				st.r.Page.Version++
				if err := s.Refresh(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

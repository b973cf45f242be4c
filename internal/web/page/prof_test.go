package page_test

import (
	"testing"
)

// BenchmarkRefresh is what a change of a page costs until all can see it.
func BenchmarkRefresh(b *testing.B) {
	st, s, _, _ := site(b)
	for b.Loop() {
		st.mu.Lock()
		st.r.Page.Version++
		st.mu.Unlock()
		if err := s.Refresh(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

package page

import "testing"

// What could not be made is tried again by the next one, also where the making
// panicked.
func TestAPanicLeavesNothingInItsDrawer(t *testing.T) {
	w := newDrawer()
	func() {
		defer func() { _ = recover() }()
		_, _ = w.get("x", func() (*document, error) { panic("once") })
	}()
	d, err := w.get("x", func() (*document, error) { return &document{}, nil })
	if d == nil || err != nil {
		t.Errorf("%v %v", d, err)
	}
}

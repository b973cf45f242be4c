package push

// Validate answers a *FieldError for the first field of a want that cannot be
// stored, nil if there is none. Whether the page has what it names is the page's
// to know.
func (w *Want) Validate() error { return w.validate() }

package source

// Validate says what is wrong with a mapping as a *FieldError whose field starts
// with "mapping", or nil.
func (m *Mapping) Validate() error { return nil }

package push

// FieldError says which field of a value is wrong, what is wrong with it and
// what to do about it. Field is the JSON path ("keys.p256dh") or the name of
// the setting ("VAPID_PUBLIC_KEY").
type FieldError struct {
	Field   string
	Problem string
	Mend    string
}

// Error is the sentence of all three.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem + "; " + e.Mend }

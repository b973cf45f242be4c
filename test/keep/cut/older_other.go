//go:build !amd64

package cut

// older are calls that newer machines have not.
func older() Calls { return nil }

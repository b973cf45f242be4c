package status

// Merge answers the last n days up to today, as pages show them.
func Merge(frozen, counted []Day, today string, n int) []Day {
	return merge(frozen, counted, lastDates(today, n))
}

package source

// DetectsFlapping says whether engines of a kind (Source.Kind) say themselves when
// an object flaps between states. Where they do not, it is found out here.
func DetectsFlapping(kind string) bool {
	switch kind {
	case "nagios", "naemon", "openitcockpit", "icinga2":
		return true
	}
	return false
}

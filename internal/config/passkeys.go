package config

// Who needs a passkey besides the password.
const (
	PasskeysOptional = "optional" // whoever has one
	PasskeysAdmins   = "admins"   // administrators; who has none makes one at the next sign-in
)

// NeedsPasskey says whether users of a role need a passkey besides their password.
func (s Settings) NeedsPasskey(role string) bool {
	return s.Passkeys == PasskeysAdmins && role == "admin"
}

func (s Settings) validatePasskeys() error {
	if s.Passkeys != PasskeysOptional && s.Passkeys != PasskeysAdmins {
		return &FieldError{"passkeys", "is not known", "take optional or admins"}
	}
	return nil
}

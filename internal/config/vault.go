package config

import "tocsin/internal/vault"

// secrets reads where the key comes from that secrets in the database are sealed with.
// Of a file the name is kept: it is read again when the key in it changes.
func secrets(f found) (vault.Source, error) {
	v := f.get("TOCSIN_SECRET_KEY")
	if v.text == "" {
		return vault.Source{}, nil
	}
	if _, err := vault.ParseKey(v.text); err != nil {
		return vault.Source{}, &Error{v.where, "TOCSIN_SECRET_KEY", err.Error(), "give 32 bytes in base64 or hex, as `tocsin secret new` prints them"}
	}
	if file := f.get("TOCSIN_SECRET_KEY_FILE"); file.text == v.where {
		return vault.Source{File: v.where}, nil
	}
	return vault.Source{Text: v.text}, nil
}

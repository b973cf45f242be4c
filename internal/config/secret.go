package config

import "net/url"

// HasSecret says whether a secret stands in the configuration itself, and so in a file
// that others should not read.
func (c Config) HasSecret() bool {
	if c.VAPIDPrivateKey != "" {
		return true
	}
	for _, text := range []string{c.DatabaseURL, c.PushProxy} {
		if u, err := url.Parse(text); err == nil && u.User != nil {
			if _, with := u.User.Password(); with {
				return true
			}
		}
	}
	return false
}

package config

import "strings"

// The sections of the table.
const (
	sectionPlace   = "Address, data and database"
	sectionHTTPS   = "HTTPS"
	sectionProxies = "Proxies, and plain HTTP"
	sectionNodes   = "Several nodes"
	sectionSecrets = "Secrets"
	sectionPush    = "Web Push and the way out"
	sectionOIDC    = "Signing in by an OpenID provider"
	sectionSeen    = "Seen from outside"
)

const (
	shapeNetworks = "addresses and networks, with commas"
	shapeFile     = "name of a file"
	shapeGroups   = "names, with commas; with semicolons where names have commas"
)

// Table has every key, in the order in which they are listed.
func Table() []Key {
	var all []Key
	for _, s := range []struct {
		name string
		keys []Key
	}{
		{sectionPlace, placeKeys()}, {sectionHTTPS, httpsKeys()}, {sectionProxies, proxyKeys()}, {sectionNodes, nodeKeys()},
		{sectionSecrets, secretKeys()}, {sectionPush, pushKeys()}, {sectionOIDC, oidcKeys()}, {sectionSeen, seenKeys()},
	} {
		for _, k := range s.keys {
			k.Section = s.name
			all = append(all, k)
		}
	}
	return all
}

func placeKeys() []Key {
	return []Key{
		{
			Name: "TOCSIN_LISTEN", Flag: "--listen", Default: "127.0.0.1:8080", Otherwise: "with https `:443`", Shape: "`host:port`", Example: "127.0.0.1:8080",
			Meaning: "where it listens. Where other machines reach it, it needs https, or a proxy or networks that are listed ([plain HTTP](https.md#plain-http))",
			now:     func(c Config) string { return c.Listen },
		}, {
			Name: "TOCSIN_DATA", Flag: "--data", Default: "./data", Shape: "a folder", Example: "/var/lib/tocsin",
			Meaning: "folder for the database and all that is kept beside it; made if it is not there. A relative one is below the working directory",
			now:     func(c Config) string { return c.DataDir },
		}, {
			Name: "TOCSIN_DATABASE_URL", Flag: "--database-url", Otherwise: "SQLite, `tocsin.db` in the data folder", Shape: "`postgres://user:password@host:5432/database` or `sqlite:PATH`", Example: "postgres://tocsin:PASSWORD@localhost:5432/tocsin",
			Secret: true, File: true,
			Meaning: "the database. A relative path is below the data folder",
			now:     func(c Config) string { return shown(c.DatabaseURL) },
		}, {
			Name: "TOCSIN_BASE_URL", Flag: "--base-url", Otherwise: "from `TOCSIN_DOMAIN` or `TOCSIN_LISTEN`", Shape: "`https://host` or `http://host:port`", Limits: "no path, user, `?` or `#`", Example: "https://alerts.example.com",
			Meaning: "how browsers and engines reach it. With `https:` cookies are for https only",
			now:     func(c Config) string { return c.BaseURL },
		},
	}
}

func httpsKeys() []Key {
	return []Key{
		{
			Name: "TOCSIN_DOMAIN", Flag: "--domain", Shape: "host names, with commas", Limits: "no address, no wildcard, no port", Example: "alerts.example.com",
			Meaning: "host names for which certificates are got by ACME and renewed; the first is the base URL's. Then https is spoken, on port 443. [https.md](https.md) has all of it",
			now:     func(c Config) string { return strings.Join(c.Domains, ", ") },
		}, {
			Name: "TOCSIN_TLS_CERT", Shape: shapeFile, Example: "/etc/tocsin/tls/cert.pem",
			Meaning: "instead: a file with a certificate and its chain, PEM; a new pair is taken by itself",
		}, {
			Name: "TOCSIN_TLS_KEY", Shape: shapeFile, Example: "/etc/tocsin/tls/key.pem",
			Meaning: "the file with its key, PEM",
		}, {
			Name: "TOCSIN_LISTEN_HTTP", Otherwise: "port 80 where https is on 443", Shape: "`host:port` or `off`", Example: ":80",
			Meaning: "where browsers are sent to https from, and where the CA asks; `off`: nowhere",
			now:     func(c Config) string { return c.ListenHTTP },
		}, {
			Name: "TOCSIN_ACME_EMAIL", Shape: "an e-mail address", Example: "ops@example.com",
			Meaning: "who the CA may write to",
			now:     func(c Config) string { return c.ACMEEmail },
		}, {
			Name: "TOCSIN_ACME_DIRECTORY", Otherwise: "Let's Encrypt", Shape: "`https://…`", Example: "https://ca.example.com/acme/directory",
			Meaning: "the address of another CA's directory",
			now:     func(c Config) string { return c.ACMEDirectory },
		}, {
			Name: "TOCSIN_ACME_CA", Otherwise: "the system's", Shape: shapeFile, Example: "/etc/tocsin/tls/ca.pem",
			Meaning: "file with the root certificate, PEM, that signs that CA's own https",
			now:     func(c Config) string { return c.ACMECA },
		},
	}
}

func proxyKeys() []Key {
	return []Key{
		{
			Name: "TOCSIN_TRUSTED_PROXIES", Shape: shapeNetworks, Example: "127.0.0.1",
			Meaning: "proxies of which `Forwarded` and `X-Forwarded-For`, `-Proto` and `-Host` are believed; sign-ins are limited by address. [What a proxy must do](https.md#behind-a-proxy)",
			now:     func(c Config) string { return prefixes(c.TrustedProxies) },
		}, {
			Name: "TOCSIN_PLAIN_HTTP", Shape: shapeNetworks, Example: "10.0.0.0/8",
			Meaning: "who may come by plain HTTP, besides this machine and the trusted proxies. [What is refused else](https.md#plain-http)",
			now:     func(c Config) string { return prefixes(c.PlainHTTP) },
		},
	}
}

func nodeKeys() []Key {
	return []Key{
		{
			Name: "TOCSIN_NODE", Otherwise: "host name and port", Shape: "a word", Example: "node1",
			Meaning: "this process's name among several on one database",
			now:     func(c Config) string { return c.Node },
		}, {
			Name: "TOCSIN_DRAIN", Default: "0s", Otherwise: "on PostgreSQL `2s`", Shape: "a time such as `500ms` or `10s`", Limits: "`0s` to `5m`", Example: "5s",
			Meaning: "how long a program that is told to end still takes requests while `/readyz` says no; a little longer than the balancer takes to notice ([several nodes](nodes.md))",
			now:     func(c Config) string { return c.Drain.String() },
		},
	}
}

func secretKeys() []Key {
	return []Key{{
		Name: "TOCSIN_SECRET_KEY", Otherwise: "with SQLite made in `secret.key` of the data folder; with PostgreSQL none", Shape: "32 bytes in base64 or hex", Limits: "exactly 32 bytes", Example: "KEY",
		Secret: true, File: true,
		Meaning: "the key that [secrets in the database are sealed with](security.md#secrets-in-the-database), as `tocsin secret new` prints it; with several nodes the same one on each",
	}}
}

func pushKeys() []Key {
	return []Key{
		{
			Name: "VAPID_PUBLIC_KEY", Otherwise: "made on the first start, kept in the database", Shape: "base64url, 87 characters", File: true, Example: "PUBLIC-KEY",
			Meaning: "the public half of the key pair that names this Tocsin to push services, as `tocsin vapid generate` prints it; both or neither. [The keys of Web Push](webpush.md#keys)",
		}, {
			Name: "VAPID_PRIVATE_KEY", Otherwise: "made on the first start, kept in the database", Shape: "base64url, 43 characters", Secret: true, File: true, Example: "PRIVATE-KEY",
			Meaning: "the private half",
		}, {
			Name: "VAPID_SUBJECT", Otherwise: "`TOCSIN_BASE_URL` where it is https", Shape: "`mailto:ops@example.com` or `https://…`", Limits: "a name that the internet has: Apple refuses others, `.local` for instance", File: true, Example: "mailto:you@your-domain.org",
			Meaning: "how push services reach who runs this; the setting `push_subject` goes before it",
		}, {
			Name: "TOCSIN_PUSH_PROXY", Shape: "`http://host:port` or `http://user:password@host:port`", Secret: true, File: true, Example: "http://proxy.example.com:3128",
			Meaning: "the outgoing proxy, of Web Push, and of Mattermost, webhooks and engines where “use proxy server” is switched on; the setting `push_proxy` goes before it. `HTTPS_PROXY` is not used",
			now:     func(c Config) string { return shown(c.PushProxy) },
		}, {
			Name: "TOCSIN_PUSH_PRIVATE", Shape: shapeNetworks, Example: "10.1.2.0/24",
			Meaning: "networks that may be dialled for Web Push though they are not public: for a push service of your own. All other private ones, and this machine, are never dialled, whatever a name leads to",
			now:     func(c Config) string { return prefixes(c.PushPrivate) },
		}, {
			Name: "TOCSIN_WEBHOOK_PRIVATE", Shape: shapeNetworks, Example: "10.1.2.0/24",
			Meaning: "networks in which webhooks of visitors may stand though they are not public, then also by `http://`. All other private ones, and this machine, are never called for a visitor",
			now:     func(c Config) string { return prefixes(c.WebhookPrivate) },
		},
	}
}

func oidcKeys() []Key {
	groups := func(role, words string) Key {
		return Key{
			Name: "TOCSIN_OIDC_" + strings.ToUpper(role) + "_GROUPS", Shape: shapeGroups, Example: "tocsin-" + role,
			Meaning: "groups that make somebody " + words,
			now:     func(c Config) string { return listed(c.OIDC.Groups[role]) },
		}
	}
	return []Key{
		{
			Name: "TOCSIN_OIDC_ISSUER", Shape: "`https://…`, `http://` on this machine alone", Example: "https://login.example.com/realms/company",
			Meaning: "the OpenID provider by which people sign in, as its discovery document has it. Without it there is none, and the others here are refused. [Signing in by a provider](sign-in.md#by-an-openid-provider) explains these keys",
		}, {
			Name: "TOCSIN_OIDC_CLIENT_ID", Shape: "text", Example: "tocsin",
			Meaning: "how this hub is registered there",
		}, {
			Name: "TOCSIN_OIDC_CLIENT_SECRET", Shape: "text", Secret: true, File: true, Example: "SECRET",
			Meaning: "and the secret that it got; without one PKCE alone protects the exchange",
		}, {
			Name: "TOCSIN_OIDC_NAME", Default: "single sign-on", Shape: "text", Limits: "60 characters", Example: "Company",
			Meaning: "what the button says: Sign in with …",
		}, {
			Name: "TOCSIN_OIDC_SCOPES", Default: "profile email", Shape: "words, with blanks or commas", Example: "profile email groups",
			Meaning: "asked for besides `openid`; some providers have groups in a scope `groups`",
		}, {
			Name: "TOCSIN_OIDC_ROLE_CLAIM", Default: "groups", Shape: "a name, or names with dots", Example: "realm_access.roles",
			Meaning: "the claim that lists somebody's groups; `realm_access.roles` is `roles` within `realm_access`",
		},
		groups("admin", "an administrator"), groups("operator", "an operator"), groups("responder", "a responder"), groups("viewer", "a viewer"),
		{
			Name: "TOCSIN_OIDC_DEFAULT_ROLE", Default: "none", Shape: "`none`, `viewer`, `responder`, `operator` or `admin`", Example: "viewer",
			Meaning: "what somebody in none of these groups is; `none`: they are refused",
		},
	}
}

func seenKeys() []Key {
	return []Key{
		{
			Name: "TOCSIN_LOG_LEVEL", Flag: "--log-level", Default: "info", Shape: "`debug`, `info`, `warn` or `error`", Example: "debug",
			Meaning: "from which level on something is logged",
			now:     func(c Config) string { return strings.ToLower(c.LogLevel.String()) },
		}, {
			Name: "TOCSIN_LOG_FORMAT", Default: "text", Shape: "`text` or `json`", Example: "json",
			Meaning: "`json`: one JSON object a line ([metrics.md](metrics.md))",
		}, {
			Name: "TOCSIN_PING_URL", Shape: "`https://…`", Limits: "2000 characters, no user and password", Secret: true, File: true, Example: "https://hc.example.com/ping/UUID",
			Meaning: "is told over and over that all is well ([heartbeat.md](heartbeat.md)); the setting `ping_url` goes before it",
		}, {
			Name: "TOCSIN_PING_PRIVATE", Shape: shapeNetworks, Example: "10.1.2.3",
			Meaning: "networks in which that address may be though they are not public",
			now:     func(c Config) string { return prefixes(c.Observe.PingPrivate) },
		}, {
			Name: otelEndpoint, Shape: "`http://…` or `https://…`", Example: "http://localhost:4318",
			Meaning: "a collector of [traces](metrics.md#traces), its HTTP port; `/v1/traces` is added",
		}, {
			Name: otelTraces, Shape: "`http://…` or `https://…`", Example: "http://localhost:4318/v1/traces",
			Meaning: "the same, whole; goes before it",
		}, {
			Name: otelHeaders, Shape: "`name=value`, with commas", Secret: true, File: true, Example: "authorization=Basic%20…",
			Meaning: "headers that are sent to the collector",
		}, {
			Name: otelService, Default: "tocsin", Shape: "text", Example: "tocsin-berlin",
			Meaning: "how it is called there",
			now:     func(c Config) string { return c.Observe.TraceService },
		}, {
			Name: otelRatio, Default: "1", Shape: "a number", Limits: "0 to 1", Example: "0.1",
			Meaning: "how many of all traces are kept; 0.1 keeps every tenth",
			now:     func(c Config) string { return share(c.Observe.TraceRatio) },
		},
	}
}

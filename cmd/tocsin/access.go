package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/source"
	"tocsin/internal/store"
)

type sourceJSON struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	Kind        string     `json:"kind"`
	Token       string     `json:"token,omitempty"` // where it was just made
	TokenHint   string     `json:"token_hint"`
	HostURL     string     `json:"host_url"`
	ServiceURL  string     `json:"service_url"`
	Disabled    bool       `json:"disabled"`
	CreatedAt   time.Time  `json:"created_at"`
	LastEventAt *time.Time `json:"last_event_at"`
	SilentAfter int        `json:"silent_after_minutes"`
	SilentSince *time.Time `json:"silent_since"`

	WriteBack          source.WriteBack `json:"write_back"` // without its secret
	HasWriteBackSecret bool             `json:"has_write_back_secret"`
	HasSecret          bool             `json:"has_secret"`
}

func sourceOut(s source.Source, token string) sourceJSON {
	out := sourceJSON{
		ID: s.ID, Name: s.Name, Kind: s.Kind, Token: token, TokenHint: s.TokenHint, HostURL: s.HostURL, ServiceURL: s.ServiceURL,
		Disabled: s.Disabled, CreatedAt: s.CreatedAt.UTC(), LastEventAt: maybe(s.LastEventAt), WriteBack: s.WriteBack,
		HasWriteBackSecret: s.WriteBack.Secret != "", HasSecret: s.Secret != "",
		SilentAfter: s.QuietMinutes, SilentSince: maybe(s.SilentSince),
	}
	out.WriteBack.Secret = ""
	if !s.WriteBack.On() {
		out.WriteBack.Kind = "none"
	}
	return out
}

func (c *cli) sources() *cobra.Command {
	root := &cobra.Command{Use: "source", Short: "Sources, the monitoring engines"}
	kinds := []string{}
	for _, k := range app.Kinds() {
		kinds = append(kinds, k.Name())
	}
	var kind, hostURL, serviceURL string
	var straight bool
	var back writeBackFlags
	add := &cobra.Command{
		Use: "add NAME", Short: "Make a source and print its token", Args: oneName,
		Example: "  tocsin source add nagios-berlin --kind nagios\n" +
			"  tocsin source add nagios-berlin --kind nagios --write-back command_file --command-file /var/lib/nagios4/rw/nagios.cmd --status-file /var/lib/nagios4/status.dat\n" +
			"  tocsin source add icinga --kind icinga2 --write-back icinga2 --engine-url https://icinga.example.com:5665 --engine-user tocsin --engine-secret-file /etc/tocsin/icinga.secret",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				s := source.Source{
					ID: newID(), Name: strings.ToLower(args[0]), Kind: kind, HostURL: hostURL, ServiceURL: serviceURL,
					Straight: straight, CreatedAt: time.Now(),
				}
				if err := back.read(c.in, &s); err != nil {
					return err
				}
				if err := checkSource(s); err != nil {
					return err
				}
				if _, err := db.SourceByName(cmd.Context(), s.Name); !errors.Is(err, fault.ErrNotFound) {
					if err == nil {
						err = fault.ErrTaken
					}
					return named(err, "source", s.Name)
				}
				return c.saveWithToken(cmd.Context(), db, s, "Source "+s.Name+" is ready. Its token, shown this once:")
			})
		},
	}
	f := add.Flags()
	f.StringVar(&kind, "kind", "", "which engine: "+strings.Join(kinds, ", "))
	f.StringVar(&hostURL, "host-url", "", "its page of a host, with {host}")
	f.StringVar(&serviceURL, "service-url", "", "its page of a service, with {host} and {service}")
	f.BoolVar(&straight, "straight", false, "a click on a notification leads straight to that page")
	back.register(add)
	_ = add.MarkFlagRequired("kind") // fails only for a flag that there is not
	list := &cobra.Command{
		Use: "list", Short: "List sources", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				all, err := db.Sources(cmd.Context())
				if err != nil {
					return err
				}
				out := func(s source.Source) sourceJSON { return sourceOut(s, "") }
				return answerList(c, all, out, "NAME\tKIND\tTOKEN\tLAST EVENT\tWRITE-BACK", func(s source.Source) string {
					name := s.Name
					if s.Disabled {
						name += " (disabled)"
					}
					return name + "\t" + s.Kind + "\t…" + s.TokenHint + "\t" + when(s.LastEventAt) + "\t" + cmp.Or(s.WriteBack.Kind, "none")
				})
			})
		},
	}
	remove := &cobra.Command{
		Use: "remove NAME", Short: "Remove a source that has no open alerts", Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				s, err := db.SourceByName(cmd.Context(), args[0])
				if err != nil {
					return named(err, "source", args[0])
				}
				if err := db.DeleteSource(cmd.Context(), s.ID); err != nil {
					return named(err, "source", s.Name)
				}
				return c.answer(sourceOut(s, ""), "Source "+s.Name+" is removed.")
			})
		},
	}
	token := &cobra.Command{
		Use: "token NAME", Short: "Make a new token; the old one is void", Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				s, err := db.SourceByName(cmd.Context(), args[0])
				if err != nil {
					return named(err, "source", args[0])
				}
				return c.saveWithToken(cmd.Context(), db, s, "The new token of "+s.Name+", shown this once; the old one is void:")
			})
		},
	}
	change, setup := c.changeSource(), c.setupSource()
	c.jsonFlag(add, list, remove, token, change, setup)
	root.AddCommand(add, list, remove, token, change, setup)
	return root
}

func (c *cli) saveWithToken(ctx context.Context, db *store.DB, s source.Source, text string) error {
	var token string
	token, s.TokenHash, s.TokenHint = auth.NewToken(auth.SourcePrefix)
	if err := db.SaveSource(ctx, s); err != nil {
		return named(err, "source", s.Name)
	}
	return c.answer(sourceOut(s, token), text+"\n\n    "+token+"\n\nHow the engine is set up to send with it: tocsin source setup "+s.Name+". The notification command gets it as\nTOCSIN_TOKEN or TOCSIN_TOKEN_FILE, with TOCSIN_SOURCE="+s.Name+".")
}

type keyJSON struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Key        string     `json:"key,omitempty"` // where it was just made
	Hint       string     `json:"hint"`
	Scopes     []string   `json:"scopes"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	LastUsedBy string     `json:"last_used_by"`
	ExpiresAt  *time.Time `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
}

func keyOut(k auth.APIKey, key string) keyJSON {
	return keyJSON{k.ID, k.Name, key, k.Hint, scopeNames(k), k.CreatedAt.UTC(), maybe(k.LastUsedAt), k.LastUsedBy, maybe(k.ExpiresAt), maybe(k.RevokedAt)}
}

func scopeNames(k auth.APIKey) []string {
	out := make([]string, 0, len(k.Scopes))
	for _, s := range k.Scopes {
		out = append(out, string(s))
	}
	return out
}

func (c *cli) apikeys() *cobra.Command {
	root := &cobra.Command{Use: "apikey", Short: "API keys, which let programs in"}
	var scopes []string
	var days int
	add := &cobra.Command{
		Use: "add NAME", Short: "Make an API key and print it", Args: oneName,
		Example: "  tocsin apikey add dashboard --scope alerts:read\n  tocsin apikey add chatbot --scope alerts:read,alerts:acknowledge --days 90",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(_ *store.DB, who *auth.Service) error {
				var expires time.Time
				if days > 0 {
					expires = time.Now().AddDate(0, 0, days)
				}
				wanted := make([]auth.Scope, 0, len(scopes))
				for _, s := range scopes {
					wanted = append(wanted, auth.Scope(strings.TrimSpace(s)))
				}
				k, key, err := who.AddKey(cmd.Context(), args[0], wanted, expires)
				if err != nil {
					return named(err, "apikey", args[0])
				}
				return c.answer(keyOut(k, key), "API key "+k.Name+", shown this once:\n\n    "+key+"\n\nIt may: "+strings.Join(scopeNames(k), ", ")+".")
			})
		},
	}
	add.Flags().StringSliceVar(&scopes, "scope", nil, "alerts:read, alerts:acknowledge, alerts:downtime, config:read, config:write, status:publish, email:bounces or admin; several with commas")
	add.Flags().IntVar(&days, "days", 0, "days until it expires (default: never)")
	list := &cobra.Command{
		Use: "list", Short: "List API keys", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				all, err := db.APIKeys(cmd.Context())
				if err != nil {
					return err
				}
				out := func(k auth.APIKey) keyJSON { return keyOut(k, "") }
				return answerList(c, all, out, "NAME\tKEY\tSCOPES\tLAST USED\tFROM\tEXPIRES\tSTATE", func(k auth.APIKey) string {
					state := "in force"
					if !k.RevokedAt.IsZero() {
						state = "revoked"
					} else if !k.Live(time.Now()) {
						state = "expired"
					}
					return k.Name + "\t…" + k.Hint + "\t" + strings.Join(scopeNames(k), ",") + "\t" + when(k.LastUsedAt) + "\t" + cmp.Or(k.LastUsedBy, "-") + "\t" + when(k.ExpiresAt) + "\t" + state
				})
			})
		},
	}
	revoke := &cobra.Command{
		Use: "revoke NAME", Short: "End an API key at once", Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(db *store.DB, who *auth.Service) error {
				all, err := db.APIKeys(cmd.Context())
				if err != nil {
					return err
				}
				i := slices.IndexFunc(all, func(k auth.APIKey) bool { return k.RevokedAt.IsZero() && strings.EqualFold(k.Name, args[0]) })
				if i < 0 {
					return named(fault.ErrNotFound, "apikey", args[0])
				}
				if err := who.RevokeKey(cmd.Context(), all[i].ID); err != nil {
					return fmt.Errorf("revoke %s: %w", args[0], err)
				}
				return c.answer(keyOut(all[i], ""), "API key "+all[i].Name+" is revoked.")
			})
		},
	}
	c.jsonFlag(add, list, revoke)
	root.AddCommand(add, list, revoke)
	return root
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/internal/audit"
	"tocsin/internal/auth"
	"tocsin/internal/store"
	"tocsin/internal/vault"
)

// operator is who runs a command, for the audit trail: the user of the machine, and
// whoever that was before sudo.
func operator() audit.Actor {
	a := audit.Actor{Kind: audit.CLI, ID: strconv.Itoa(os.Getuid()), Name: "uid " + strconv.Itoa(os.Getuid())}
	if u, err := user.Current(); err == nil {
		a.Name = u.Username
	}
	if before := os.Getenv("SUDO_USER"); before != "" && before != a.Name {
		a.Name = before + " as " + a.Name
	}
	return a
}

type vaultJSON struct {
	Sealed   bool   `json:"sealed"`
	KeyFrom  string `json:"key_from"`
	OuterKey string `json:"outer_key"`
	Key      string `json:"key"`
	Keys     int    `json:"keys"`
	Plain    int    `json:"not_sealed_with_it"`
}

func (c *cli) secrets() *cobra.Command {
	root := &cobra.Command{Use: "secret", Short: "The key that secrets in the database are sealed with"}
	fresh := &cobra.Command{
		Use: "new", Short: "Print a new key, for TOCSIN_SECRET_KEY or its file", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			k := vault.NewKey()
			return c.answer(struct {
				Key string `json:"key"`
				ID  string `json:"id"`
			}{k.Text(), k.ID()}, k.Text())
		},
	}
	status := &cobra.Command{
		Use: "status", Short: "Say how secrets are kept", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				v, err := db.Vault(cmd.Context())
				if err != nil {
					return err
				}
				text := fmt.Sprintf("Secrets are sealed with key %s, which key %s from %s opens.", v.Current, v.Outer, v.From)
				if !v.Sealed {
					text = fmt.Sprintf("Secrets stand plain in the database (%d of them): there is no key. Give the hub TOCSIN_SECRET_KEY_FILE with what `tocsin secret new` prints.", v.Plain)
				} else if v.Plain > 0 {
					text += fmt.Sprintf(" %d are not sealed with it yet.", v.Plain)
				}
				return c.answer(vaultJSON{v.Sealed, v.From, v.Outer, v.Current, v.Keys, v.Plain}, text)
			})
		},
	}
	rotate := &cobra.Command{
		Use: "rotate", Short: "Seal all secrets anew, with a new key in the database", Args: noArgs,
		Long: "Seal all secrets anew, with a new key in the database; the key from outside, which opens that\none, stays. Hubs go on serving: they find the new key by themselves.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				n, err := db.RotateKey(cmd.Context())
				if err != nil {
					return noVault(err)
				}
				v, err := db.Vault(cmd.Context())
				if err != nil {
					return err
				}
				return c.answer(vaultJSON{v.Sealed, v.From, v.Outer, v.Current, v.Keys, v.Plain}, fmt.Sprintf("%d secrets are sealed with the new key %s.", n, v.Current))
			})
		},
	}
	var to string
	rekey := &cobra.Command{
		Use: "rekey", Short: "Make another key from outside the one that opens all", Args: noArgs,
		Long: "Make another key from outside the one that opens all. Where the key is in a file, the file\ngets it; else --new-key-file names a file that has it, to be given to the hub from then on.\nHubs that serve go on; each needs the new key when it starts next.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			next := vault.NewKey()
			if to != "" {
				k, ok, err := vault.Source{File: to}.Read()
				if err != nil {
					return err
				}
				if !ok {
					return fmt.Errorf("there is no file %s: make it, for this user alone, by `tocsin secret new >FILE`", to)
				}
				next = k
			}
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				v, err := db.Vault(cmd.Context())
				if err != nil {
					return err
				}
				if v.From == "TOCSIN_SECRET_KEY" && to == "" {
					return &usageError{errors.New("the key is in TOCSIN_SECRET_KEY, where no command can put another one: name a file that has the new one, by --new-key-file")}
				}
				if err := db.Rekey(cmd.Context(), next); err != nil {
					return noVault(err)
				}
				text := fmt.Sprintf("Secrets are opened by key %s now, which is in %s. Keep a copy of it, apart from backups of the database.", next.ID(), v.From)
				if v.From == "TOCSIN_SECRET_KEY" {
					text = fmt.Sprintf("Secrets are opened by key %s now: put it into TOCSIN_SECRET_KEY, for whatever starts from now on.", next.ID())
				}
				return c.answer(struct {
					Key string `json:"outer_key"`
				}{next.ID()}, text)
			})
		},
	}
	rekey.Flags().StringVar(&to, "new-key-file", "", "the file that has the new key (default: one is made)")
	c.jsonFlag(fresh, status, rotate, rekey)
	root.AddCommand(fresh, status, rotate, rekey, c.giveUp())
	return root
}

type lostJSON struct {
	What  string   `json:"what"`
	Count int      `json:"count"`
	Names []string `json:"names"`
	Mend  string   `json:"mend"`
}

// giveUp is for a key that is lost for good.
func (c *cli) giveUp() *cobra.Command {
	var sure, certain bool
	cmd := &cobra.Command{
		Use: "give-up", Short: "When the key from outside is lost for good: say which secrets are lost, and remove them", Args: noArgs,
		Long:    "When the key from outside is lost for good, and no hub starts: say which secrets are lost with it,\nand what is to be done about each. With --yes they are removed, so that hubs start again, with a new\nkey. All else stays: alerts, contacts, rules, pages, users. Stop every hub before. Nothing is done\nwhile the key is there. Run it as hubs run, with their TOCSIN_SECRET_KEY or TOCSIN_SECRET_KEY_FILE: a\nshell that has no key at all cannot know whether hubs have it, so there --yes asks for --key-lost, too.",
		Example: "  tocsin secret give-up\n  tocsin secret give-up --yes\n  tocsin secret give-up --yes --key-lost",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			db, err := store.Open(cmd.Context(), store.Options{URL: cfg.DatabaseURL, DataDir: cfg.DataDir, Node: "command", Secrets: cfg.Secrets, KeyLost: true, Exclusive: sure})
			if errors.Is(err, store.ErrNotLost) {
				return fmt.Errorf("%w. Nothing was changed", store.ErrNotLost)
			}
			if err != nil {
				return fmt.Errorf("open the database: %w", err)
			}
			return errors.Join(c.lost(cmd.Context(), db, sure, certain), db.Close())
		},
	}
	cmd.Flags().BoolVar(&sure, "yes", false, "remove them")
	cmd.Flags().BoolVar(&certain, "key-lost", false, "the key is lost for good, although none is set here")
	c.jsonFlag(cmd)
	return cmd
}

func (c *cli) lost(ctx context.Context, db *store.DB, sure, certain bool) error {
	key := db.LostKey()
	none := fmt.Sprintf("no key of secrets is set here (%s), so nobody can tell whether key %s is lost: hubs may have it in the environment of their service, or in a file that TOCSIN_SECRET_KEY_FILE names there", placeOf(key), key.ID)
	if sure && !key.Other && !certain {
		return fmt.Errorf("%s. Run this as they run. If it is lost for good, add --key-lost. Nothing was changed", none)
	}
	say := db.LostSecrets
	if sure {
		say = db.GiveUpSecrets
	}
	all, err := say(ctx)
	if err != nil {
		return err
	}
	out := make([]lostJSON, 0, len(all))
	var text strings.Builder
	switch {
	case len(all) == 0:
		text.WriteString("No secret is lost.\n")
	case sure:
		text.WriteString("These secrets were removed. What to do about each:\n")
	case !key.Other:
		fmt.Fprintf(&text, "Beware: %s.\nIf it is lost, these secrets cannot be read. With --yes --key-lost they are removed:\n", none)
	default:
		text.WriteString("Without the key these secrets cannot be read. With --yes they are removed:\n")
	}
	for _, l := range all {
		names := l.Names
		if names == nil {
			names = []string{}
		}
		out = append(out, lostJSON{l.What, l.Count, names, l.Mend})
		fmt.Fprintf(&text, "\n%s (%d)", l.What, l.Count)
		if len(names) > 0 {
			fmt.Fprintf(&text, ": %s", strings.Join(names, ", "))
		}
		fmt.Fprintf(&text, "\n  %s\n", l.Mend)
	}
	if sure {
		text.WriteString("\nHubs start again now. SQLite makes a key by itself, in secret.key; with TOCSIN_SECRET_KEY or its file give a new one, as tocsin secret new prints it.")
	}
	return c.answer(out, text.String())
}

// placeOf says where a key was looked for.
func placeOf(k store.LostKey) string {
	if k.Where == (vault.Source{}).Where() {
		return "neither TOCSIN_SECRET_KEY nor TOCSIN_SECRET_KEY_FILE"
	}
	return "there is no " + k.Where
}

func noVault(err error) error {
	if errors.Is(err, store.ErrNoVault) {
		return fmt.Errorf("%w: give the hub TOCSIN_SECRET_KEY_FILE with what `tocsin secret new` prints", err)
	}
	return err
}

package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"

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
	root.AddCommand(fresh, status, rotate, rekey)
	return root
}

func noVault(err error) error {
	if errors.Is(err, store.ErrNoVault) {
		return fmt.Errorf("%w: give the hub TOCSIN_SECRET_KEY_FILE with what `tocsin secret new` prints", err)
	}
	return err
}

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"tocsin/internal/auth"
	"tocsin/internal/store"
)

type resetJSON struct {
	userJSON
	Passkeys int `json:"passkeys_removed"`
}

// resetFactors is for somebody who lost the passkey and the recovery codes.
func (c *cli) resetFactors() *cobra.Command {
	return &cobra.Command{
		Use: "reset-factors NAME", Short: "Remove a user's passkeys and recovery codes; the password alone signs in then", Args: oneName,
		Example: "  tocsin user reset-factors anna",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(db *store.DB, who *auth.Service) error {
				u, err := db.UserByName(cmd.Context(), args[0])
				if err != nil {
					return named(err, "user", args[0])
				}
				n, err := who.ResetFactors(cmd.Context(), u.ID)
				if err != nil {
					return fmt.Errorf("reset the factors of %s: %w", u.Name, err)
				}
				text := fmt.Sprintf("User %s has no passkeys and no recovery codes any more (%d removed), and is signed out everywhere.", u.Name, n)
				if u.PasswordHash == "" {
					text += "\nThis user has no password: tocsin user passwd " + u.Name + " sets one."
				}
				return c.answer(resetJSON{userOut(u), n}, text)
			})
		},
	}
}

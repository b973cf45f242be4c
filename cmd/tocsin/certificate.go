package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/auth"
	"tocsin/internal/cert"
	"tocsin/internal/fault"
	"tocsin/internal/health"
	"tocsin/internal/store"
)

// certificateJSON is a certificate without its key.
type certificateJSON struct {
	Name      string     `json:"name"`
	Since     *time.Time `json:"since"`
	Until     *time.Time `json:"until"`
	Problem   string     `json:"problem"`
	Mend      string     `json:"mend"`
	ProblemAt *time.Time `json:"problem_at"`
	Next      *time.Time `json:"next_try"`
}

func (c *cli) certificates() *cobra.Command {
	root := &cobra.Command{
		Use: "certificate", Short: "The certificates that are got by themselves",
		Long: "The certificates that a running hub with TOCSIN_DOMAIN has got from its CA, and what went wrong.\nThose of TOCSIN_TLS_CERT are in their files; System health in the console says how both are.",
	}
	list := &cobra.Command{
		Use: "list", Short: "List certificates, with what went wrong and the mend", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				all, err := db.Certificates(cmd.Context())
				if err != nil {
					return err
				}
				out := make([]certificateJSON, 0, len(all))
				for _, k := range all {
					out = append(out, certificateJSON{k.Name, maybe(k.Since), maybe(k.Until), k.Problem, k.Mend, maybe(k.ProblemAt), maybe(k.Next)})
				}
				return c.answer(out, describeCertificates(all, time.Now()))
			})
		},
	}
	renew := &cobra.Command{
		Use: "renew NAME", Short: "Have the certificate of a host name ordered anew, at once", Args: cobra.ExactArgs(1),
		Long: "Have the running hub order the certificate of a host name anew within some seconds, whatever\npause it keeps after a failure: when what was wrong is mended. CAs count, so do not repeat it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			name := cert.Name(args[0])
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				switch err := db.RenewCertificate(cmd.Context(), name, time.Now()); {
				case errors.Is(err, fault.ErrNotFound):
					return fmt.Errorf("%s: no certificate of this name was ever ordered; tocsin certificate list has those that were", args[0])
				case err != nil:
					return err
				}
				return c.answer(map[string]string{"name": name}, "The running hub orders the certificate of "+name+" within some seconds; tocsin certificate list says what came of it.")
			})
		},
	}
	c.jsonFlag(list, renew)
	root.AddCommand(list, renew)
	return root
}

// describeCertificates is for people: each with when it ends, and what is wrong.
func describeCertificates(all []cert.Kept, now time.Time) string {
	if len(all) == 0 {
		return "No certificate was ordered yet; tocsin serve with TOCSIN_DOMAIN does it."
	}
	lines := make([]string, 0, len(all))
	for _, k := range all {
		text := k.Name + "  none yet"
		switch left := k.Until.Sub(now); {
		case !k.Until.IsZero() && left > 0:
			text = k.Name + "  ends in " + health.Age(left)
		case !k.Until.IsZero():
			text = k.Name + "  is over since " + health.Age(-left)
		}
		if k.Problem != "" {
			text += "\n  " + k.Problem + "\n  " + k.Mend
			if k.Next.After(now) {
				text += "\n  It is tried again in " + health.Age(k.Next.Sub(now)) + "."
			}
		}
		lines = append(lines, text)
	}
	return strings.Join(lines, "\n")
}

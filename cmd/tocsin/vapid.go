package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/auth"
	"tocsin/internal/health"
	"tocsin/internal/push"
	"tocsin/internal/store"
)

// vapidKeyJSON is a key without its private half.
type vapidKeyJSON struct {
	ID            string     `json:"id"`
	PublicKey     string     `json:"public_key"`
	Created       time.Time  `json:"created"`
	Retired       *time.Time `json:"retired"`
	Environment   bool       `json:"environment"`
	Subscriptions int        `json:"subscriptions"`
}

func vapidKeyOut(k push.Key) vapidKeyJSON {
	return vapidKeyJSON{k.ID, k.Public, k.Created.UTC(), maybe(k.Retired), k.Environment, k.Subscriptions}
}

func (c *cli) vapid() *cobra.Command {
	root := &cobra.Command{
		Use: "vapid", Short: "The keys of Web Push",
		Long: "The key pair that names this Tocsin to push services (VAPID). Without VAPID_PUBLIC_KEY and\nVAPID_PRIVATE_KEY the hub makes a pair on its first start and keeps it in the database.",
	}
	generate := &cobra.Command{
		Use: "generate", Short: "Make a key pair and print it; nothing is stored", Args: noArgs,
		Long: "Make a key pair and print it as npx web-push generate-vapid-keys does. Give both halves to the\nhub as VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY, or VAPID_PRIVATE_KEY_FILE; nothing is stored here.",
		RunE: func(*cobra.Command, []string) error { return c.generateVAPID(time.Now()) },
	}
	show := &cobra.Command{
		Use: "show", Short: "Show the hub's keys without their private halves", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				keys, err := db.PushKeys(cmd.Context())
				if err != nil {
					return err
				}
				if len(keys) == 0 {
					return errors.New("there is no key yet; tocsin serve makes one on its first start")
				}
				out := make([]vapidKeyJSON, 0, len(keys))
				for _, k := range keys {
					out = append(out, vapidKeyOut(k))
				}
				return c.answer(out, describeKeys(keys, time.Now()))
			})
		},
	}
	rotate := &cobra.Command{
		Use: "rotate", Short: "Make a new key; devices move to it when their browsers come by", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			if cfg.VAPIDPublicKey != "" {
				return errors.New("the key is given as VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY; give a new pair there (tocsin vapid generate) and start the hub again")
			}
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				before, err := db.PushKeys(cmd.Context())
				if err != nil {
					return err
				}
				if len(before) > 0 && before[0].Environment {
					return errors.New("the hub was given its key as VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY; give it a new pair there (tocsin vapid generate) and start it again")
				}
				k, err := push.GenerateKey(time.Now())
				if err != nil {
					return err
				}
				if err := db.SavePushKey(cmd.Context(), k); err != nil {
					return err
				}
				bound := 0
				for _, old := range before {
					bound += old.Subscriptions
				}
				text := "The new public key is " + k.Public + ". It is in force at once.\n"
				if bound > 0 {
					text += health.Count(bound, "device moves", "devices move") + " to it when their browsers come by; the old key sends to them until then.\n"
				}
				return c.answer(vapidKeyOut(k), text+"Back up the database: the private key is there and nowhere else.")
			})
		},
	}
	c.jsonFlag(generate, show, rotate)
	root.AddCommand(generate, show, rotate)
	return root
}

// generateVAPID prints the bytes that web-push 3 prints, so that scripts made
// for it go on.
func (c *cli) generateVAPID(now time.Time) error {
	k, err := push.GenerateKey(now)
	if err != nil {
		return err
	}
	if c.json {
		_, err := fmt.Fprintf(c.out, "{\"publicKey\":%q,\"privateKey\":%q}\n", k.Public, k.Private)
		return err
	}
	rule := strings.Repeat("=", 39)
	_, err = fmt.Fprintf(c.out, "\n%s\n\nPublic Key:\n%s\n\nPrivate Key:\n%s\n\n%s\n\n", rule, k.Public, k.Private, rule)
	return err
}

// describeKeys is for people: the public key, its age, and who is bound to it.
func describeKeys(keys []push.Key, now time.Time) string {
	var b strings.Builder
	for i, k := range keys {
		if i > 0 {
			b.WriteString("\n")
		}
		where := "kept in the database"
		if k.Environment {
			where = "given as VAPID_PUBLIC_KEY"
		}
		state := "current"
		if !k.Retired.IsZero() {
			state = "retired " + health.Age(now.Sub(k.Retired)) + " ago"
		}
		fmt.Fprintf(&b, "Public key  %s\nState       %s, %s\nAge         %s, since %s\nDevices     %d\n",
			k.Public, state, where, health.Age(max(0, now.Sub(k.Created))), k.Created.UTC().Format("2006-01-02 15:04 MST"), k.Subscriptions)
	}
	return b.String()
}

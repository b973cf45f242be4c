package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tocsin/internal/auth"
	"tocsin/internal/contact"
	"tocsin/internal/fault"
	"tocsin/internal/store"
)

type userJSON struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	DisplayName string     `json:"display_name"`
	Role        string     `json:"role"`
	Disabled    bool       `json:"disabled"`
	CreatedAt   time.Time  `json:"created_at"`
	LastSignIn  *time.Time `json:"last_sign_in"`
}

func userOut(u auth.User) userJSON {
	return userJSON{u.ID, u.Name, u.DisplayName, string(u.Role), u.Disabled, u.CreatedAt.UTC(), maybe(u.LastSignIn)}
}

// maybe is null for no time.
func maybe(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (c *cli) users() *cobra.Command {
	root := &cobra.Command{Use: "user", Short: "Users, who sign in to the console"}
	var role, display string
	var stdin bool
	add := &cobra.Command{
		Use: "add NAME", Short: "Make a user", Args: oneName,
		Example: "  tocsin user add anna --role admin\n  echo \"$PASSWORD\" | tocsin user add anna --role operator --password-stdin",
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := c.password(stdin)
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(_ *store.DB, who *auth.Service) error {
				u, err := who.AddUser(cmd.Context(), auth.NewUser{Name: args[0], DisplayName: display, Role: auth.Role(role), Password: password})
				if err != nil {
					return named(err, "user", args[0])
				}
				return c.answer(userOut(u), fmt.Sprintf("User %s can sign in now, as %s.", u.Name, u.Role))
			})
		},
	}
	add.Flags().StringVar(&role, "role", string(auth.Operator), "viewer, responder, operator or admin")
	add.Flags().StringVar(&display, "display-name", "", "the name that others see")
	add.Flags().BoolVar(&stdin, "password-stdin", false, "read the password from standard input")
	list := &cobra.Command{
		Use: "list", Short: "List users", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				all, err := db.Users(cmd.Context())
				if err != nil {
					return err
				}
				return answerList(c, all, userOut, "NAME\tROLE\tDISPLAY NAME\tLAST SIGN-IN", func(u auth.User) string {
					state := string(u.Role)
					if u.Disabled {
						state += " (disabled)"
					}
					return u.Name + "\t" + state + "\t" + u.DisplayName + "\t" + when(u.LastSignIn)
				})
			})
		},
	}
	var stdinPasswd bool
	passwd := &cobra.Command{
		Use: "passwd NAME", Short: "Give a user a new password; its sessions end", Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := c.password(stdinPasswd)
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(db *store.DB, who *auth.Service) error {
				u, err := db.UserByName(cmd.Context(), args[0])
				if err != nil {
					return named(err, "user", args[0])
				}
				if u, err = who.ChangeUser(cmd.Context(), u.ID, auth.UserChange{Password: &password}); err != nil {
					return err
				}
				return c.answer(userOut(u), fmt.Sprintf("User %s has a new password; whoever was signed in with the old one is not any more.", u.Name))
			})
		},
	}
	passwd.Flags().BoolVar(&stdinPasswd, "password-stdin", false, "read the password from standard input")
	remove := &cobra.Command{
		Use: "remove NAME", Short: "Remove a user; contacts linked to it stay", Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(db *store.DB, who *auth.Service) error {
				u, err := db.UserByName(cmd.Context(), args[0])
				if err != nil {
					return named(err, "user", args[0])
				}
				if err := who.RemoveUser(cmd.Context(), u.ID); err != nil {
					return err
				}
				return c.answer(userOut(u), fmt.Sprintf("User %s is removed.", u.Name))
			})
		},
	}
	reset := c.resetFactors()
	c.jsonFlag(add, list, passwd, remove, reset)
	root.AddCommand(add, list, passwd, remove, reset)
	return root
}

// password reads one from standard input, or asks for it twice at a terminal.
func (c *cli) password(stdin bool) (string, error) {
	if stdin {
		// Scanner's limit is far above the longest password that is taken.
		lines := bufio.NewScanner(c.in)
		if !lines.Scan() {
			return "", errors.Join(errors.New("no password came on standard input"), lines.Err())
		}
		return strings.TrimSuffix(lines.Text(), "\r"), nil
	}
	f, ok := c.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", &usageError{errors.New("there is no terminal to ask for the password at; use --password-stdin")}
	}
	ask := func(text string) (string, error) {
		fmt.Fprint(c.err, text)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(c.err)
		return string(b), err
	}
	first, err := ask("Password: ")
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	again, err := ask("The same again: ")
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	if first != again {
		return "", errors.New("the two passwords differ; nothing was changed")
	}
	return first, nil
}

func (c *cli) contacts() *cobra.Command {
	root := &cobra.Command{Use: "contact", Short: "Contacts, who are told"}
	var user, display, email, engineUser, hostOptions, serviceOptions string
	add := &cobra.Command{
		Use: "add NAME", Short: "Make a contact; NAME is the engine's name of it", Args: oneName,
		Example: "  tocsin contact add ops --user anna",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				k := contact.NewContact(args[0])
				k.ID, k.DisplayName, k.Email, k.EngineUserID = newID(), display, email, engineUser
				var err error
				if hostOptions != "" {
					if k.HostOptions, err = contact.ParseOptions("host", hostOptions); err != nil {
						return err
					}
				}
				if serviceOptions != "" {
					if k.ServiceOptions, err = contact.ParseOptions("service", serviceOptions); err != nil {
						return err
					}
				}
				if user != "" {
					u, err := db.UserByName(cmd.Context(), user)
					if err != nil {
						return named(err, "user", user)
					}
					k.UserID = u.ID
				}
				if err := k.Validate(); err != nil {
					return err
				}
				if err := db.SaveContact(cmd.Context(), k); err != nil {
					return named(err, "contact", k.Name)
				}
				text := fmt.Sprintf("Contact %s is told from now on", k.Name)
				if user == "" {
					text += ", once a user is linked to it: in the console, or with --user"
				} else {
					text += ", in the browsers of " + user
				}
				return c.answer(k, text+".")
			})
		},
	}
	f := add.Flags()
	f.StringVar(&user, "user", "", "the user whose browsers are reached")
	f.StringVar(&display, "display-name", "", "the name that others see")
	f.StringVar(&email, "email", "", "e-mail address")
	f.StringVar(&engineUser, "engine-user-id", "", "what openITCOCKPIT passes as --user-id")
	f.StringVar(&hostOptions, "host-options", "", "of d,u,r,f,s (default: all)")
	f.StringVar(&serviceOptions, "service-options", "", "of w,u,c,r,f,s (default: all)")
	list := &cobra.Command{
		Use: "list", Short: "List contacts", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				all, err := db.Contacts(cmd.Context())
				if err != nil {
					return err
				}
				users, err := db.Users(cmd.Context())
				if err != nil {
					return err
				}
				names := map[string]string{}
				for _, u := range users {
					names[u.ID] = u.Name
				}
				same := func(k contact.Contact) contact.Contact { return k }
				return answerList(c, all, same, "NAME\tUSER\tHOST OPTIONS\tSERVICE OPTIONS", func(k contact.Contact) string {
					return k.Name + "\t" + names[k.UserID] + "\t" + string(k.HostOptions) + "\t" + string(k.ServiceOptions)
				})
			})
		},
	}
	c.jsonFlag(add, list)
	root.AddCommand(add, list)
	return root
}

// named says in plain words that a name is taken, or that there is none.
func named(err error, what, name string) error {
	command := what
	if what == "apikey" {
		what = "API key"
	}
	switch {
	case errors.Is(err, fault.ErrTaken):
		return fmt.Errorf("the %s %s is there already; choose another name", what, name)
	case errors.Is(err, fault.ErrNotFound):
		return fmt.Errorf("there is no %s %s; tocsin %s list shows those there are", what, name, command)
	case errors.Is(err, fault.ErrInUse):
		return fmt.Errorf("the %s %s is in use and stays: %w", what, name, err)
	}
	return err
}

// answerList prints a list, as {"items":[…]} with --json, else as a table.
func answerList[T, U any](c *cli, all []T, out func(T) U, head string, row func(T) string) error {
	if c.json {
		items := make([]U, 0, len(all))
		for _, x := range all {
			items = append(items, out(x))
		}
		return c.answer(struct {
			Items []U `json:"items"`
		}{items}, "")
	}
	return table(c.out, head, all, row)
}

func table[T any](w io.Writer, head string, all []T, row func(T) string) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, head)
	for _, x := range all {
		fmt.Fprintln(t, row(x))
	}
	return t.Flush()
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

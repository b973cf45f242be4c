package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/audit"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/demo"
	"tocsin/internal/notify"
	"tocsin/internal/store"
)

// cli is what all commands share.
type cli struct {
	in       io.Reader
	out, err io.Writer
	code     int // of a command that answers with one of its own

	file  string             // --config
	flags map[string]*string // configuration key to its flag's value
	json  bool
}

// execute runs one command and answers the exit code.
func execute(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	c := &cli{in: in, out: out, err: errOut, flags: map[string]*string{}}
	root := c.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	if err := root.ExecuteContext(audit.With(ctx, operator())); err != nil {
		var wrong *usageError
		fmt.Fprintln(errOut, "tocsin: "+strings.ReplaceAll(err.Error(), "\n", "; "))
		if errors.As(err, &wrong) || strings.HasPrefix(err.Error(), "unknown command") {
			return 2
		}
		return 1
	}
	return c.code
}

// usageError is a command that was written wrongly.
type usageError struct{ error }

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "tocsin",
		Short:         "From the monitoring engine to the right person's browser",
		Long:          "Tocsin takes the notifications of monitoring engines and shows them to the people who\nmust know, in their browsers, and says who was told, by which way, when, and if not, why not.\n\nTo see it at once: tocsin demo",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	f := root.PersistentFlags()
	f.StringVar(&c.file, "config", "", "file with the configuration (default "+config.SystemFile+" if it is there)")
	c.setting(root, "data", "TOCSIN_DATA", "folder for the database and other data (default ./data)")
	c.setting(root, "database-url", "TOCSIN_DATABASE_URL", "postgres://… or sqlite:PATH (default: SQLite in the data folder)")
	root.AddCommand(c.serve(), c.backup(), c.restore(), c.users(), c.sources(), c.contacts(), c.apikeys(), c.vapid(), c.secrets(), c.certificates(), c.imports(), c.export(), c.bounce(), c.simulate(), c.demo(), c.doctor(), c.docs(), c.configuration(), c.version(),
		notify.Command(func(code int) { c.code = code }))
	c.extra(root)
	return root
}

// itself is the context of a hub: what it does, nobody at a terminal did.
func itself(ctx context.Context) context.Context {
	return audit.With(ctx, audit.Actor{Kind: audit.System, Name: "Tocsin"})
}

// setting makes a flag for a configuration key. A flag that was not given
// leaves the key to the environment and the files.
func (c *cli) setting(cmd *cobra.Command, name, key, text string) {
	v := c.flags[key] // two commands may have it
	if v == nil {
		v = new(string)
		c.flags[key] = v
	}
	set := cmd.Flags()
	if cmd.Parent() == nil && cmd.Name() == "tocsin" {
		set = cmd.PersistentFlags()
	}
	set.StringVar(v, name, "", text)
}

func (c *cli) load() (config.Config, error) { return config.Load(c.places()) }

func (c *cli) serve() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the hub",
		Long:  "Run the hub until it gets SIGTERM or Ctrl-C. It is configured by flags, by TOCSIN_… in the\nenvironment, or by a file of KEY=VALUE lines; see docs/configuration.md.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			return app.Run(itself(cmd.Context()), cfg)
		},
	}
	c.setting(cmd, "listen", "TOCSIN_LISTEN", "host:port to listen on (default 127.0.0.1:8080)")
	c.setting(cmd, "domain", "TOCSIN_DOMAIN", "host names that get certificates by themselves (ACME); https is spoken then, on port 443")
	c.setting(cmd, "base-url", "TOCSIN_BASE_URL", "how browsers reach it, e.g. https://alerts.example.com")
	c.setting(cmd, "log-level", "TOCSIN_LOG_LEVEL", "debug, info, warn or error (default info)")
	return cmd
}

func (c *cli) demo() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run everything with a made-up company, to look around",
		Long:  "Run the hub on an embedded database with sample users, contacts and rules, a simulated\nmonitoring engine, a team chat beside, and a public status page with half a year of history\nthat follows the engine: the address of each is printed. Its data is deleted at the end, unless --data names a folder.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(itself(cmd.Context()), demo.Options{Listen: listen, DataDir: *c.flags["TOCSIN_DATA"], Out: c.out})
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8080", "host:port to listen on")
	return cmd
}

// noArgs and oneName say what was wrong in the words of the command.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("%s takes no %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())}
	}
	return nil
}

func oneName(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return &usageError{fmt.Errorf("%s takes one name, not %d; see %s --help", cmd.CommandPath(), len(args), cmd.CommandPath())}
	}
	return nil
}

// with opens the database for a command. The hub may be serving from it: what
// is changed is in force there at once.
func (c *cli) with(ctx context.Context, f func(db *store.DB, who *auth.Service) error) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if !cfg.Postgres() {
		if err := os.MkdirAll(cfg.DataDir, 0o750); err != nil {
			return fmt.Errorf("make the data folder: %w", err)
		}
	}
	db, err := store.Open(ctx, store.Options{URL: cfg.DatabaseURL, DataDir: cfg.DataDir, Node: "command", Secrets: cfg.Secrets})
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	who, err := auth.NewService(db, auth.Options{})
	if err != nil {
		return errors.Join(err, db.Close())
	}
	return errors.Join(f(db, who), db.Close())
}

// answer prints v as JSON with --json, else the text.
func (c *cli) answer(v any, text string) error {
	if !c.json {
		_, err := fmt.Fprintln(c.out, strings.TrimRight(text, "\n"))
		return err
	}
	enc := json.NewEncoder(c.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// jsonFlag lets a command answer in JSON.
func (c *cli) jsonFlag(cmds ...*cobra.Command) {
	for _, cmd := range cmds {
		cmd.Flags().BoolVar(&c.json, "json", false, "answer in JSON, for scripts")
	}
}

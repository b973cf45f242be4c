package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/source"
	"tocsin/internal/store"
	"tocsin/internal/web"
)

// writeBackFlags are how a source's engine is told what was done here. Secrets come
// from files or standard input: what is written on a command line, everybody on the
// machine can read.
type writeBackFlags struct {
	to                       source.WriteBack
	caFile, secretFile       string
	signingFile, mappingFile string
	silentAfter              int
	given                    func(flag string) bool
}

func (w *writeBackFlags) register(cmd *cobra.Command) {
	ways := []string{"none"}
	for _, k := range app.WriteBacks() {
		ways = append(ways, k.Name())
	}
	f := cmd.Flags()
	f.StringVar(&w.to.Kind, "write-back", "", "how the engine is told what was done here: "+strings.Join(ways, ", "))
	f.StringVar(&w.to.CommandFile, "command-file", "", "the engine's command file, a FIFO")
	f.StringVar(&w.to.StatusFile, "status-file", "", "its status.dat, to see that it was done")
	f.StringVar(&w.to.Livestatus, "livestatus", "", "unix:/path or tcp:host:port")
	f.StringVar(&w.to.URL, "engine-url", "", "of its API, e.g. https://icinga.example.com:5665")
	f.StringVar(&w.to.User, "engine-user", "", "of its API")
	f.StringVar(&w.secretFile, "engine-secret-file", "", "file with the password, API key or token for it; - is standard input")
	f.StringVar(&w.caFile, "ca-file", "", "certificates (PEM) of who signed the engine's; default: the system's")
	f.StringVar(&w.to.ServerName, "server-name", "", "the name in its certificate, where it is not the URL's host")
	f.BoolVar(&w.to.UseProxy, "use-proxy", false, "reach it through the outgoing proxy")
	f.BoolVar(&w.to.Silence, "silence", false, "Alertmanager: an acknowledgement makes a silence")
	f.BoolVar(&w.to.Expire, "expire", false, "the engine takes acknowledgements that expire")
	f.BoolVar(&w.to.Notify, "engine-notify", false, "the engine tells its own contacts, too")
	f.IntVar(&w.to.ConfirmSeconds, "confirm-seconds", 0, "after how long what it did not confirm is shown as not confirmed (default 120)")
	f.StringVar(&w.signingFile, "signing-secret-file", "", "file with the secret that signs the engine's requests (Grafana); - is standard input")
	f.StringVar(&w.mappingFile, "mapping-file", "", "file with the mapping (JSON) of a source of the kind generic; - is standard input")
	f.IntVar(&w.silentAfter, "silent-after", 0, "after so many minutes without an event or a heartbeat it is alerted of; 0 for never")
	w.given = func(flag string) bool { return cmd.Flags().Changed(flag) }
}

// read fills s with what was given.
func (w *writeBackFlags) read(in io.Reader, s *source.Source) error {
	if w.given("silent-after") {
		s.QuietMinutes = w.silentAfter
	}
	stdin := 0
	for _, name := range []string{w.secretFile, w.signingFile, w.mappingFile} {
		if name == "-" {
			stdin++
		}
	}
	if stdin > 1 {
		return &usageError{errors.New("standard input can be only one of the files")}
	}
	if w.caFile != "" {
		pem, err := readSmall(in, w.caFile)
		if err != nil {
			return fmt.Errorf("read --ca-file: %w", err)
		}
		w.to.CA = string(pem)
	}
	var secret *string
	if w.secretFile != "" {
		text, err := readSecret(in, w.secretFile)
		if err != nil {
			return fmt.Errorf("read --engine-secret-file: %w", err)
		}
		secret = &text
	}
	var err error
	if w.given("write-back") {
		if s.WriteBack, err = web.Replaced(s.WriteBack, w.to, secret); err != nil {
			return &usageError{errors.New("the engine's secret is kept for another address: give it again with --engine-secret-file")}
		}
	} else if secret != nil {
		s.WriteBack.Secret = *secret
	}
	if w.signingFile != "" {
		if s.Secret, err = readSecret(in, w.signingFile); err != nil {
			return fmt.Errorf("read --signing-secret-file: %w", err)
		}
	}
	if w.mappingFile == "" {
		return nil
	}
	text, err := readSmall(in, w.mappingFile)
	if err != nil {
		return fmt.Errorf("read --mapping-file: %w", err)
	}
	s.Mapping = &source.Mapping{}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(s.Mapping); err != nil {
		return fmt.Errorf("the mapping in %s cannot be read: %w: write a JSON object with host, state and so on; docs/api.md has an example", w.mappingFile, err)
	}
	return nil
}

// flagOf answers the flag of a field that a refusal names, empty if it has none.
func flagOf(field string) string {
	return map[string]string{
		"write_back.kind": "--write-back", "write_back.command_file": "--command-file", "write_back.status_file": "--status-file",
		"write_back.livestatus": "--livestatus", "write_back.url": "--engine-url", "write_back.user": "--engine-user", "write_back.ca": "--ca-file",
		"write_back.server_name": "--server-name", "write_back.use_proxy": "--use-proxy", "write_back.confirm_seconds": "--confirm-seconds",
		"write_back_secret": "--engine-secret-file", "secret": "--signing-secret-file", "mapping": "--mapping-file",
		"silent_after_minutes": "--silent-after",
	}[field]
}

// checkSource says what is wrong with a source in the words of the command.
func checkSource(s source.Source) error {
	err := web.CheckSource(s, app.Kinds(), app.WriteBacks())
	var fe *source.FieldError
	if errors.As(err, &fe) && flagOf(fe.Field) != "" {
		return &source.FieldError{Field: flagOf(fe.Field), Problem: fe.Problem, Mend: fe.Mend}
	}
	return err
}

// mostFile is far more than a secret, a chain of certificates or a mapping has.
const mostFile = 64 << 10

func readSmall(in io.Reader, name string) ([]byte, error) {
	if name != "-" {
		f, err := os.Open(filepath.Clean(name))
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }() // only read
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, mostFile+1))
	if err == nil && len(b) > mostFile {
		err = fmt.Errorf("%s has more than 64 KiB", name)
	}
	return b, err
}

// readSecret is the file's one line.
func readSecret(in io.Reader, name string) (string, error) {
	b, err := readSmall(in, name)
	if err != nil {
		return "", err
	}
	text := strings.TrimRight(string(b), "\r\n")
	if text == "" || strings.ContainsAny(text, "\r\n") {
		return "", fmt.Errorf("%s is not one line", name)
	}
	return text, nil
}

// changeSource is `tocsin source write-back`.
func (c *cli) changeSource() *cobra.Command {
	var w writeBackFlags
	cmd := &cobra.Command{
		Use: "write-back NAME", Short: "Change how a source's engine is told what was done here", Args: oneName,
		Long: "Change how a source's engine is told what was done here, who signs its requests, or its mapping.\nWith --write-back all that belongs to it is set anew; a secret that is kept stays, unless the\nengine's address changes.",
		Example: "  tocsin source write-back nagios-berlin --write-back command_file --command-file /var/lib/nagios4/rw/nagios.cmd --status-file /var/lib/nagios4/status.dat\n" +
			"  tocsin source write-back nagios-berlin --write-back none",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				s, err := db.SourceByName(cmd.Context(), args[0])
				if err != nil {
					return named(err, "source", args[0])
				}
				if err := w.read(c.in, &s); err != nil {
					return err
				}
				if err := checkSource(s); err != nil {
					return err
				}
				if err := db.SaveSource(cmd.Context(), s); err != nil {
					return named(err, "source", s.Name)
				}
				return c.answer(sourceOut(s, ""), "The engine of "+s.Name+" is told "+told(s)+" from now on.")
			})
		},
	}
	w.register(cmd)
	return cmd
}

// told says how a source's engine is told, for people.
func told(s source.Source) string {
	for _, k := range app.WriteBacks() {
		if s.WriteBack.Kind == k.Name() {
			return "by " + k.Title()
		}
	}
	return "nothing"
}

// setupSource is `tocsin source setup`.
func (c *cli) setupSource() *cobra.Command {
	return &cobra.Command{
		Use: "setup NAME", Short: "Print the configuration for a source's engine, ready to paste", Args: oneName,
		Long: "Print the configuration for a source's engine, ready to paste. The token stands in it as a\nfile's name or a hint: it is shown when it is made, and never again.",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := c.load()
			if err != nil {
				return err
			}
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				s, err := db.SourceByName(cmd.Context(), args[0])
				if err != nil {
					return named(err, "source", args[0])
				}
				return c.answer(snippets(cfg, s))
			})
		},
	}
}

// snippets is the configuration for a source's engine, for scripts and for people.
func snippets(cfg config.Config, s source.Source) (list any, text string) {
	var all []source.Snippet
	for _, k := range app.Kinds() {
		if g, ok := k.(source.Guided); ok && k.Name() == s.Kind {
			all = g.Snippets(source.Setup{BaseURL: cfg.BaseURL, Source: s.Name})
		}
	}
	type snippet struct {
		Title string `json:"title"`
		Where string `json:"where"`
		Why   string `json:"why"`
		Text  string `json:"text"`
	}
	out := []snippet{}
	var b strings.Builder
	for _, x := range all {
		out = append(out, snippet(x))
		fmt.Fprintf(&b, "# %s", x.Title)
		if x.Where != "" {
			fmt.Fprintf(&b, " – %s", x.Where)
		}
		if x.Why != "" {
			fmt.Fprintf(&b, "\n# %s", x.Why)
		}
		fmt.Fprintf(&b, "\n%s\n\n", x.Text)
	}
	if len(all) == 0 {
		b.WriteString("There is nothing to paste for a source of the kind " + s.Kind + ".")
	}
	return struct {
		Items []snippet `json:"items"`
	}{out}, b.String()
}

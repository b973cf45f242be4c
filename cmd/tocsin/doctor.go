package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"tocsin/internal/app"
	"tocsin/internal/config"
	"tocsin/internal/doctor"
)

func (c *cli) doctor() *cobra.Command {
	var brief bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look whether everything works, and say what to do where it does not",
		Long: "Look at the configuration, the machine, the data folder, the database, the hub's address, every\n" +
			"source and every way of telling people, and say of each whether it is well, and else the mend.\n" +
			"Nothing is changed and nobody is told anything. It works beside a hub that serves, and where the\n" +
			"hub cannot start. Run it as the user of the hub: sudo -u tocsin tocsin doctor\n\n" +
			"It ends with 0 when all is well, 1 with warnings and 2 when something failed, as a check of a\n" +
			"monitoring engine does. Colours are left out where NO_COLOR is set, or the output is no terminal.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := c.load()
			r := app.Examine(cmd.Context(), app.Examination{Config: cfg, Err: err, Files: c.files()})
			c.code = r.Code()
			if c.json {
				enc := json.NewEncoder(c.out)
				enc.SetEscapeHTML(false)
				enc.SetIndent("", "  ")
				return enc.Encode(r)
			}
			s := style(c.out, os.Getenv)
			s.Brief = brief
			return r.Print(c.out, s)
		},
	}
	cmd.Flags().BoolVar(&brief, "brief", false, "print only what is not well")
	c.jsonFlag(cmd)
	return cmd
}

// files are those that the configuration is read from.
func (c *cli) files() []string {
	var out []string
	for _, f := range []string{cmp.Or(c.file, config.SystemFile), ".env"} {
		if info, err := os.Stat(f); err == nil && info.Mode().IsRegular() {
			out = append(out, f)
		}
	}
	return out
}

// style is how to print to where out leads: with colours and within its width on a
// terminal that has them, and plainly anywhere else.
func style(out io.Writer, env func(string) string) doctor.Style {
	var s doctor.Style
	locale := cmp.Or(env("LC_ALL"), env("LC_CTYPE"), env("LANG"))
	s.ASCII = !strings.Contains(strings.ToLower(strings.ReplaceAll(locale, "-", "")), "utf8")
	f, ok := out.(*os.File)
	if !ok {
		return s
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return s // no terminal
	}
	s.Width = int(size.Col)
	s.Colour = env("NO_COLOR") == "" && env("TERM") != "dumb"
	return s
}

// buildJSON is what `tocsin version --json` answers.
type buildJSON struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`
	Date     string `json:"date"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func (c *cli) version() *cobra.Command {
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArgs,
		Long: "Print the version, the commit and its date, and the Go that it was built with.",
		RunE: func(*cobra.Command, []string) error {
			b := app.Built()
			text := "tocsin " + b.Version
			if b.Commit != "" {
				text += fmt.Sprintf("\ncommit %s", b.Commit)
				if b.Date != "" {
					text += " of " + b.Date
				}
			}
			text += fmt.Sprintf("\n%s %s", b.Go, b.Platform)
			return c.answer(buildJSON(b), text)
		},
	}
	c.jsonFlag(cmd)
	return cmd
}

//go:build manual

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"tocsin/internal/app"
	"tocsin/internal/notify"
)

// manual writes the manual pages, the completions and the documentation: man/*.1,
// completion/… and html/… below a folder. `make release` builds the program with the tag for it; what is shipped is
// built without, and knows nothing of it.
func (c *cli) manual(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "manual DIR VERSION DATE", Hidden: true, Args: cobra.ExactArgs(3),
		RunE: func(_ *cobra.Command, args []string) error {
			date, err := time.Parse(time.DateOnly, args[2])
			if err != nil {
				return fmt.Errorf("read the date: %w", err)
			}
			man, completion := filepath.Join(args[0], "man"), filepath.Join(args[0], "completion")
			if err := errors.Join(os.MkdirAll(man, 0o755), os.MkdirAll(completion, 0o755)); err != nil {
				return fmt.Errorf("make the folders: %w", err)
			}
			app.Version = args[1]
			pages, err := app.Documentation("")
			if err != nil {
				return err //nolint:wrapcheck // says what it was
			}
			if err := pages.Write(filepath.Join(args[0], "html")); err != nil {
				return fmt.Errorf("write the documentation: %w", err)
			}
			root.DisableAutoGenTag = true
			if n, _, err := root.Find([]string{"notify"}); err == nil {
				// It reads its flags itself, and so has its own words about them.
				var help bytes.Buffer
				notify.Run(context.Background(), []string{"--help"}, strings.NewReader(""), &help, &help, func(string) string { return "" })
				n.Long = n.Short + ".\n\n    " + strings.ReplaceAll(strings.TrimSpace(help.String()), "\n", "\n    ") + "\n"
			}
			err = doc.GenManTree(root, &doc.GenManHeader{Title: "TOCSIN", Section: "1", Date: &date, Source: "Tocsin " + args[1], Manual: "Tocsin"}, man)
			return errors.Join(err,
				root.GenBashCompletionFileV2(filepath.Join(completion, "tocsin.bash"), true),
				root.GenZshCompletionFile(filepath.Join(completion, "_tocsin")),
				root.GenFishCompletionFile(filepath.Join(completion, "tocsin.fish"), true))
		},
	}
}

func (c *cli) extra(root *cobra.Command) { root.AddCommand(c.manual(root)) }

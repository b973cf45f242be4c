package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tocsin/internal/app"
	"tocsin/internal/site"
)

func (c *cli) docs() *cobra.Command {
	var out, listen string
	var source bool
	cmd := &cobra.Command{
		Use:   "docs [PAGE]",
		Short: "Read the documentation, find words in it, or make web pages of it",
		Long: "Print a page of the documentation, or without a name the list of all pages. The name of a page\n" +
			"may have a heading behind it, as the search prints it: webpush#the-subject\n\n" +
			"--out writes web pages that any web server can show, or a browser from the folder. --listen\n" +
			"shows them until Ctrl-C. A running hub shows them to who is signed in, at /docs/.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{fmt.Errorf("%s takes one page, not %d; see %s --help", cmd.CommandPath(), len(args), cmd.CommandPath())}
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			s, err := app.Documentation("")
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, p := range s.Pages() {
				names = append(names, p.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && (out != "" || listen != "") || out != "" && listen != "" {
				return &usageError{errors.New("give a page, or --out, or --listen: one of them")}
			}
			s, err := app.Documentation("")
			if err != nil {
				return err //nolint:wrapcheck // says what it was
			}
			switch {
			case out != "":
				return c.writeDocs(s, out)
			case listen != "":
				return c.serveDocs(cmd.Context(), s, listen)
			case len(args) == 1:
				return c.printPage(s, args[0], source)
			}
			return c.listPages(s)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "folder to write web pages to; one that is there is replaced if it is such a site and nothing else is in it")
	cmd.Flags().StringVar(&listen, "listen", "", "host:port to show web pages at, such as 127.0.0.1:8090")
	cmd.Flags().BoolVar(&source, "markdown", false, "print the page's Markdown as it is")
	cmd.AddCommand(c.searchDocs())
	return cmd
}

func (c *cli) writeDocs(s *site.Site, out string) error {
	if err := s.Write(out); err != nil {
		return fmt.Errorf("write the documentation: %w", err)
	}
	_, err := fmt.Fprintf(c.out, "%d pages are in %s; begin with index.html\n", len(s.Pages()), out)
	return err
}

func (c *cli) serveDocs(ctx context.Context, s *site.Site, listen string) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", listen, err)
	}
	srv := &http.Server{Handler: app.DocumentationHandler(s), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	stopped := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stopped()
	fmt.Fprintf(c.out, "The documentation is at http://%s/ until Ctrl-C\n", l.Addr())
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the documentation: %w", err)
	}
	return nil
}

func (c *cli) printPage(s *site.Site, called string, source bool) error {
	name, id, _ := strings.Cut(called, "#")
	p, ok := s.Page(name)
	if !ok {
		mend := "tocsin docs lists them all"
		if like := s.Like(name); len(like) > 0 {
			mend = "perhaps " + strings.Join(like, ", ") + "; " + mend
		}
		return &usageError{fmt.Errorf("there is no page %q: %s, and tocsin docs search finds words", name, mend)}
	}
	text := p.Markdown()
	if id != "" {
		if text, ok = p.Section(id); !ok {
			return &usageError{fmt.Errorf("the page %s has no heading #%s", p.Name, id)}
		}
	}
	if source {
		_, err := c.out.Write(text)
		return err
	}
	_, err := fmt.Fprint(c.out, site.Text(text, c.terminal()))
	return err
}

// terminal is what to print for: colours and the width of a terminal, else neither.
func (c *cli) terminal() site.Terminal {
	s := style(c.out, os.Getenv)
	return site.Terminal{Width: s.Width, Styled: s.Colour}
}

func (c *cli) listPages(s *site.Site) error {
	var b strings.Builder
	for _, sec := range s.Sections() {
		fmt.Fprintf(&b, "%s\n", sec.Title)
		for _, p := range sec.Pages {
			fmt.Fprintf(&b, "  %-22s %s\n", p.Name, p.Short)
			if len(p.Parts) > 0 {
				fmt.Fprintf(&b, "  %-22s %d pages, %s to %s\n", "", len(p.Parts), p.Parts[0].Name, p.Parts[len(p.Parts)-1].Name)
			}
		}
	}
	b.WriteString("\ntocsin docs PAGE prints one, tocsin docs search WORDS finds words in all of them.\n")
	_, err := fmt.Fprint(c.out, b.String())
	return err
}

func (c *cli) searchDocs() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "search WORDS",
		Short: "Find words in the documentation",
		Long:  "Find the places that have all the words, the best first. Each can be printed by tocsin docs.",
		Args: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(strings.Join(args, "")) == "" {
				return &usageError{fmt.Errorf("%s takes the words to look for; see %s --help", cmd.CommandPath(), cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := app.Documentation("")
			if err != nil {
				return err //nolint:wrapcheck // says what it was
			}
			hits := s.Search(strings.Join(args, " "))
			if len(hits) == 0 {
				return errors.New("nothing has these words: try fewer of them, or the beginning of one")
			}
			t := c.terminal()
			for _, h := range hits[:min(len(hits), 10)] {
				where := h.Page.Name
				if h.ID != "" {
					where += "#" + h.ID
				}
				title := h.Page.Short
				if h.Heading != "" {
					title += ": " + h.Heading
				}
				fmt.Fprintf(c.out, "%s\n    %s\n%s\n", where, title, site.Indented(h.Excerpt, "    ", t))
			}
			return nil
		},
	}
	return cmd
}

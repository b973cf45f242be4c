package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"tocsin/internal/auth"
	"tocsin/internal/config"
	"tocsin/internal/store"
)

// keyInForce is one key of `tocsin config --json`.
type keyInForce struct {
	Key     string `json:"key"`
	Value   string `json:"value"` // "(hidden)" of a secret
	From    string `json:"from"`
	Given   bool   `json:"given"` // else it is the default
	Secret  bool   `json:"secret"`
	Default string `json:"default"`
	Shape   string `json:"shape"`
	Limits  string `json:"limits"`
	Flag    string `json:"flag"`
	Meaning string `json:"meaning"`
}

// settingInForce is one setting of `tocsin config settings --json`.
type settingInForce struct {
	Name    string `json:"name"`
	Value   string `json:"value"` // as JSON has it; "(hidden)" of a secret
	Default string `json:"default"`
	Page    string `json:"page"`
	Limits  string `json:"limits"`
	Meaning string `json:"meaning"`
}

// configuration is `tocsin config`.
func (c *cli) configuration() *cobra.Command {
	var given bool
	root := &cobra.Command{
		Use:   "config [KEY...]",
		Short: "Show what is configured, and from where",
		Long: "Show every key of the configuration: what is in force, and whether that is from a flag, the\n" +
			"environment, a line of a file, or the default. Of a secret it says only that there is one. With\n" +
			"keys, it explains those. Run it as the user of the hub, and in the environment that the hub is\n" +
			"started with: sudo -u tocsin tocsin config",
		Example: "  tocsin config --given\n  tocsin config TOCSIN_DRAIN TOCSIN_LISTEN\n  tocsin config settings",
		Args:    cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			wanted := map[string]bool{}
			for _, name := range args {
				k, err := config.Lookup(name)
				if err != nil {
					return &usageError{err}
				}
				wanted[k.Name] = true
			}
			all, err := config.InForce(c.places())
			if err != nil {
				return err
			}
			all = slices.DeleteFunc(all, func(v config.Value) bool { return len(wanted) > 0 && !wanted[v.Name] || given && !v.Given })
			if len(wanted) > 0 {
				return c.answer(keysOut(all), explained(all))
			}
			return c.answer(keysOut(all), c.keyTable(all))
		},
	}
	root.Flags().BoolVar(&given, "given", false, "only what is given, not defaults")
	settings := &cobra.Command{
		Use: "settings [NAME...]", Short: "Show the settings that people change in the console",
		Long: "Show the settings that people change in the console or by API, from the database, with their\ndefaults. With names, it explains those.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				now, err := db.Settings(cmd.Context())
				if err != nil {
					return err
				}
				address, err := db.PingURL(cmd.Context())
				if err != nil {
					return err
				}
				out, err := settingsOut(now, address != "", args)
				if err != nil {
					return err
				}
				return c.answer(struct {
					Items []settingInForce `json:"items"`
				}{out}, settingTable(out, len(args) > 0))
			})
		},
	}
	sample := &cobra.Command{
		Use: "sample", Short: "Print a configuration file with every key, all of them comments", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprint(c.out, config.Sample(nil))
			return err
		},
	}
	c.jsonFlag(root, settings)
	root.AddCommand(settings, sample)
	return root
}

func keysOut(all []config.Value) any {
	out := make([]keyInForce, len(all))
	for i, v := range all {
		out[i] = keyInForce{
			v.Name, v.Text, v.From, v.Given, v.Secret, config.Plain(v.Usual()), config.Plain(v.Shape), config.Plain(v.Limits), v.Flag, config.Plain(v.Meaning),
		}
	}
	return struct {
		Items []keyInForce `json:"items"`
	}{out}
}

// keyTable lists keys, and the files that were read.
func (c *cli) keyTable(all []config.Value) string {
	rows := make([]string, len(all))
	for i, v := range all {
		rows[i] = v.Name + "\t" + orDash(v.Text) + "\t" + v.From
	}
	files := "none"
	if read := c.files(); len(read) > 0 {
		files = strings.Join(read, ", ")
	}
	return columns("KEY\tIN FORCE\tFROM", rows) + "\nFiles: " + files
}

// explained says of each key all that there is to say.
func explained(all []config.Value) string {
	var b strings.Builder
	for _, v := range all {
		explain(&b, v.Name, [][2]string{
			{"in force", orDash(v.Text)}, {"from", v.From}, {"default", orDash(config.Plain(v.Usual()))},
			{"write", config.Plain(v.Shape)}, {"limits", config.Plain(v.Limits)}, {"flag", v.Flag},
		}, v.Meaning)
	}
	return b.String()
}

func settingsOut(now config.Settings, pinged bool, names []string) ([]settingInForce, error) {
	table := config.SettingTable()
	for _, name := range names {
		if !slices.ContainsFunc(table, func(s config.Setting) bool { return s.Name == name }) {
			return nil, &usageError{fmt.Errorf("there is no setting %q; tocsin config settings lists them", name)}
		}
	}
	out := []settingInForce{}
	for _, s := range table {
		if len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		limits := s.Limits()
		if limits == "" {
			limits = config.Plain(s.Shape)
		}
		value, _ := now.InWords(s.Name)
		usual, _ := config.Defaults().InWords(s.Name)
		if s.Secret && pinged {
			value = config.Hidden
		}
		out = append(out, settingInForce{s.Name, value, usual, s.Page, limits, config.Plain(s.Meaning)})
	}
	return out, nil
}

func settingTable(all []settingInForce, whole bool) string {
	if whole {
		var b strings.Builder
		for _, s := range all {
			explain(&b, s.Name, [][2]string{{"in force", orDash(s.Value)}, {"default", orDash(s.Default)}, {"limits", s.Limits}, {"page", s.Page}}, s.Meaning)
		}
		return b.String()
	}
	var rows []string
	for _, s := range all {
		rows = append(rows, settingRows(s)...)
	}
	return columns("SETTING\tIN FORCE\tDEFAULT", rows)
}

// settingRows is a setting as a row, and one that has values by state as a row for each.
func settingRows(s settingInForce) []string {
	var now, usual map[string]any
	if json.Unmarshal([]byte(s.Value), &now) == nil && json.Unmarshal([]byte(s.Default), &usual) == nil && len(usual) > 0 {
		var rows []string
		for _, key := range slices.Sorted(maps.Keys(now)) {
			rows = append(rows, fmt.Sprintf("%s.%s\t%v\t%v", s.Name, key, now[key], usual[key]))
		}
		return rows
	}
	return []string{s.Name + "\t" + orDash(s.Value) + "\t" + orDash(s.Default)}
}

// explain writes a name, what is said of it, and what it means.
func explain(b *strings.Builder, name string, lines [][2]string, meaning string) {
	if b.Len() > 0 {
		b.WriteString("\n")
	}
	b.WriteString(name + "\n")
	for _, l := range lines {
		if l[1] != "" {
			fmt.Fprintf(b, "  %-10s %s\n", l[0], l[1])
		}
	}
	for _, line := range config.Wrapped(config.Sentence(meaning), 90) {
		b.WriteString("  " + line + "\n")
	}
}

// columns are rows below each other, with two blanks between what tabs divide.
func columns(head string, rows []string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, head)
	for _, row := range rows {
		fmt.Fprintln(w, row)
	}
	_ = w.Flush() // into memory
	return b.String()
}

func orDash(text string) string {
	if text == "" || text == `""` {
		return "-"
	}
	return text
}

// places are where the configuration is looked for.
func (c *cli) places() config.Sources {
	given := map[string]string{}
	for key, v := range c.flags {
		if *v != "" {
			given[key] = *v
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = ""
	}
	return config.Sources{Flags: given, Environ: os.Environ(), File: c.file, WorkDir: dir}
}

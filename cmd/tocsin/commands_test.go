package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tocsin/internal/config"
	"tocsin/internal/notify"
)

var update = flag.Bool("update", false, "write docs/commands.md anew")

const commandsPage = "../../docs/commands.md"

// whole is the command with all that are below it.
func whole() *cobra.Command {
	c := &cli{in: strings.NewReader(""), out: io.Discard, err: io.Discard, flags: map[string]*string{}}
	return c.root()
}

// below are the commands that people may call, in the order of the help, the root first.
func below(cmd *cobra.Command) []*cobra.Command {
	out := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		if !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" {
			out = append(out, below(sub)...)
		}
	}
	return out
}

// keyOf is the key of the configuration that a flag goes before, empty if there is none.
func keyOf(flag string) string {
	for _, k := range config.Table() {
		if k.Flag == "--"+flag {
			return k.Name
		}
	}
	return ""
}

func TestEveryCommandIsExplained(t *testing.T) {
	t.Parallel()
	var keyed []string
	for _, cmd := range below(whole()) {
		path := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s has no short text, or one with a full stop", path)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s --%s says nothing", path, f.Name)
			}
			if m := regexp.MustCompile(`\(default ([0-9][^ )]*)\)`).FindStringSubmatch(f.Usage); m != nil && f.DefValue != "" && f.DefValue != "0" && f.DefValue != m[1] {
				t.Errorf("%s --%s is %s by itself, and says %s", path, f.Name, f.DefValue, m[1])
			}
		})
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if key := keyOf(f.Name); key != "" && (path == "tocsin" || path == "tocsin serve") {
				keyed = append(keyed, key)
				k, _ := config.ByName(key)
				if k.Default != "" && strings.Contains(f.Usage, "default") && !strings.Contains(f.Usage, k.Default) {
					t.Errorf("%s --%s does not say the default %s: %s", path, f.Name, k.Default, f.Usage)
				}
			}
		})
	}
	for _, k := range config.Table() {
		if n := len(slices.DeleteFunc(slices.Clone(keyed), func(name string) bool { return name != k.Name })); k.Flag != "" && n != 1 {
			t.Errorf("%s is said to have the flag %s, which %d commands have", k.Name, k.Flag, n)
		}
	}
}

func TestKeysOfFlagsAreThoseOfTheConfiguration(t *testing.T) {
	t.Parallel()
	c := &cli{in: strings.NewReader(""), out: io.Discard, err: io.Discard, flags: map[string]*string{}}
	c.root()
	for key := range c.flags {
		if k, ok := config.ByName(key); !ok || k.Flag == "" {
			t.Errorf("a flag is for the key %s, of which the table says no flag", key)
		}
	}
	var own []string
	for _, f := range notify.Flags() {
		if f.Key != "" {
			own = append(own, f.Key)
		}
	}
	for _, cmd := range below(whole()) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			own = append(own, regexp.MustCompile(`TOCSIN_[A-Z_]+[A-Z]`).FindAllString(f.Usage, -1)...)
		})
	}
	own = slices.DeleteFunc(own, func(key string) bool { return slices.Contains(config.Keys(), key) })
	slices.Sort(own)
	other := slices.Sorted(slices.Values(config.OtherKeys()))
	if d := cmp.Diff(slices.Compact(own), other); d != "" {
		t.Errorf("the keys of notify and bounce are not those that the configuration lets stand: %s", d)
	}
}

func TestCommandsPageIsAsTheProgramSays(t *testing.T) {
	t.Parallel()
	text := commandsText()
	if *update {
		if err := os.WriteFile(commandsPage, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(filepath.Clean(commandsPage))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(text, string(kept)); d != "" {
		t.Errorf("docs/commands.md is not what the program says; if that is meant, run go test ./cmd/tocsin -run TestCommandsPage -update\n%s", d)
	}
}

// commandsText is docs/commands.md.
func commandsText() string {
	var b strings.Builder
	b.WriteString(`# Commands

This page is made from the program: ` + "`tocsin COMMAND --help`" + ` says the same. Where a key is named, it does what the flag does:
in the environment or in a file, of which [configuration.md](configuration.md) tells; [settings.md](settings.md) has every key.
Commands but ` + "`notify` and `bounce`" + ` work on the hub's database. Run them as the hub's user, ` + "`sudo -u tocsin tocsin …`" + `: what they change is
in force at once, also while the hub serves.

| command | |
|---|---|
`)
	all := below(whole())
	for _, cmd := range all[1:] {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", cmd.CommandPath(), anchor(cmd.CommandPath()), cell(cmd.Short))
	}
	root := all[0]
	b.WriteString("\n## Flags of every command\n\n" + flagTable(root.PersistentFlags()) + "\n`tocsin notify` and `tocsin vapid generate` need none of them.\n")
	for _, cmd := range all[1:] {
		if cmd.Name() == "notify" {
			b.WriteString(notifyText())
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n", cmd.CommandPath(), strings.TrimSuffix(cmd.Short, "."))
		if cmd.Long != "" {
			b.WriteString("\n" + paragraphs(cmd.Long) + "\n")
		}
		if cmd.Runnable() {
			fmt.Fprintf(&b, "\n```\n%s\n```\n", cmd.UseLine())
		}
		if table := flagTable(cmd.LocalNonPersistentFlags()); table != "" {
			b.WriteString("\n" + table)
		}
		if cmd.Example != "" {
			b.WriteString("\n```sh\n" + strings.TrimRight(dedent(cmd.Example), "\n") + "\n```\n")
		}
	}
	return b.String()
}

// notifyText is the section of the command that reads its flags itself.
func notifyText() string {
	var b strings.Builder
	b.WriteString("\n## tocsin notify\n\nTell the hub of an event: the engine's notification command. [notify.md](notify.md) explains it.\n\n```\ntocsin notify --type Service --notificationtype PROBLEM --hostname web01 --service \"HTTP Check\" --state 2 --output \"CRITICAL - no answer\" --contact ops\ntocsin notify --flush\n```\n\nThe event:\n\n| flag | meaning |\n|---|---|\n")
	part := true
	for _, f := range notify.Flags() {
		if part && !f.Engine {
			part = false
			b.WriteString("\nSettings; a flag goes before the environment, the environment before the file:\n\n| flag | key | default | meaning |\n|---|---|---|---|\n")
		}
		name := "`--" + strings.TrimSpace(f.Name+" "+f.Arg) + "`"
		name = strings.ReplaceAll(name, "|", "\\|")
		if f.Engine {
			fmt.Fprintf(&b, "| %s | %s |\n", name, cell(f.Help))
			continue
		}
		key := ""
		if f.Key != "" {
			key = "`" + f.Key + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, key, cell(f.Usual), cell(f.Help))
	}
	b.WriteString("\nIt ends with 0 when the hub has accepted the event or it is safe in the spool, with 1 when neither is so, with 2 for wrong flags.\n")
	return b.String()
}

// flagTable is a table of flags, empty where there are none.
func flagTable(set *pflag.FlagSet) string {
	var rows []string
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		arg, usage := pflag.UnquoteUsage(f)
		name := "`--" + f.Name
		if arg != "" {
			name += " " + strings.ToUpper(arg)
		}
		usual := ""
		if d := f.DefValue; d != "" && d != "false" && d != "[]" && d != "0" && d != "0s" {
			usual = "`" + d + "`"
		}
		key := ""
		if k := keyOf(f.Name); k != "" {
			key = "`" + k + "`"
		}
		rows = append(rows, fmt.Sprintf("| %s` | %s | %s | %s |\n", name, key, usual, cell(usage)))
	})
	if len(rows) == 0 {
		return ""
	}
	return "| flag | key | default | meaning |\n|---|---|---|---|\n" + strings.Join(rows, "")
}

// cell is a text within a table: the column divides there, and <…> would be HTML.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "\n", " ").Replace(text)
}

func anchor(heading string) string { return strings.ReplaceAll(heading, " ", "-") }

// paragraphs are a text for terminals as Markdown: lines that begin with a blank are as
// they are written, the others flow.
func paragraphs(text string) string {
	var out []string
	for part := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		if strings.HasPrefix(part, " ") {
			out = append(out, "```\n"+dedent(part)+"\n```")
			continue
		}
		out = append(out, strings.NewReplacer("<", "&lt;", "*", "\\*").Replace(part))
	}
	return strings.Join(out, "\n\n")
}

func dedent(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}

package config

import "strings"

// sampleWidth is how many characters a line of the sample's comments has at most.
const sampleWidth = 96

// Sample is the configuration file of a new installation: every key with what it
// means, all of them comments but those of in, in which KEY=VALUE lines are in force.
func Sample(in map[string]string) string {
	var b strings.Builder
	b.WriteString(`# The configuration of Tocsin: KEY=VALUE lines, read by "tocsin serve" and by all commands on
# this machine. Every key is here, with an example; docs/settings.md has the same list. After a
# change: systemctl restart tocsin. A mistake is named with its line: journalctl -u tocsin, or
# tocsin doctor. What is in force, and from where: tocsin config.
#
# Notifications need https. Either TOCSIN_DOMAIN, a name that leads to this machine, gets
# certificates by itself: then TOCSIN_LISTEN is :443. Or a proxy in front speaks https: then
# TOCSIN_BASE_URL is its address, and TOCSIN_TRUSTED_PROXIES where it is seen from here.
#
# Where KEY_FILE is named, a file may hold the value instead: KEY_FILE=/etc/tocsin/…
`)
	section := ""
	for _, k := range Table() {
		if k.Section != section {
			section = k.Section
			b.WriteString("\n# ==== " + section + " ====\n")
		}
		b.WriteString("\n")
		text := Sentence(k.Meaning)
		if k.Limits != "" {
			text += " Limits: " + Plain(k.Limits) + "."
		}
		if d := Plain(k.Usual()); d != "" {
			text += " Default: " + d + "."
		}
		if k.File {
			text += " Or " + k.Name + "_FILE."
		}
		for _, line := range Wrapped(text, sampleWidth-2) {
			b.WriteString("# " + line + "\n")
		}
		if v, ok := in[k.Name]; ok {
			b.WriteString(k.Name + "=" + v + "\n")
		} else {
			b.WriteString("#" + k.Name + "=" + k.Example + "\n")
		}
	}
	return b.String()
}

// Usual is what is in force where nothing is given, in Markdown; empty: nothing is.
func (k Key) Usual() string {
	var out []string
	if k.Default != "" {
		out = append(out, "`"+k.Default+"`")
	}
	if k.Otherwise != "" {
		out = append(out, k.Otherwise)
	}
	return strings.Join(out, "; ")
}

// Wrapped cuts a text into lines at its blanks.
func Wrapped(text string, width int) []string {
	var out []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len([]rune(line))+1+len([]rune(word)) > width {
			out = append(out, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(out, line)
}

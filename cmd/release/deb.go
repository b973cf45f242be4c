package main

import (
	"bytes"
	"crypto/md5" //nolint:gosec // what the format of md5sums asks for; nothing rests on it
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// debVersion is a version as Debian orders it: v1.2.3 is 1.2.3; what was built after it is
// later than it and earlier than the next; a commit of before any release is earlier than
// all of them.
func debVersion(version string, date time.Time) string {
	v := strings.ReplaceAll(strings.TrimPrefix(version, "v"), "-dirty", "+dirty")
	if m := regexp.MustCompile(`^(\d+(?:\.\d+)*)-(\d+)-g([0-9a-f]+)(.*)$`).FindStringSubmatch(v); m != nil {
		return m[1] + "+" + m[2] + ".g" + m[3] + m[4]
	}
	if m := regexp.MustCompile(`^(\d+\.\d+(?:\.\d+)*)-([A-Za-z].*)$`).FindStringSubmatch(v); m != nil {
		return m[1] + "~" + strings.ReplaceAll(m[2], "-", ".") // 1.2.0-rc.1 comes before 1.2.0
	}
	if regexp.MustCompile(`^\d+(\.\d+)+(\+[A-Za-z0-9.]+)?$`).MatchString(v) {
		return v
	}
	return "0~git" + date.UTC().Format("20060102.150405") + "." + regexp.MustCompile(`[^A-Za-z0-9.+]`).ReplaceAllString(v, ".")
}

// scripts are run by dpkg.
var scripts = []string{"postinst", "postrm", "prerm"}

// changelog is what Debian's tools read: of this version, and where the rest is.
func (r *release) changelog() string {
	return fmt.Sprintf("tocsin (%s) unstable; urgency=medium\n\n  * CHANGELOG.md.gz beside this file says what has changed.\n\n -- %s  %s\n",
		debVersion(r.version, r.date), r.maintainer, r.date.Format(time.RFC1123Z))
}

// onlyDeb are the files of a package that an archive does not have.
func (r *release) onlyDeb(contents []file) ([]file, error) {
	log, err := zip([]byte(r.changelog()))
	if err != nil {
		return nil, err
	}
	known, err := os.ReadFile("deploy/debian/lintian-overrides")
	if err != nil {
		return nil, fmt.Errorf("read what is meant so: %w", err)
	}
	out := append(slices.Clone(contents), file{"usr/share/doc/tocsin/changelog.gz", 0o644, log}, file{"usr/share/lintian/overrides/tocsin", 0o644, known})
	slices.SortFunc(out, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return out, nil
}

// deb makes a Debian package: an ar archive of three files (deb(5)).
func (r *release) deb(arch string, contents []file) ([]byte, error) {
	contents, err := r.onlyDeb(contents)
	if err != nil {
		return nil, err
	}
	var sums, conf strings.Builder
	size := 0
	for _, f := range contents {
		sum := md5.Sum(f.body) //nolint:gosec // see above
		sums.WriteString(hex.EncodeToString(sum[:]) + "  " + f.path + "\n")
		size += (len(f.body) + 1023) / 1024
		if strings.HasPrefix(f.path, "etc/") {
			conf.WriteString("/" + f.path + "\n")
		}
	}
	text, err := os.ReadFile("deploy/debian/control")
	if err != nil {
		return nil, fmt.Errorf("read the control file: %w", err)
	}
	control := strings.NewReplacer("@VERSION@", debVersion(r.version, r.date), "@ARCH@", arch, "@MAINTAINER@", r.maintainer, "@SIZE@", fmt.Sprint(size)).Replace(string(text))
	parts := []file{{"conffiles", 0o644, []byte(conf.String())}, {"control", 0o644, []byte(control)}, {"md5sums", 0o644, []byte(sums.String())}}
	for _, name := range scripts {
		body, err := os.ReadFile(path.Join("deploy/debian", name))
		if err != nil {
			return nil, fmt.Errorf("read a script of the package: %w", err)
		}
		parts = append(parts, file{name, 0o755, body})
	}
	controls, err := tape(parts, "./", r.date)
	if err != nil {
		return nil, err
	}
	data, err := tape(contents, "./", r.date)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("!<arch>\n")
	for _, f := range []file{{"debian-binary", 0, []byte("2.0\n")}, {"control.tar.gz", 0, controls}, {"data.tar.gz", 0, data}} {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", f.path, r.date.Unix(), 0, 0, "100644", len(f.body))
		b.Write(f.body)
		if len(f.body)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes(), nil
}

package packages_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// system is a Debian in a folder, with nothing but what dpkg and the scripts need.
type system struct {
	*testing.T
	root string
}

func newSystem(t *testing.T) *system {
	s := &system{t, t.TempDir()}
	for _, dir := range []string{"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "etc"} {
		if err := os.MkdirAll(s.at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for file, text := range map[string]string{
		"var/lib/dpkg/status": "", "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n",
		"etc/shadow": "root:*:1:0:99999:7:::\n", "etc/gshadow": "root:*::\n", "etc/login.defs": "SYS_UID_MIN 100\nSYS_UID_MAX 999\nSYS_GID_MIN 100\nSYS_GID_MAX 999\n",
	} {
		if err := os.WriteFile(s.at(file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *system) at(path string) string { return filepath.Join(s.root, path) }

// dpkg runs it on the folder; whoever is not root pretends to be.
func (s *system) dpkg(args ...string) string {
	s.Helper()
	all := append([]string{"dpkg", "--root=" + s.root, "--log=/dev/null", "--force-depends,script-chrootless,not-root,confdef,confold"}, args...)
	if os.Geteuid() != 0 {
		all = append([]string{"fakeroot", "-s", s.at("fake"), "-i", s.at("fake")}, all...)
		if _, err := os.Stat(s.at("fake")); err != nil {
			all = append(all[:3], all[5:]...) // nothing was pretended yet
		}
	}
	return must(s.T, command(s.Context(), ".", all[0], all[1:]...))
}

func (s *system) status() string {
	s.Helper()
	return strings.TrimSpace(must(s.T, command(s.Context(), ".", "dpkg-query", "--admindir="+s.at("var/lib/dpkg"), "-W", "-f", "${db:Status-Status} ${Version}", "tocsin")))
}

// owner is user and group of a file, as numbers.
func (s *system) owner(path string) string {
	s.Helper()
	if os.Geteuid() != 0 {
		return strings.TrimSpace(must(s.T, command(s.Context(), ".", "fakeroot", "-i", s.at("fake"), "stat", "-c", "%u:%g %a", s.at(path))))
	}
	info, err := os.Stat(s.at(path))
	if err != nil {
		s.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%d:%d %o", st.Uid, st.Gid, info.Mode().Perm())
}

// remade is the package with another version, and another text in a file that people change.
func remade(t *testing.T, version string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "again")
	must(t, command(t.Context(), ".", "dpkg-deb", "-R", pack(), dir))
	for file, change := range map[string]func(string) string{
		"DEBIAN/control":        func(s string) string { return strings.Replace(s, "Version: 1.2.3\n", "Version: "+version+"\n", 1) },
		"etc/tocsin/tocsin.env": func(s string) string { return "# " + version + "\n" + s },
	} {
		path := filepath.Join(dir, file)
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, []byte(change(string(text))), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), "tocsin_"+version+"_amd64.deb")
	must(t, command(t.Context(), ".", "dpkg-deb", "--root-owner-group", "-Znone", "-b", dir, out))
	return out
}

func TestDebianPackage(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.dpkg("--install", pack())
	if got := s.status(); got != "installed 1.2.3" {
		t.Errorf("it is %s", got)
	}
	passwd, err := os.ReadFile(s.at("etc/passwd"))
	if err != nil {
		t.Fatal(err)
	}
	_, line, found := strings.Cut(string(passwd), "\ntocsin:x:")
	fields := strings.Split(strings.TrimSpace(line), ":")
	if !found || len(fields) != 5 || fields[3] != "/var/lib/tocsin" || fields[4] != "/usr/sbin/nologin" {
		t.Fatalf("the users are %s", passwd)
	}
	uid, gid := fields[0], fields[1]
	for path, want := range map[string]string{
		"var/lib/tocsin": uid + ":" + gid + " 750", "etc/tocsin/tocsin.env": "0:" + gid + " 640", "usr/bin/tocsin": "0:0 755",
		"usr/lib/systemd/system/tocsin.service": "0:0 644",
	} {
		if got := s.owner(path); got != want {
			t.Errorf("%s is %s and not %s", path, got, want)
		}
	}
	// The hub can be started with it as it is.
	out := must(t, command(t.Context(), t.TempDir(), program(), "user", "list", "--config", s.at("etc/tocsin/tocsin.env"), "--data", t.TempDir()))
	if strings.Contains(out, "tocsin:") {
		t.Error(out)
	}

	mine := "TOCSIN_LISTEN=127.0.0.1:9999\n"
	for file, text := range map[string]string{"etc/tocsin/tocsin.env": mine, "var/lib/tocsin/tocsin.db": "data"} {
		if err := os.WriteFile(s.at(file), []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	s.dpkg("--install", remade(t, "1.3.0"))
	if got := s.status(); got != "installed 1.3.0" {
		t.Errorf("after the upgrade it is %s", got)
	}
	same(t, s.at("etc/tocsin/tocsin.env"), mine)
	same(t, s.at("var/lib/tocsin/tocsin.db"), "data")
	if got := s.owner("etc/tocsin/tocsin.env"); got != "0:"+gid+" 640" {
		t.Errorf("after the upgrade the configuration is %s", got)
	}

	s.dpkg("--remove", "tocsin")
	gone(t, s.at("usr/bin/tocsin"))
	gone(t, s.at("usr/lib/systemd/system/tocsin.service"))
	same(t, s.at("etc/tocsin/tocsin.env"), mine)
	same(t, s.at("var/lib/tocsin/tocsin.db"), "data")
	s.dpkg("--install", pack()) // it comes back to what was left
	same(t, s.at("etc/tocsin/tocsin.env"), mine)

	s.dpkg("--purge", "tocsin")
	gone(t, s.at("usr/bin/tocsin"))
	gone(t, s.at("etc/tocsin"))
	gone(t, s.at("var/lib/tocsin"))
}

package nagios

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// pipe is an engine's command file.
type pipe struct {
	path string // absolute
}

// tell writes one line, at most PIPE_BUF long, in one piece. It never waits: a
// FIFO that nobody reads or that is full is an error, as is anything at that path
// that is no FIFO. Each error says the mend.
func (p pipe) tell(_ context.Context, line string) error {
	fd, err := p.open()
	if err != nil {
		return err
	}
	defer shut(fd)
	for {
		n, err := unix.Write(fd, []byte(line))
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return fmt.Errorf("the command file %s is full: the engine holds it open and reads nothing; look whether it hangs", p.path)
		case errors.Is(err, unix.EPIPE):
			return p.unread()
		case err != nil:
			return fmt.Errorf("write to the command file %s: %w", p.path, err)
		case n != len(line):
			return fmt.Errorf("write to the command file %s: it took %d of %d bytes", p.path, n, len(line))
		}
		return nil
	}
}

// probe opens the command file as for writing, and writes nothing.
func (p pipe) probe() error {
	fd, err := p.open()
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// open opens the FIFO itself, never what a link at its path leads to. The folder
// that it is in may be reached by links: those its admin has set.
func (p pipe) open() (fd int, err error) {
	// What is no FIFO is not even opened: opening a device may do something.
	var st unix.Stat_t
	if err := unix.Lstat(p.path, &st); err != nil {
		return -1, p.why(err, nil)
	}
	if err := p.fifo(&st); err != nil {
		return -1, err
	}
	for {
		fd, err = unix.Open(p.path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return -1, p.why(err, &st)
	}
	// It may have been exchanged in between.
	if err := unix.Fstat(fd, &st); err != nil {
		shut(fd)
		return -1, fmt.Errorf("look at the command file %s: %w", p.path, err)
	}
	if err := p.fifo(&st); err != nil {
		shut(fd)
		return -1, err
	}
	return fd, nil
}

// fifo says what is wrong with a file that is none.
func (p pipe) fifo(st *unix.Stat_t) error {
	what := "a device"
	switch uint32(st.Mode) & unix.S_IFMT { //nolint:unconvert // it has another type on other systems
	case unix.S_IFIFO:
		return nil
	case unix.S_IFREG:
		// Usually somebody wrote to the path while the engine was not there.
		return fmt.Errorf("the command file %s is a regular file and not a FIFO: delete it and start the engine anew, which makes it (its setting check_external_commands must be 1)", p.path)
	case unix.S_IFLNK:
		return fmt.Errorf("the command file %s is a symbolic link, which is not followed: give the path that it leads to", p.path)
	case unix.S_IFDIR:
		return fmt.Errorf("the command file %s is a directory: give the path of the FIFO in it, the engine's setting command_file", p.path)
	case unix.S_IFSOCK:
		what = "a socket; for Livestatus choose that way of telling"
	}
	return fmt.Errorf("the command file %s is no FIFO but %s: give the path of the engine's setting command_file", p.path, what)
}

// unread says that the engine is not there.
func (p pipe) unread() error {
	return fmt.Errorf("nobody reads the command file %s: the engine is not running, or has check_external_commands=0", p.path)
}

// why says in words what an error of a look at the command file means. st is what
// was seen of it, nil if nothing was.
func (p pipe) why(err error, st *unix.Stat_t) error {
	switch {
	case errors.Is(err, unix.ENXIO):
		return p.unread()
	case errors.Is(err, unix.ENOENT):
		return fmt.Errorf("there is no command file %s: start the engine, which makes it, or give the path of its setting command_file", p.path)
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENAMETOOLONG):
		return fmt.Errorf("there can be no command file %s (%w): give the path of the engine's setting command_file", p.path, err)
	case errors.Is(err, unix.ELOOP):
		return fmt.Errorf("the command file %s is a symbolic link, which is not followed: give the path that it leads to", p.path)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		// Of what may not even be looked at, the folder says whose it is: nagios, or
		// www-data with Debian's packages.
		group := "of the engine"
		var folder unix.Stat_t
		switch {
		case st != nil:
			group = groupName(int(st.Gid))
		case unix.Stat(filepath.Dir(p.path), &folder) == nil:
			group = groupName(int(folder.Gid))
		}
		return fmt.Errorf("may not write to the command file %s: permission denied; add the user %s to the group %s and start Tocsin anew", p.path, userName(), group)
	}
	return fmt.Errorf("open the command file %s: %w", p.path, err)
}

// shut closes what was written to whole or not at all: closing tells nothing new.
func shut(fd int) { _ = unix.Close(fd) }

// userName is the user that this program runs as.
func userName() string {
	if u, err := user.LookupId(strconv.Itoa(os.Geteuid())); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Geteuid())
}

func groupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}

// readable puts the error of opening a file that an engine writes into words.
func readable(what, path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no %s %s: start the engine, which writes it, or give the path of its setting status_file", what, path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("may not read the %s %s: permission denied; let the user %s read it, as one of the engine's group", what, path, userName())
	}
	return fmt.Errorf("read the %s %s: %w", what, path, err)
}

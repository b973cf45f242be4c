package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"tocsin/internal/health"
)

// Folder are the checks of the data folder and of the disk that it is on. must says
// whether the database is in it: else it holds little that cannot be made anew.
func Folder(dir string, must bool) []Check {
	return []Check{
		{ID: "folder", Group: GroupData, Title: "Data folder", Slow: "look at the disk or the network file system that it is on",
			Look: func(context.Context) Verdict { return folder(dir, must, os.Geteuid()) }},
		{ID: "disk", Group: GroupData, Title: "Disk space", Slow: "look at the disk or the network file system of the data folder",
			Look: func(context.Context) Verdict { return disk(dir) }},
	}
}

// ownerOf is the user of a file, -1 where that cannot be told.
func ownerOf(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}

// userName is a user for people.
func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "user " + strconv.Itoa(uid)
}

func folder(dir string, must bool, me int) Verdict {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !must:
		return Good("%s is not there yet; tocsin serve makes it", dir)
	case errors.Is(err, fs.ErrNotExist):
		return Worry(dir+" is not there", "start the hub once, which makes it; if there was one before, look whether its disk is mounted, and at TOCSIN_DATA")
	case errors.Is(err, fs.ErrPermission):
		return Bad(dir+" cannot be looked at by "+userName(me), "run this as the user of the hub: sudo -u tocsin tocsin doctor")
	case err != nil:
		return Bad(dir+" cannot be looked at: "+reason(err), "look at the disk it is on")
	case !info.IsDir():
		return Bad(dir+" is no folder", "name a folder with TOCSIN_DATA")
	}
	owner := ownerOf(info)
	if me != 0 && owner >= 0 && owner != me {
		return Bad(fmt.Sprintf("%s belongs to %s, and this runs as %s", dir, userName(owner), userName(me)),
			fmt.Sprintf("run this and the hub as %s: sudo -u %s tocsin doctor; or give the folder away: chown -R %s %s", userName(owner), userName(owner), userName(me), dir))
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Bad(dir+" cannot be read: "+reason(err), "give it to the user of the hub: chown -R tocsin: "+dir)
	}
	for _, e := range entries {
		if i, err := e.Info(); err == nil && owner >= 0 && ownerOf(i) != owner {
			return Bad(fmt.Sprintf("%s belongs to %s, and its folder to %s, who cannot use it", filepath.Join(dir, e.Name()), userName(ownerOf(i)), userName(owner)),
				fmt.Sprintf("give it back: chown -R %s: %s; run commands as that user, with sudo -u %s", userName(owner), dir, userName(owner)))
		}
	}
	if v := writable(dir, must); v.Result != OK {
		return v
	}
	if info.Mode().Perm()&0o007 != 0 && must {
		return Worry(fmt.Sprintf("everybody on this machine may look into %s (mode %04o), and it holds secrets", dir, info.Mode().Perm()), "close it: chmod 0750 "+dir)
	}
	return Good("%s can be written to", dir)
}

// probeSize is what the probe writes: less than one block could fit where nothing else does.
const probeSize = 256 << 10

// writable writes something, to the disk, and takes it away again.
func writable(dir string, must bool) Verdict {
	level := Bad
	if !must {
		level = Worry
	}
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err == nil {
		_, err = f.Write(make([]byte, probeSize))
		err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
	}
	return WriteFault(dir, err, level)
}

// WriteFault judges what came of writing into a folder.
func WriteFault(dir string, err error, level func(detail, mend string) Verdict) Verdict {
	switch {
	case err == nil:
		return Good("%s can be written to", dir)
	case errors.Is(err, syscall.ENOSPC):
		return level("nothing more can be written to "+dir+": its disk is full", "make room there: df -h "+dir+" says how much there is, du -xh / | sort -h what takes it. The hub goes on by itself afterwards, and engines hand in what they kept")
	case errors.Is(err, syscall.EDQUOT):
		return level("nothing more can be written to "+dir+": the quota of its user is used up", "raise the quota, or make room")
	case errors.Is(err, syscall.EROFS):
		return level(dir+" is on a file system that cannot be written to", "mount it for writing: a disk with errors is mounted read-only by the kernel, and dmesg says so; under systemd, name the folder in ReadWritePaths=")
	case errors.Is(err, fs.ErrPermission):
		return level("this user may not write to "+dir, "give it to the user of the hub: chown -R tocsin: "+dir)
	}
	return level(dir+" cannot be written to: "+reason(err), "look at the disk it is on")
}

// Space is the room left on a file system.
type Space struct {
	Free, Total           uint64 // bytes that this user may take, and all of them
	FreeFiles, TotalFiles uint64 // how many files there may be; 0 and 0 where there is no limit
}

const (
	lowDisk   = 500 << 20
	emptyDisk = 20 << 20
)

// Room judges the room left.
func Room(where string, s Space) Verdict {
	left := fmt.Sprintf("%s free of %s on the disk of %s", health.Bytes(s.Free), health.Bytes(s.Total), where)
	mend := "make room there, or move the data folder; when it is full, no event can be taken, and engines keep theirs in their spool"
	switch {
	case s.Free < emptyDisk:
		return Bad("only "+left, mend)
	case s.TotalFiles > 0 && s.FreeFiles < 100:
		return Bad(fmt.Sprintf("only %d more files can be made on the disk of %s (df -i)", s.FreeFiles, where), "delete files there that nobody needs")
	case s.Free < lowDisk || s.Total > 0 && float64(s.Free)/float64(s.Total) < 0.05:
		return Worry("only "+left, mend)
	}
	return Good("%s", left)
}

func disk(dir string) Verdict {
	// Before the first start the folder is missing; what it will stand in is not.
	at := dir
	for at != "/" && at != "." {
		if _, err := os.Stat(at); err == nil {
			break
		}
		at = filepath.Dir(at)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(at, &st); err != nil || st.Bsize <= 0 {
		return Unseen("the system does not say how much room there is at " + at)
	}
	size := uint64(st.Bsize)
	return Room(dir, Space{Free: st.Bavail * size, Total: st.Blocks * size, FreeFiles: st.Ffree, TotalFiles: st.Files})
}

// Readable warns of a file with secrets that everybody on the machine may read. It
// answers ok for one that is not there.
func Readable(path string) Verdict {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o004 != 0 {
		return Worry(fmt.Sprintf("everybody on this machine may read %s (mode %04o), and it holds a secret", path, info.Mode().Perm()),
			fmt.Sprintf("close it: chown root:tocsin %s && chmod 0640 %s", path, path))
	}
	return Good("read from %s", path)
}

// reason is an error of a file without its path, which the sentence has.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return strings.TrimSpace(err.Error())
}

package backup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// File is a backup that is being written. It has its name only when it is whole.
type File struct {
	*os.File
	path string
}

// Create makes a file for this user alone, beside the path that it will have. A
// path that is taken is refused.
func Create(path string) (*File, error) {
	if err := free(path); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".tocsin-backup-*")
	if err != nil {
		return nil, fmt.Errorf("write a backup: %w", err)
	}
	return &File{f, path}, nil
}

func free(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s is there already: a backup overwrites nothing; name another file", path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write a backup: %w", err)
	}
	return nil
}

// Commit puts the file on the disk, gives it its name and puts that on the disk.
func (f *File) Commit() error {
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write a backup: %w", err), f.Abort())
	}
	// A link, and not a rename, refuses a name that somebody took meanwhile. Where
	// the file system has none, looking must do.
	err := os.Link(f.Name(), f.path)
	switch {
	case err == nil:
		err = os.Remove(f.Name())
	case errors.Is(err, fs.ErrExist):
		err = errors.Join(free(f.path), f.Abort())
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOSYS):
		if err = free(f.path); err == nil {
			err = os.Rename(f.Name(), f.path)
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("name the backup: %w", err), f.Abort())
	}
	return SyncDir(filepath.Dir(f.path))
}

// Abort removes what was written, if it has not got its name.
func (f *File) Abort() error {
	_ = f.Close() // as a rule it is closed
	if err := os.Remove(f.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove what was written of a backup: %w", err)
	}
	return nil
}

// SyncDir puts the names in a folder on the disk.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync the folder %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync the folder %s: %w", dir, err)
	}
	return nil
}

// Adopt gives what root made to the owner of the folder that it is in, as whom the
// hub runs: else that could not open it. Where that is not allowed it stays root's,
// which the hub's start says.
func Adopt(path string) {
	if os.Geteuid() != 0 {
		return
	}
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 {
		_ = os.Lchown(path, int(st.Uid), int(st.Gid))
	}
}

package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"tocsin/internal/backup"
)

// errLocked says that another process holds the lock.
var errLocked = errors.New("locked by another process")

// fileLock is a lock that the system takes back when the process ends, however
// it ends. The file stays and means nothing by itself.
type fileLock struct{ f *os.File }

// lockFile takes the lock of the file, which it makes if need be. Without wait
// it answers errLocked when another holds it.
func lockFile(path string, wait bool) (*fileLock, error) {
	f, err := openOwn(path)
	if err != nil {
		return nil, fmt.Errorf("open the lock file: %w", err)
	}
	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		return &fileLock{f}, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errLocked
	}
	return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
}

// release gives the lock up; closing the file does it.
func (l *fileLock) release() {
	if l != nil {
		_ = l.f.Close()
	}
}

// openOwn opens a file, and makes it for its owner alone if need be. What root makes,
// by a command beside the hub, is the hub's user's.
func openOwn(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	}
	if err == nil {
		backup.Adopt(path)
	}
	return f, err
}

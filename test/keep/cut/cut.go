// Package cut runs a program and kills it at a point that can be chosen: just
// before it syncs a file for the n-th time, or renames one. What it had written but
// not synced by then is what a power cut may take; what it had promised by then must
// be there.
//
// It traces the program with ptrace, as a debugger does: all threads are counted
// together, and the one that comes to the n-th point never gets to it.
package cut

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"unsafe"
)

// Of Linux's ptrace(2) and wait(2), which syscall has not.
const (
	getSyscallInfo = 0x420e
	infoEntry      = 1 // of a stop at the beginning of a system call
	sysGood        = 1 // PTRACE_O_TRACESYSGOOD
	exitKill       = 1 << 20
	waitThread     = 0x20000000 // __WNOTHREAD: children of this thread alone
)

// Ended says how a run ended.
type Ended struct {
	Points int  // how many it came to
	Killed bool // by us
	Code   int  // else its exit code; -1: by another signal
}

// Calls are system calls, by their numbers.
type Calls []uint64

// Syncs are those after which something is on the disk.
func Syncs() Calls { return Calls{syscall.SYS_FSYNC, syscall.SYS_FDATASYNC} }

// Moves are those that change the names of files.
func Moves() Calls {
	return append(Calls{syscall.SYS_RENAMEAT, syscall.SYS_LINKAT, syscall.SYS_UNLINKAT}, older()...)
}

// Run is RunAt with Syncs.
func Run(ctx context.Context, cmd *exec.Cmd, n int) (Ended, error) {
	return RunAt(ctx, cmd, n, Syncs())
}

// RunAt runs the command until it ends, or comes to the n-th of these calls; 0: never.
// When ctx ends it gets SIGTERM. cmd is not started yet, and is RunAt's alone.
func RunAt(ctx context.Context, cmd *exec.Cmd, n int, points Calls) (Ended, error) {
	type result struct {
		e   Ended
		err error
	}
	done := make(chan result, 1)
	go func() {
		// Only the thread that started the program may trace it. It is not unlocked: it
		// ends with this goroutine.
		runtime.LockOSThread()
		e, err := trace(ctx, cmd, n, points)
		done <- result{e, err}
	}()
	r := <-done
	return r.e, r.err
}

func trace(ctx context.Context, cmd *exec.Cmd, n int, points Calls) (e Ended, err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return e, fmt.Errorf("start: %w", err)
	}
	pid := cmd.Process.Pid
	defer context.AfterFunc(ctx, func() { _ = syscall.Kill(pid, syscall.SIGTERM) })()
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &ws, syscall.WALL, nil); err != nil {
		return e, fmt.Errorf("wait for the start: %w", err)
	}
	if err := syscall.PtraceSetOptions(pid, sysGood|exitKill|syscall.PTRACE_O_TRACECLONE|syscall.PTRACE_O_TRACEFORK|syscall.PTRACE_O_TRACEVFORK); err != nil {
		return e, fmt.Errorf("trace: %w", err)
	}
	if err := syscall.PtraceSyscall(pid, 0); err != nil {
		return e, fmt.Errorf("trace: %w", err)
	}
	for {
		who, err := syscall.Wait4(-1, &ws, syscall.WALL|waitThread, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return e, fmt.Errorf("wait: %w", err)
		}
		if !ws.Stopped() {
			if who == pid {
				if e.Code = -1; ws.Exited() {
					e.Code = ws.ExitStatus()
				}
				_ = cmd.Wait() // the child is gone; this ends what copies its output
				return e, nil
			}
			continue
		}
		pass := 0
		switch sig := ws.StopSignal(); {
		case sig == syscall.SIGTRAP|0x80:
			if !e.Killed && points.next(who) {
				if e.Points++; e.Points == n {
					e.Killed = true
					_ = syscall.Kill(pid, syscall.SIGKILL) // it stands before the call and cannot go on
					continue
				}
			}
		case sig == syscall.SIGTRAP, sig == syscall.SIGSTOP: // a thread begins, or was made
		default:
			pass = int(sig)
		}
		// Who is gone meanwhile is told of by the next wait.
		_ = syscall.PtraceSyscall(who, pass)
	}
}

// next says whether a thread stands before one of the calls.
func (c Calls) next(tid int) bool {
	var info [88]byte // struct ptrace_syscall_info
	_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, getSyscallInfo, uintptr(tid), uintptr(len(info)), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 || info[0] != infoEntry {
		return false
	}
	return slices.Contains(c, binary.NativeEndian.Uint64(info[24:]))
}

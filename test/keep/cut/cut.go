// Package cut runs a program and kills it at a point that can be chosen: just
// before it syncs a file for the n-th time. What it had written but not synced by
// then is what a power cut may take; what it had promised by then must be there.
//
// It traces the program with ptrace, as a debugger does: all threads are counted
// together, and the one that comes to the n-th sync never gets to it.
package cut

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
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
	Syncs  int  // how many it came to
	Killed bool // by us
	Code   int  // else its exit code; -1: by another signal
}

// Run runs the command until it ends, or comes to its n-th sync; 0: never. When ctx
// ends it gets SIGTERM. cmd is not started yet, and is Run's alone.
func Run(ctx context.Context, cmd *exec.Cmd, n int) (Ended, error) {
	type result struct {
		e   Ended
		err error
	}
	done := make(chan result, 1)
	go func() {
		// Only the thread that started the program may trace it. It is not unlocked: it
		// ends with this goroutine.
		runtime.LockOSThread()
		e, err := trace(ctx, cmd, n)
		done <- result{e, err}
	}()
	r := <-done
	return r.e, r.err
}

func trace(ctx context.Context, cmd *exec.Cmd, n int) (e Ended, err error) {
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
			if !e.Killed && syncs(who) {
				if e.Syncs++; e.Syncs == n {
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

// syncs says whether a thread stands before fsync or fdatasync.
func syncs(tid int) bool {
	var info [88]byte // struct ptrace_syscall_info
	_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, getSyscallInfo, uintptr(tid), uintptr(len(info)), uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 || info[0] != infoEntry {
		return false
	}
	nr := binary.NativeEndian.Uint64(info[24:])
	return nr == syscall.SYS_FSYNC || nr == syscall.SYS_FDATASYNC
}

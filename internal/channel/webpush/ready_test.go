package webpush_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/internal/channel/webpush"
	"tocsin/internal/push"
)

// plenty is a machine with enough memory and no limits.
func plenty(name string) ([]byte, error) {
	if name == "/proc/meminfo" {
		return []byte("MemTotal: 8000000 kB\nMemFree: 100 kB\nMemAvailable: 6000000 kB\n"), nil
	}
	return nil, os.ErrNotExist
}

func readyID(i int) string { return fmt.Sprintf("0198f2c4-0000-7000-8000-%012d", i) }

// crowd are devices in the order of their ids; Next reads from them.
func crowd(r *rig, n int) []push.Subscription {
	p := r.phone("x", fcm)
	out := make([]push.Subscription, n)
	for i := range out {
		out[i] = p.sub
		out[i].ID, out[i].UserID, out[i].Pages = readyID(i), "", mainPage()
	}
	return out
}

func next(subs []push.Subscription) func(context.Context, string, int) ([]push.Subscription, error) {
	return func(_ context.Context, after string, limit int) ([]push.Subscription, error) {
		i, found := slices.BinarySearchFunc(subs, after, func(s push.Subscription, id string) int { return strings.Compare(s.ID, id) })
		if found {
			i++
		}
		return slices.Clone(subs[i:min(i+limit, len(subs))]), nil
	}
}

// prepared runs r within the bubble until everything waits, for the time.
func prepared(t *testing.T, r *webpush.ReadyAhead, during func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	time.Sleep(time.Minute) //nolint:forbidigo // the bubble's time: until all are prepared
	synctest.Wait()
	during()
	cancel()
	check(t, <-done)
}

func TestWhatIsPreparedServesOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t, nil)
		subs := crowd(rig, 3)
		r := webpush.NewReady(webpush.ReadyOptions{Next: next(subs), Memory: plenty})
		prepared(t, r, func() {
			if _, ok := r.Take(&subs[0]); !ok {
				t.Error("nothing is prepared")
			}
			if _, ok := r.Take(&subs[0]); ok {
				t.Error("it is given out twice")
			}
			if _, ok := r.Take(&push.Subscription{ID: "no-such-device", P256dh: subs[0].P256dh, Auth: subs[0].Auth}); ok {
				t.Error("something is prepared for a device that there is not")
			}
			if s := r.Stats(); s.Made != 3 || s.Prepared != 2 || s.Used != 1 || s.Missed != 2 || s.Bytes <= 0 || s.Bytes > 2*200 {
				t.Errorf("figures %+v", s)
			}
			time.Sleep(time.Minute) //nolint:forbidigo // the bubble's time: until it was prepared anew
			if s := r.Stats(); s.Prepared != 3 {
				t.Errorf("what was used is not prepared again: %+v", s)
			}
			r.Forget()
			if s := r.Stats(); s.Prepared != 0 {
				t.Errorf("after Forget %+v", s)
			}
		})
	})
}

func TestWhatIsPreparedForAnotherKeyIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t, nil)
		subs := crowd(rig, 1)
		r := webpush.NewReady(webpush.ReadyOptions{Next: next(subs), Memory: plenty})
		prepared(t, r, func() {
			other := subs[0]
			other.P256dh = rig.phone("y", fcm).sub.P256dh
			if _, ok := r.Take(&other); ok {
				t.Error("it is given out for another key")
			}
			if _, ok := r.Take(&subs[0]); ok {
				t.Error("it is still there")
			}
		})
	})
}

func TestASenderUsesWhatIsPrepared(t *testing.T) {
	var subs []push.Subscription
	ready := webpush.NewReady(webpush.ReadyOptions{Memory: plenty, Pause: time.Millisecond,
		Next: func(ctx context.Context, after string, limit int) ([]push.Subscription, error) {
			return next(subs)(ctx, after, limit)
		}})
	rig := newRig(t, ready)
	p := rig.phone(readyID(1), fcm)
	subs = []push.Subscription{p.sub}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ready.Run(ctx) }()
	for ready.Stats().Prepared == 0 {
		time.Sleep(time.Millisecond) //nolint:forbidigo // preparing tells nobody when it is done
	}
	if r := rig.send(t, p); r.Verdict != webpush.Sent {
		t.Fatalf("result %+v", r)
	}
	got := rig.office.take()
	if text := p.open(t, got[0]); text["a"] != 1.0 {
		t.Errorf("the device reads %v", text)
	}
	if s := ready.Stats(); s.Used != 1 {
		t.Errorf("figures %+v", s)
	}
	cancel()
	check(t, <-done)
}

func TestContactsComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newRig(t, nil)
		subs := crowd(rig, 900)
		var contacts []push.Subscription
		for i := 850; i < 900; i++ {
			subs[i].UserID, subs[i].Pages = "u1", nil
			contacts = append(contacts, subs[i])
		}
		var late atomic.Bool
		r := webpush.NewReady(webpush.ReadyOptions{Max: func() int { return 100 }, Next: next(subs), Memory: plenty,
			Devices: func(context.Context) ([]push.Subscription, error) {
				if late.Load() {
					return contacts, nil
				}
				return contacts[:10], nil
			}})
		prepared(t, r, func() {
			if s := r.Stats(); s.Prepared != 100 {
				t.Errorf("figures %+v", s)
			}
			late.Store(true)        // forty contacts' devices more, and no place is free
			time.Sleep(time.Minute) //nolint:forbidigo // the bubble's time
			for _, c := range contacts {
				if _, ok := r.Take(&c); !ok {
					t.Errorf("nothing is prepared for %s", c.ID)
				}
			}
			if s := r.Stats(); s.Prepared != 50 {
				t.Errorf("figures %+v", s)
			}
		})
	})
}

func TestNothingIsPreparedWhenThereIsBetterToDo(t *testing.T) {
	for name, change := range map[string]func(*webpush.ReadyOptions){
		"busy":         func(o *webpush.ReadyOptions) { o.Busy = func() bool { return true } },
		"switched off": func(o *webpush.ReadyOptions) { o.Max = func() int { return 0 } },
		"devices unknown": func(o *webpush.ReadyOptions) {
			o.Next = func(context.Context, string, int) ([]push.Subscription, error) { return nil, errors.New("away") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := webpush.ReadyOptions{Next: next(crowd(newRig(t, nil), 50)), Memory: plenty}
				change(&o)
				r := webpush.NewReady(o)
				prepared(t, r, func() {
					if s := r.Stats(); s.Made != 0 {
						t.Errorf("figures %+v", s)
					}
				})
			})
		})
	}
}

func TestNothingIsPreparedWhenMemoryIsShort(t *testing.T) {
	const meminfo = "MemTotal: 8000000 kB\nMemAvailable: 6000000 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		short bool
	}{
		"machine has little": {map[string]string{"/proc/meminfo": "MemTotal: 8000000 kB\nMemAvailable: 300000 kB\n"}, true},
		"machine has plenty": {map[string]string{"/proc/meminfo": meminfo}, false},
		"not a Linux":        {nil, false},
		"group at its limit": {map[string]string{"/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "100000000\n", "/sys/fs/cgroup/a/b/memory.current": "95000000\n", "/proc/meminfo": meminfo}, true},
		"files may be given up": {map[string]string{"/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "100000000\n", "/sys/fs/cgroup/a/b/memory.current": "95000000\n",
			"/sys/fs/cgroup/a/b/memory.stat": "anon 20000000\ninactive_file 70000000\n", "/proc/meminfo": meminfo}, false},
		"group above at its limit": {map[string]string{"/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.max": "max\n", "/sys/fs/cgroup/a/memory.max": "100000000\n",
			"/sys/fs/cgroup/a/memory.current": "99000000\n", "/proc/meminfo": meminfo}, true},
		"container at its limit": {map[string]string{"/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.max": "100000000\n", "/sys/fs/cgroup/memory.current": "99000000\n", "/proc/meminfo": meminfo}, true},
		"group of version 1": {map[string]string{"/proc/self/cgroup": "5:cpu,memory:/x\n1:name=systemd:/x\n", "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "100000000\n",
			"/sys/fs/cgroup/memory/x/memory.usage_in_bytes": "99000000\n", "/proc/meminfo": meminfo}, true},
		"version 1 without limit": {map[string]string{"/proc/self/cgroup": "5:memory:/x\n", "/sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712\n",
			"/sys/fs/cgroup/memory/x/memory.usage_in_bytes": "99000000\n", "/proc/meminfo": meminfo}, false},
		"nonsense": {map[string]string{"/proc/self/cgroup": "x\n0::/a\n", "/sys/fs/cgroup/a/memory.max": "many\n", "/proc/meminfo": "MemTotal:\nMemAvailable\n"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				files := map[string]string{"/proc/meminfo": meminfo}
				read := func(name string) ([]byte, error) {
					if text, ok := files[name]; ok {
						return []byte(text), nil
					}
					return nil, os.ErrNotExist
				}
				var changed atomic.Pointer[map[string]string]
				r := webpush.NewReady(webpush.ReadyOptions{Next: next(crowd(newRig(t, nil), 5)), Memory: func(name string) ([]byte, error) {
					if c := changed.Load(); c != nil {
						if text, ok := (*c)[name]; ok {
							return bytes.Clone([]byte(text)), nil
						}
						return nil, os.ErrNotExist
					}
					return read(name)
				}})
				prepared(t, r, func() {
					if s := r.Stats(); s.Prepared != 5 || s.Short {
						t.Fatalf("before: %+v", s)
					}
					changed.Store(&c.files)
					time.Sleep(time.Minute) //nolint:forbidigo // the bubble's time
					if s := r.Stats(); s.Short != c.short || (s.Prepared == 0) != c.short {
						t.Errorf("figures %+v", s)
					}
				})
			})
		})
	}
}

// Command webpushgo sends messages with webpush-go, for the push benchmark to
// compare with. It is used as its own page shows, with one HTTP client for
// all, which speaks HTTP/2, and records as large as Tocsin's bodies.
//
//	webpushgo JOB-FILE MESSAGES
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"
)

// job is what the benchmark asks for.
type job struct {
	Subscriptions []webpush.Subscription `json:"subscriptions"`
	Payload       string                 `json:"payload"`
	Body          int                    `json:"body"` // bytes of an encrypted message
	Public        string                 `json:"public"`
	Private       string                 `json:"private"`
	Subject       string                 `json:"subject"`
	Topic         string                 `json:"topic"`
	TTL           int                    `json:"ttl"`
	Parallel      int                    `json:"parallel"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "webpushgo:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: webpushgo JOB-FILE MESSAGES")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	var j job
	if err := json.Unmarshal(text, &j); err != nil {
		return fmt.Errorf("job: %w", err)
	}
	messages, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("messages: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = j.Parallel
	client := &http.Client{Transport: transport}
	options := webpush.Options{HTTPClient: client, Subscriber: j.Subject, Topic: j.Topic, TTL: j.TTL, Urgency: webpush.UrgencyHigh,
		VAPIDPublicKey: j.Public, VAPIDPrivateKey: j.Private, RecordSize: uint32(j.Body)}
	send := func(i int) error {
		o := options
		resp, err := webpush.SendNotification([]byte(j.Payload), &j.Subscriptions[i%len(j.Subscriptions)], &o)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusCreated {
			return fmt.Errorf("answered %s", resp.Status)
		}
		return nil
	}
	for i := range 50 { // the connection stands, and memory is warm
		if err := send(i); err != nil {
			return err
		}
	}
	var (
		next   atomic.Int64
		failed atomic.Pointer[error]
		wg     sync.WaitGroup
	)
	cpu, begin := used(), time.Now()
	for range j.Parallel {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= messages || failed.Load() != nil {
					return
				}
				if err := send(i); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]int64{"messages": int64(messages), "cpu": used() - cpu, "wall": time.Since(begin).Nanoseconds()})
}

// used is the processor time of this process so far, in nanoseconds.
func used() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

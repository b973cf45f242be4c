// Command withpostgres runs a command with a PostgreSQL server beside it:
//
//	go run ./test/postgres/withpostgres -- go test ./...
//
// The command finds it by TOCSIN_TEST_POSTGRES. The exit code is the command's.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"tocsin/test/postgres"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "withpostgres: write the command to run: withpostgres -- go test ./...")
		return 2
	}
	if os.Getenv(postgres.Env) == "" {
		s, err := postgres.Start(postgres.Options{NoSync: true})
		if err != nil {
			fmt.Fprintln(os.Stderr, "withpostgres:", err)
			return 1
		}
		defer func() {
			if err := s.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, "withpostgres:", err)
			}
		}()
		if err := os.Setenv(postgres.Env, s.URL); err != nil {
			fmt.Fprintln(os.Stderr, "withpostgres:", err)
			return 1
		}
	}
	// Ctrl-C goes to the whole group: the command ends by it, and we after it.
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, os.Interrupt)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "withpostgres:", err)
		return 1
	}
	go func() {
		for s := range end {
			if s == syscall.SIGTERM {
				_ = cmd.Process.Signal(s)
			}
		}
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "withpostgres:", err)
	return 1
}

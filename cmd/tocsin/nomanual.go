//go:build !manual

package main

import "github.com/spf13/cobra"

// extra are commands of builds for the release; see manual.go.
func (*cli) extra(*cobra.Command) {}

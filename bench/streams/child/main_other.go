//go:build !linux

// Command child measures on Linux only.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "child: this benchmark needs Linux")
	os.Exit(1)
}

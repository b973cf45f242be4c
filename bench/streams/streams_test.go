package streams_test

import (
	"os"
	"testing"

	"tocsin/bench/streams"
)

// BenchmarkStreams prints the table: go test -bench . -benchtime 1x ./bench/streams
func BenchmarkStreams(b *testing.B) {
	for b.Loop() {
		if err := streams.Run(os.Stdout); err != nil {
			b.Fatal(err)
		}
	}
}

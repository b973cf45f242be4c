package dispatch_test

import (
	"testing"

	"tocsin/test/postgres"
)

type engine struct {
	name string
	url  func(tb testing.TB) string
}

func engines() []engine {
	return []engine{
		{"sqlite", func(tb testing.TB) string { return "sqlite:" + tb.TempDir() + "/tocsin.db" }},
		{"postgres", postgres.URL},
	}
}

package dispatch_test

import (
	"testing"

	"tocsin/test/database"
)

type engine struct {
	name string
	url  func(tb testing.TB) string
}

func engines() []engine {
	return []engine{
		{"sqlite", database.SQLite},
		{"postgres", database.Postgres},
	}
}

// Package backup is the file that `tocsin backup` writes and `tocsin restore`
// reads. It knows no SQL: package store gives it rows and takes them from it.
//
// The file is gzip over lines of JSON, so that people can look into it with
// zcat, and it says nothing of an engine: what SQLite gave, PostgreSQL takes.
//
//	{"format":"tocsin-backup","version":1,"schema":6,…}        the manifest
//	{"table":"alert","columns":[{"name":"id","kind":"text"},…]}
//	["0198…","firing",2,true,"AAEC…"]                           a row; bytes are base64
//	{"rows":1}                                                  the end of a table
//	{"tables":58,"rows":1,"sha256":"…"}                         the end, over all lines before
//
// A file from elsewhere may be hostile. Nothing in it names a path; tables and
// columns are only ever compared with those that the reader has; lines have a
// bound. Whoever reads keeps one row at a time. How tightly a file is packed says
// nothing: checks that say one character over and over shrink to a thousandth.
package backup

import (
	"errors"
	"fmt"
	"time"
)

// What a manifest says it is. Version rises when an older reader would go wrong.
const (
	Format  = "tocsin-backup"
	Version = 1
)

const (
	// maxLine bounds a line in bytes. The longest rows are those with an image of a
	// public page, and what one publication says.
	maxLine = 32 << 20

	maxTables  = 1000
	maxColumns = 200
)

// ErrDamaged says that a file is no backup, or not any more as it was written.
var ErrDamaged = errors.New("the backup is damaged")

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// Manifest says what a backup is of.
type Manifest struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Schema  int64     `json:"schema"`  // the number of the latest migration
	Engine  string    `json:"engine"`  // "sqlite" or "postgres"; either can take it
	Program string    `json:"program"` // the version of Tocsin that wrote it
	Made    time.Time `json:"made"`
	// SecretKeyID names the key that secrets in the rows are encrypted with; empty
	// where they are plain. SecretKey is that key, with --with-key alone.
	SecretKeyID string `json:"secret_key_id,omitempty"`
	SecretKey   string `json:"secret_key,omitempty"`
}

// Kind is what a column holds.
type Kind string

// The kinds. A row has for each a string, an int64, a bool or a []byte, or nil.
const (
	Text  Kind = "text"
	Int   Kind = "int"
	Bool  Kind = "bool"
	Bytes Kind = "bytes"
)

// Column is one column of a table.
type Column struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
}

// Table is a table whose rows follow.
type Table struct {
	Name    string   `json:"table"`
	Columns []Column `json:"columns"`
}

// Summary is what a whole backup holds.
type Summary struct {
	Tables int
	Rows   int64
	Bytes  int64 // of the lines, unpacked
}

// end is the last line.
type end struct {
	Tables int    `json:"tables"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
}

// tableEnd is the line after the rows of a table.
type tableEnd struct {
	Rows int64 `json:"rows"`
}

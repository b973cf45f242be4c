package store

import (
	"regexp"
	"strings"

	"tocsin/internal/delivery"
)

// dialect is what differs between the two engines. Everything else is one SQL
// text: $1 placeholders, which pgx and modernc.org/sqlite both bind by number.
type dialect struct {
	engine string

	// skipLocked ends a SELECT that takes rows nobody else holds; forUpdate one
	// that waits for them. SQLite has one writer, so nothing to lock.
	skipLocked string
	forUpdate  string

	// alertRoom and deliveryRoom are blanks that a row is inserted with, for what
	// it will grow by when it ends. SQLite fills its pages to the brim: a row
	// that grows splits one, and a page that was written once more is the dearest
	// thing about a commit. PostgreSQL writes a new row in any case.
	alertRoom, deliveryRoom string
}

// The engines' names, as Engine answers them.
const (
	engineSQLite   = "sqlite"
	enginePostgres = "postgres"
)

func sqliteDialect() dialect {
	return dialect{engine: engineSQLite, alertRoom: strings.Repeat(" ", 24), deliveryRoom: strings.Repeat(" ", 72)}
}

// room is what a delivery is inserted with.
func (d dialect) room(s delivery.State) string {
	if unfinished(s) || s == delivery.Collected {
		return d.deliveryRoom
	}
	return ""
}

func postgresDialect() dialect {
	return dialect{
		engine:     enginePostgres,
		skipLocked: " FOR UPDATE SKIP LOCKED",
		forUpdate:  " FOR UPDATE",
	}
}

// among is the condition that a column is one of what a sub-select gives.
// PostgreSQL plans IN (SELECT …) over a table without statistics as a scan of
// all of it; an array is always looked up by index.
func (d dialect) among(column, sub string) string {
	if d.engine == enginePostgres {
		return column + " = ANY(ARRAY(" + sub + "))"
	}
	return column + " IN (" + sub + ")"
}

// list is a sub-select of the texts in the JSON array that the placeholder
// holds, so that a list of any length is one parameter.
func (d dialect) list(placeholder string) string {
	if d.engine == enginePostgres {
		return "SELECT jsonb_array_elements_text(CAST(" + placeholder + " AS jsonb))"
	}
	return "SELECT value FROM json_each(" + placeholder + ")"
}

// numbers is list for a JSON array of whole numbers.
func (d dialect) numbers(placeholder string) string {
	if d.engine == enginePostgres {
		return "SELECT CAST(jsonb_array_elements_text(CAST(" + placeholder + " AS jsonb)) AS BIGINT)"
	}
	return "SELECT value FROM json_each(" + placeholder + ")"
}

// by has a statement take an index where SQLite, which keeps no figures of what columns
// hold, would take one that most rows fit.
func (d dialect) by(index string) string {
	if d.engine == enginePostgres {
		return ""
	}
	return " INDEXED BY " + index
}

// clock is the time in milliseconds in a statement, where the placeholder holds
// what DB.clock answers.
func (d dialect) clock(placeholder string) string {
	if d.engine == enginePostgres {
		return "((" + postgresClock + ") + CAST(" + placeholder + " AS BIGINT))"
	}
	return placeholder
}

// postgresClock asks PostgreSQL for the time. As a sub-select it is asked once.
const postgresClock = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"

// migration makes the engine's own text of a migration. PostgreSQL would
// compare text by the rules of the database's language, which differ from
// machine to machine and from SQLite; everything here compares by bytes. SQLite
// keeps rows by a number of its own, and finds them by a key in a second tree:
// where the key is a number it can be that number, and where it is most of the
// row the row belongs beside it.
func (d dialect) migration(text string) string {
	if d.engine == enginePostgres {
		text = regexp.MustCompile(`\bBLOB\b`).ReplaceAllString(text, "BYTEA")
		return regexp.MustCompile(`\bTEXT\b`).ReplaceAllString(text, `TEXT COLLATE "C"`)
	}
	text = regexp.MustCompile(`\bBIGINT NOT NULL PRIMARY KEY\b`).ReplaceAllString(text, "INTEGER NOT NULL PRIMARY KEY")
	return regexp.MustCompile(`(?m)^(    PRIMARY KEY \([^)]*\))\n\);`).ReplaceAllString(text, "$1\n) WITHOUT ROWID;")
}

// has is the condition that a text is somewhere in a column, letter for letter.
func (d dialect) has(column, text string) string {
	if d.engine == enginePostgres {
		return "strpos(" + column + ", CAST(" + text + " AS TEXT)) > 0"
	}
	return "instr(" + column + ", " + text + ") > 0"
}

// likeEscaped makes text a LIKE pattern that finds it anywhere; the query says
// ESCAPE '\'.
func likeEscaped(text string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}

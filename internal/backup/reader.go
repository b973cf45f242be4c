package backup

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Reader reads a backup. What it gave is only known to be whole when Next has
// answered io.EOF.
type Reader struct {
	Manifest Manifest

	file *bufio.Reader
	in   *bufio.Reader // what it unpacks to
	sum  hash.Hash
	line []byte
	now  *Table
	rows int64
	all  Summary
	done bool
}

// NewReader begins to read. Its errors are ErrDamaged, or sentences of their own
// for a backup that a later version wrote.
func NewReader(r io.Reader) (*Reader, error) {
	b := &Reader{file: bufio.NewReader(r), sum: sha256.New()}
	zip, err := gzip.NewReader(b.file)
	if err != nil && !errors.Is(err, gzip.ErrHeader) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read the backup: %w", err)
	} else if err != nil {
		return nil, fmt.Errorf("%w: it is no file that `tocsin backup` wrote (%w)", ErrDamaged, err)
	}
	zip.Multistream(false)
	b.in = bufio.NewReaderSize(zip, 64<<10)
	line, err := b.next()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(line, &b.Manifest); err != nil || b.Manifest.Format != Format {
		return nil, damaged("it is no file that `tocsin backup` wrote")
	}
	if v := b.Manifest.Version; v > Version {
		return nil, fmt.Errorf("the backup was written by a newer version of Tocsin (%.60q; its format is %d, this program knows %d): "+
			"restore it with that version", b.Manifest.Program, v, Version)
	} else if v < 1 {
		return nil, damaged("its format is %d", v)
	}
	return b, nil
}

// next reads a line, which is good until the next one, and counts it in.
func (b *Reader) next() ([]byte, error) {
	b.line = b.line[:0]
	for {
		part, err := b.in.ReadSlice('\n')
		b.line = append(b.line, part...)
		b.all.Bytes += int64(len(part))
		if len(b.line) > maxLine {
			return nil, damaged("a line of it has more than %d MiB", maxLine>>20)
		}
		switch {
		case err == nil:
			b.sum.Write(b.line)
			return b.line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		default:
			return nil, unread(err)
		}
	}
}

// unread says what it is that no more of a file is read: the file's fault, or another.
func unread(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return damaged("it ends in the middle")
	case errors.As(err, new(flate.CorruptInputError)), errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return fmt.Errorf("read the backup: %w", err)
}

// Next answers the next table, whose rows Row then gives, or io.EOF when the
// backup ended as it should: with the figures and the checksum of what was read.
// Rows that nobody read are passed over, and counted.
func (b *Reader) Next() (Table, error) {
	for b.now != nil {
		if _, err := b.rowLine(); err != nil && !errors.Is(err, io.EOF) {
			return Table{}, err
		}
	}
	if b.done {
		return Table{}, io.EOF
	}
	before := hex.EncodeToString(b.sum.Sum(nil))
	line, err := b.next()
	if err != nil {
		return Table{}, err
	}
	if !bytes.HasPrefix(line, []byte(`{"table":`)) {
		return Table{}, b.end(line, before)
	}
	var t Table
	if json.Unmarshal(line, &t) != nil || t.Name == "" || len(t.Columns) == 0 || len(t.Columns) > maxColumns {
		return t, damaged("a table of it has no name or no columns")
	}
	for _, c := range t.Columns {
		switch c.Kind {
		case Text, Int, Bool, Bytes:
		default:
			return t, damaged("the column %.60q of the table %.60q is of the kind %.20q", c.Name, t.Name, c.Kind)
		}
	}
	if b.all.Tables++; b.all.Tables > maxTables {
		return t, damaged("it has more than %d tables", maxTables)
	}
	b.now, b.rows = &t, 0
	return t, nil
}

// end checks the last line.
func (b *Reader) end(line []byte, sum string) error {
	var e end
	if json.Unmarshal(line, &e) != nil || e.SHA256 == "" {
		return damaged("there is a line in it that belongs to no table")
	}
	if e.SHA256 != sum {
		return damaged("its checksum is another one; it was changed since it was written")
	}
	if e.Tables != b.all.Tables || e.Rows != b.all.Rows {
		return damaged("it says that it has %d rows in %d tables, and has %d in %d", e.Rows, e.Tables, b.all.Rows, b.all.Tables)
	}
	// gzip's own checksum is looked at when its end is read.
	for _, in := range []*bufio.Reader{b.in, b.file} {
		if _, err := in.ReadByte(); err == nil {
			return damaged("there is something behind its end")
		} else if !errors.Is(err, io.EOF) {
			return unread(err)
		}
	}
	b.done = true
	return io.EOF
}

// rowLine answers the next row as it is written, io.EOF at the table's end.
func (b *Reader) rowLine() ([]byte, error) {
	if b.now == nil {
		return nil, io.EOF
	}
	line, err := b.next()
	if err != nil {
		return nil, err
	}
	if line[0] == '[' {
		b.rows++
		return line, nil
	}
	var e *tableEnd
	if json.Unmarshal(line, &e) != nil || e == nil {
		return nil, damaged("the table %.60q has a line that is no row", b.now.Name)
	}
	if e.Rows != b.rows {
		return nil, damaged("the table %.60q says that it has %d rows, and has %d", b.now.Name, e.Rows, b.rows)
	}
	b.all.Rows += b.rows
	b.now = nil
	return nil, io.EOF
}

// Row reads the next row of the table into values, which has one for each
// column; io.EOF at the table's end. Byte slices are the caller's to keep.
func (b *Reader) Row(values []any) error {
	t := b.now
	line, err := b.rowLine()
	if err != nil {
		return err
	}
	if err := parseRow(line, t.Columns, values); err != nil {
		return damaged("row %d of the table %.60q: %v", b.rows, t.Name, err)
	}
	return nil
}

var errRow = errors.New("it has another form than its columns")

// parseRow reads a line of JSON that is one flat array.
func parseRow(line []byte, columns []Column, values []any) error {
	rest, ok := bytes.CutPrefix(line, []byte{'['})
	if !ok || len(values) != len(columns) {
		return errRow
	}
	for i, c := range columns {
		if i > 0 {
			if rest, ok = bytes.CutPrefix(rest, []byte{','}); !ok {
				return errRow
			}
		}
		token := rest[:tokenLength(rest)]
		rest = rest[len(token):]
		v, err := parseValue(token, c.Kind)
		if err != nil {
			return fmt.Errorf("column %.60q: %w", c.Name, err)
		}
		values[i] = v
	}
	if string(rest) != "]\n" {
		return errRow
	}
	return nil
}

// tokenLength is where the value at the beginning of text ends.
func tokenLength(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	if text[0] != '"' {
		for i, c := range text {
			if c == ',' || c == ']' || c == '\n' {
				return i
			}
		}
		return len(text)
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

func parseValue(token []byte, k Kind) (any, error) {
	if string(token) == "null" {
		return nil, nil
	}
	switch k {
	case Int:
		n, err := strconv.ParseInt(string(token), 10, 64)
		if err != nil {
			return nil, errRow
		}
		return n, nil
	case Bool:
		switch string(token) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, errRow
	}
	s, err := parseText(token)
	if err != nil || k == Text {
		return s, err
	}
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, errRow
	}
	return raw, nil
}

func parseText(token []byte) (string, error) {
	if len(token) < 2 || token[0] != '"' || token[len(token)-1] != '"' || !utf8.Valid(token) {
		return "", errRow
	}
	if bytes.IndexByte(token, '\\') < 0 {
		return string(token[1 : len(token)-1]), nil
	}
	var s string
	if json.Unmarshal(token, &s) != nil || strings.IndexByte(s, 0) >= 0 {
		return "", errRow
	}
	return s, nil
}

// Verify reads all of a backup and answers what it is and holds, if it is whole.
func Verify(r io.Reader) (Manifest, Summary, error) {
	b, err := NewReader(r)
	if err != nil {
		return Manifest{}, Summary{}, err
	}
	for {
		_, err := b.Next()
		if errors.Is(err, io.EOF) {
			return b.Manifest, b.all, nil
		}
		if err != nil {
			return b.Manifest, b.all, err
		}
	}
}

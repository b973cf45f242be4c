package backup

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Writer writes a backup: tables one after the other, each followed by its rows.
type Writer struct {
	zip  *gzip.Writer
	out  *bufio.Writer
	sum  hash.Hash
	line []byte
	now  *Table // whose rows are written
	rows int64
	all  Summary
}

// NewWriter begins a backup with its manifest. Format and Version are filled in.
func NewWriter(w io.Writer, m Manifest) (*Writer, error) {
	m.Format, m.Version = Format, Version
	zip := gzip.NewWriter(w)
	b := &Writer{zip: zip, out: bufio.NewWriterSize(zip, 64<<10), sum: sha256.New()}
	return b, b.write(m)
}

func (b *Writer) write(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write a backup: %w", err)
	}
	return b.writeLine(append(text, '\n'))
}

func (b *Writer) writeLine(line []byte) error {
	if len(line) > maxLine {
		return fmt.Errorf("a row of the table %s has %d bytes, more than a backup takes (%d)", b.now.Name, len(line), maxLine)
	}
	b.sum.Write(line)
	b.all.Bytes += int64(len(line))
	if _, err := b.out.Write(line); err != nil {
		return fmt.Errorf("write a backup: %w", err)
	}
	return nil
}

// Table begins a table, and ends the one before.
func (b *Writer) Table(t Table) error {
	if err := b.endTable(); err != nil {
		return err
	}
	b.now = &t
	b.all.Tables++
	return b.write(t)
}

func (b *Writer) endTable() error {
	if b.now == nil {
		return nil
	}
	err := b.write(tableEnd{b.rows})
	b.all.Rows += b.rows
	b.now, b.rows = nil, 0
	return err
}

// Row writes a row of the table: for each column nil or what its Kind says. Text
// that is not valid UTF-8, or has NUL, which PostgreSQL does not take, is mended.
func (b *Writer) Row(values []any) error {
	if b.now == nil || len(values) != len(b.now.Columns) {
		return fmt.Errorf("write a backup: a row of %d values is none of the table", len(values))
	}
	b.rows++
	line := append(b.line[:0], '[')
	for i, v := range values {
		if i > 0 {
			line = append(line, ',')
		}
		switch v := v.(type) {
		case nil:
			line = append(line, "null"...)
		case string:
			line = appendText(line, v)
		case int64:
			line = strconv.AppendInt(line, v, 10)
		case bool:
			line = strconv.AppendBool(line, v)
		case []byte:
			line = append(line, '"')
			line = base64.StdEncoding.AppendEncode(line, v)
			line = append(line, '"')
		default:
			return fmt.Errorf("write a backup: %s.%s has a value of type %T", b.now.Name, b.now.Columns[i].Name, v)
		}
	}
	b.line = append(line, ']', '\n')
	return b.writeLine(b.line)
}

func appendText(line []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return appendOdd(line, s)
		}
	}
	line = append(line, '"')
	line = append(line, s...)
	return append(line, '"')
}

func appendOdd(line []byte, s string) []byte {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string always can be; what is no UTF-8 becomes U+FFFD
	return append(line, bytes.TrimSuffix(out.Bytes(), []byte{'\n'})...)
}

// Close ends the backup with its figures and checksum. The file below is the
// caller's to sync and close.
func (b *Writer) Close() (Summary, error) {
	if err := b.endTable(); err != nil {
		return b.all, err
	}
	err := b.write(end{Tables: b.all.Tables, Rows: b.all.Rows, SHA256: hex.EncodeToString(b.sum.Sum(nil))})
	if err != nil {
		return b.all, err
	}
	if err := b.out.Flush(); err != nil {
		return b.all, fmt.Errorf("write a backup: %w", err)
	}
	if err := b.zip.Close(); err != nil {
		return b.all, fmt.Errorf("write a backup: %w", err)
	}
	return b.all, nil
}

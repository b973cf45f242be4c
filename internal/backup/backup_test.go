package backup_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/backup"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var things = backup.Table{Name: "things", Columns: []backup.Column{
	{Name: "id", Kind: backup.Text}, {Name: "n", Kind: backup.Int}, {Name: "yes", Kind: backup.Bool}, {Name: "raw", Kind: backup.Bytes},
}}

var rows = [][]any{
	{"plain", int64(1), true, []byte{0, 1, 255}},
	{`"\` + "\n\t\u2028\x7f<&>ü🔔", int64(-1 << 63), false, []byte{}},
	{"", int64(1<<63 - 1), true, nil},
	{nil, nil, nil, nil},
	{"a],[b", int64(0), false, []byte("]")},
}

func written(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, backup.Manifest{Schema: 6, Engine: "sqlite", Program: "v1", Made: time.Unix(1, 0).UTC()})
	ok(t, err)
	ok(t, w.Table(things))
	for _, r := range rows {
		ok(t, w.Row(r))
	}
	ok(t, w.Table(backup.Table{Name: "empty", Columns: things.Columns[:1]}))
	sum, err := w.Close()
	ok(t, err)
	if sum.Rows != int64(len(rows)) || sum.Tables != 2 {
		t.Fatalf("written: %+v", sum)
	}
	return out.Bytes()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	r, err := backup.NewReader(iotest.OneByteReader(bytes.NewReader(written(t))))
	ok(t, err)
	if r.Manifest.Format != "tocsin-backup" || r.Manifest.Schema != 6 || r.Manifest.Engine != "sqlite" {
		t.Errorf("manifest %+v", r.Manifest)
	}
	table, err := r.Next()
	ok(t, err)
	if d := cmp.Diff(things, table); d != "" {
		t.Error(d)
	}
	for _, want := range rows {
		got := make([]any, len(want))
		ok(t, r.Row(got))
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	if err := r.Row(make([]any, 4)); !errors.Is(err, io.EOF) {
		t.Errorf("after the last row: %v", err)
	}
	if table, err = r.Next(); err != nil || table.Name != "empty" {
		t.Errorf("%v, %v", table, err)
	}
	if _, err = r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestTextIsMadeFitForBothEngines(t *testing.T) {
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, backup.Manifest{})
	ok(t, err)
	ok(t, w.Table(backup.Table{Name: "t", Columns: things.Columns[:1]}))
	ok(t, w.Row([]any{"a\x00b\xffc"}))
	_, err = w.Close()
	ok(t, err)
	r, err := backup.NewReader(&out)
	ok(t, err)
	_, err = r.Next()
	ok(t, err)
	got := make([]any, 1)
	ok(t, r.Row(got))
	if got[0] != "ab\uFFFDc" {
		t.Errorf("%q", got[0])
	}
}

// A check may say what it likes, also one character over and over.
func TestHoweverTightlyItIsPackedItIsRead(t *testing.T) {
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, backup.Manifest{Schema: 6})
	ok(t, err)
	ok(t, w.Table(things))
	output := strings.Repeat(`"`, 64<<10)
	for n := range int64(1000) {
		ok(t, w.Row([]any{output, n, nil, nil}))
	}
	sum, err := w.Close()
	ok(t, err)
	size := int64(out.Len())
	if _, read, err := backup.Verify(&out); err != nil || read != sum {
		t.Errorf("%d bytes of %d: %+v and not %+v, %v", size, sum.Bytes, read, sum, err)
	}
}

// A disk that cannot be read, or who stops the command, says nothing of the file.
func TestWhoCannotReadDoesNotCallItDamaged(t *testing.T) {
	whole := written(t)
	for _, n := range []int{0, 5, len(whole) / 2, len(whole) - 1} {
		broken := errors.New("the disk is broken")
		_, _, err := backup.Verify(io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) || errors.Is(err, backup.ErrDamaged) {
			t.Errorf("after %d of %d bytes: %v", n, len(whole), err)
		}
	}
}

// packed is a file of these lines, whatever they say.
func packed(t *testing.T, lines ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	_, err := io.WriteString(zip, strings.Join(lines, "\n")+"\n")
	ok(t, errors.Join(err, zip.Close()))
	return out.Bytes()
}

func TestEveryDamageIsFound(t *testing.T) {
	whole := written(t)
	_, _, err := backup.Verify(bytes.NewReader(whole))
	ok(t, err)
	t.Run("cut off anywhere", func(t *testing.T) {
		for n := range whole {
			if _, _, err := backup.Verify(bytes.NewReader(whole[:n])); !errors.Is(err, backup.ErrDamaged) {
				t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
			}
		}
	})
	t.Run("a bit flipped anywhere, unless it means nothing", func(t *testing.T) {
		harmless := 0
		for n := range len(whole) * 8 {
			b := bytes.Clone(whole)
			b[n/8] ^= 1 << (n % 8)
			if _, _, err := backup.Verify(bytes.NewReader(b)); err != nil {
				continue
			}
			// gzip has a time that nobody looks at, and blanks before its checksum.
			if harmless++; harmless > 80 || !bytes.Equal(unpacked(t, whole), unpacked(t, b)) {
				t.Fatalf("bit %d of byte %d", n%8, n/8)
			}
		}
	})
	t.Run("more behind the end", func(t *testing.T) {
		for _, more := range [][]byte{{0}, whole} {
			if _, _, err := backup.Verify(bytes.NewReader(append(bytes.Clone(whole), more...))); !errors.Is(err, backup.ErrDamaged) {
				t.Errorf("%v", err)
			}
		}
	})
}

func unpacked(t *testing.T, file []byte) []byte {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(file))
	ok(t, err)
	lines, err := io.ReadAll(zip)
	ok(t, err)
	return lines
}

func TestHostileFilesAreRefused(t *testing.T) {
	const head = `{"format":"tocsin-backup","version":1,"schema":6}`
	const table = `{"table":"t","columns":[{"name":"id","kind":"text"},{"name":"n","kind":"int"}]}`
	for name, row := range map[string]struct {
		file []byte
		says string
	}{
		"nothing":                   {nil, "no file that `tocsin backup` wrote"},
		"another file":              {[]byte("SQLite format 3\x00"), "no file that `tocsin backup` wrote"},
		"another file, packed":      {packed(t, "hello"), "no file that `tocsin backup` wrote"},
		"a newer format":            {packed(t, `{"format":"tocsin-backup","version":2,"program":"v9"}`), "a newer version of Tocsin (\"v9\""},
		"no end":                    {packed(t, head, table, `["a",1]`), "ends in the middle"},
		"a wrong checksum":          {packed(t, head, `{"tables":0,"rows":0,"sha256":"00"}`), "its checksum is another one"},
		"no checksum":               {packed(t, head, `{"tables":0,"rows":0}`), "belongs to no table"},
		"a table that miscounts":    {packed(t, head, table, `["a",1]`, `{"rows":2}`), "says that it has 2 rows, and has 1"},
		"a row before any table":    {packed(t, head, `["a",1]`), "belongs to no table"},
		"a table without columns":   {packed(t, head, `{"table":"t","columns":[]}`), "no columns"},
		"a kind that there is not":  {packed(t, head, `{"table":"t","columns":[{"name":"id","kind":"file"}]}`), "is of the kind"},
		"garbage in a table":        {packed(t, head, table, "x"), "a line that is no row"},
		"null in a table":           {packed(t, head, table, "null"), "a line that is no row"},
		"a bomb of one line":        {packed(t, head, table, `["`+strings.Repeat("a", 40<<20)+`",1]`), "more than 32 MiB"},
		"a row with too few values": {packed(t, head, table, `["a"]`), "row 1"},
		"a row with too many":       {packed(t, head, table, `["a",1,2]`), "row 1"},
		"a row of another kind":     {packed(t, head, table, `[1,"a"]`), "row 1"},
		"a number that is none":     {packed(t, head, table, `["a",1e3]`), "row 1"},
		"rows within rows":          {packed(t, head, table, `["a",[1]]`), "row 1"},
		"a text without end":        {packed(t, head, table, `["a`), "row 1"},
		"NUL":                       {packed(t, head, table, `["\u0000",1]`), "row 1"},
	} {
		t.Run(name, func(t *testing.T) {
			err := readAll(bytes.NewReader(row.file))
			if err == nil || !strings.Contains(err.Error(), row.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

// readAll reads all rows, as a restore does.
func readAll(file io.Reader) error {
	r, err := backup.NewReader(file)
	if err != nil {
		return err
	}
	for {
		table, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		values := make([]any, len(table.Columns))
		for err == nil {
			err = r.Row(values)
		}
		if !errors.Is(err, io.EOF) {
			return err
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte(`{"format":"tocsin-backup","version":1}` + "\n" + `{"table":"t","columns":[{"name":"id","kind":"text"}]}` + "\n" + `["a\n"]` + "\n" + `{"rows":1}` + "\n"))
	f.Fuzz(func(_ *testing.T, lines []byte) {
		var file bytes.Buffer
		zip := gzip.NewWriter(&file)
		_, _ = zip.Write(lines)
		_ = zip.Close()
		_ = readAll(&file) // it says no, and does nothing else
	})
}

func TestAFileHasItsNameWhenItIsWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.backup")
	names := func() (list []string) {
		t.Helper()
		all, err := os.ReadDir(dir)
		ok(t, err)
		for _, d := range all {
			list = append(list, d.Name())
		}
		return list
	}
	f, err := backup.Create(path)
	ok(t, err)
	_, err = f.WriteString("x")
	ok(t, err)
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it has its name before it is whole: %v", err)
	}
	ok(t, f.Commit())
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || len(names()) != 1 {
		t.Errorf("%v, %v; in the folder: %v", info, err, names())
	}
	if _, err := backup.Create(path); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("over a file: %v", err)
	}
	second, err := backup.Create(filepath.Join(dir, "b.backup"))
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(dir, "b.backup"), []byte("precious"), 0o600)) // somebody was faster
	if err := second.Commit(); err == nil {
		t.Error("it took the name of another")
	}
	if b, err := os.ReadFile(filepath.Join(dir, "b.backup")); err != nil || string(b) != "precious" || len(names()) != 2 {
		t.Errorf("%q, %v; in the folder: %v", b, err, names())
	}
}

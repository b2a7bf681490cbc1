package sqlite

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

// another opens the file as a program does that knows nothing of our lock.
func another(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}

func TestABadDatabaseIsOneClearLine(t *testing.T) {
	write := func(t *testing.T, path, content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name string
		make func(t *testing.T, path string) string // returns what to open, "" for path
		want []string
	}{
		{"folder", func(t *testing.T, path string) string {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
			return ""
		}, []string{"is a folder, not a database file", "name a file in it"}},
		{"garbage", func(t *testing.T, path string) string {
			write(t, path, strings.Repeat("This is not a database.\n", 100))
			return ""
		}, []string{"is not an SQLite database", "move the file away"}},
		{"short garbage", func(t *testing.T, path string) string {
			write(t, path, "hello")
			return ""
		}, []string{"is not an SQLite database", "move the file away"}},
		{"damaged", func(t *testing.T, path string) string {
			db := another(t, path)
			exec(t, db, "CREATE TABLE t (x)")
			db.Close()
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 100; i < 200; i++ {
				content[i] = 0xff
			}
			write(t, path, string(content))
			return ""
		}, []string{"is damaged", "restore it from a backup"}},
		{
			"missing folder", func(_ *testing.T, path string) string { return filepath.Join(path, "x.db") },
			[]string{"the folder of", "does not exist", "create"},
		},
		{"below a file", func(t *testing.T, path string) string {
			write(t, path, "")
			return filepath.Join(path, "x.db")
		}, []string{"cannot exist, for", "is not a folder: name another file"}},
		{"dangling link", func(t *testing.T, path string) string {
			if err := os.Symlink(path+".gone", path); err != nil {
				t.Skip(err)
			}
			return ""
		}, []string{"is a link to", "create the target"}},
		{"locked by another program", func(t *testing.T, path string) string {
			db := another(t, path)
			exec(t, db, "CREATE TABLE t (x)")
			exec(t, db, "BEGIN EXCLUSIVE")
			return ""
		}, []string{"is locked by another program", "within 50ms", "try again"}},
		{"in exclusive mode", func(t *testing.T, path string) string {
			db := another(t, path)
			exec(t, db, "PRAGMA journal_mode=WAL")
			exec(t, db, "PRAGMA locking_mode=EXCLUSIVE")
			exec(t, db, "CREATE TABLE t (x)")
			return ""
		}, []string{"is locked by another program", "try again"}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			folder := t.TempDir()
			path := filepath.Join(folder, "bad.db")
			if other := tc.make(t, path); other != "" {
				path = other
			}
			before := names(t, folder)
			db, err := open(t.Context(), "sqlite:"+path, 50*time.Millisecond, time.Second)
			if err == nil {
				db.Close()
				t.Fatal("it opened")
			}
			want := append([]string{"sqlite: ", path}, tc.want...)
			for _, w := range want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is more than a line", err)
			}
			if after := names(t, folder); after != before {
				t.Errorf("left behind: %s, before: %s", after, before)
			}
		})
	}
}

func names(t *testing.T, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestAnotherProgramThatWritesIsNamedAfterABound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := open(t.Context(), "sqlite:"+path, 50*time.Millisecond, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec(t, db, "CREATE TABLE t (x)")
	exec(t, another(t, path), "BEGIN IMMEDIATE")
	for name, write := range map[string]func() error{
		"transaction": func() error { _, err := db.BeginTx(t.Context(), nil); return err },
		"statement":   func() error { _, err := db.ExecContext(t.Context(), "INSERT INTO t VALUES (1)"); return err },
	} {
		if err := write(); err == nil || !strings.Contains(err.Error(), path+" is locked by another program") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := value[int](t, db, "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("%d rows", n)
	}
}

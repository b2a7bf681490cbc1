package migrate

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// folder makes a file system of empty migrations.
func folder(names ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for _, n := range names {
		fsys[n] = &fstest.MapFile{Data: []byte("-- +goose Up\n")}
	}
	return fsys
}

func TestLoadFindsAndOrdersTheFiles(t *testing.T) {
	tests := []struct {
		name  string
		files fstest.MapFS
		want  string
	}{
		{"root", folder("00002_b.sql", "1_a.sql", "00010_x.txt", "sub/00003_c.sql"), "1_a.sql 00002_b.sql"},
		{"one folder", folder("migrations/00001_a.sql", "migrations/00002_b.sql", "README.md", "docs/x.txt"), "migrations/00001_a.sql migrations/00002_b.sql"},
		{"squashed", folder("00010_a.sql", "00011_b.sql"), "00010_a.sql 00011_b.sql"},
		{"times", folder("20260101120000_a.sql", "20260201120000_b.sql"), "20260101120000_a.sql 20260201120000_b.sql"},
		{"numbers, then times", folder("00001_a.sql", "00002_b.sql", "20260201120000_c.sql"), "00001_a.sql 00002_b.sql 20260201120000_c.sql"},
	}
	for _, tc := range tests {
		files, err := Set{Files: tc.files}.load()
		var names []string
		for _, f := range files {
			names = append(names, f.name)
		}
		if got := strings.Join(names, " "); got != tc.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", tc.name, got, err, tc.want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct {
		name string
		set  Set
		want string
	}{
		{"nothing", Set{}, "migrate: the set has no file system"},
		{"no files", Set{Files: folder("README.md")}, "migrate: there are no .sql files"},
		{"two folders", Set{Files: folder("a/00001_a.sql", "b/00001_b.sql")}, "migrate: the folders a and b both have .sql files"},
		{"same version", Set{Files: folder("00001_a.sql", "1_b.sql")}, "1_b.sql: version 1 is that of 00001_a.sql too"},
		{"gap", Set{Files: folder("00001_a.sql", "00003_c.sql")}, "00003_c.sql: after 00001_a.sql comes version 2, not 3"},
		{"no number", Set{Files: folder("first.sql")}, "first.sql: the name of the file has no version: call it"},
		{"zero", Set{Files: folder("00000_a.sql")}, "00000_a.sql: the name of the file has no version"},
		{"sign", Set{Files: folder("+1_a.sql")}, "+1_a.sql: the name of the file has no version"},
		{"no name", Set{Files: folder("00001.sql")}, "00001.sql: the name of the file has no version"},
		{"too large", Set{Files: folder("99999999999999999999_a.sql")}, "99999999999999999999_a.sql: the name"},
		{"bad file", Set{Files: fstest.MapFS{"m/00001_a.sql": {Data: []byte("SELECT 1;")}}}, "m/00001_a.sql:1: SQL before the first annotation"},
		{"bad table", Set{Files: folder("00001_a.sql"), Table: "a; DROP TABLE b"}, `migrate: "a; DROP TABLE b" cannot name the version table`},
		{"a folder of that name", Set{Files: fstest.MapFS{"00001_a.sql": {Mode: fs.ModeDir}}}, "migrate: "},
	}
	for _, tc := range tests {
		if err := tc.set.Check(); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", tc.name, err, tc.want)
		}
	}
}

func TestPlan(t *testing.T) {
	tests := []struct {
		name    string
		files   []int64
		applied []int64
		want    string
	}{
		{"new database", []int64{1, 2}, nil, "[1 2]"},
		{"up to date", []int64{1, 2}, []int64{1, 2}, "[]"},
		{"the rest", []int64{1, 2, 3}, []int64{1}, "[2 3]"},
		{"a newer release was here", []int64{1, 2}, []int64{1, 2, 3, 4}, "[]"},
		{"squashed", []int64{3, 4}, []int64{1, 2, 3}, "[4]"},
		{"order changed", []int64{1, 2, 3}, []int64{1, 3}, "2.sql: not applied, though version 3 is: the order has changed: give it a version that comes after all others"},
		{"file gone", []int64{1, 20260101, 20260301}, []int64{1, 20260101, 20260201}, "migrate: the database has version 20260201, whose file is gone"},
		{"file gone, order kept", []int64{1, 20260101, 20260301}, []int64{1, 20260101, 20260201, 20260301}, "migrate: the database has version 20260201, whose file is gone"},
		{"an older database lost a file", []int64{1, 20260301}, []int64{1, 20260201}, "migrate: the database has version 20260201, whose file is gone"},
		{"none", nil, []int64{1}, "[]"},
	}
	for _, tc := range tests {
		var files []file
		for _, v := range tc.files {
			files = append(files, file{name: fmt.Sprintf("%d.sql", v), version: v})
		}
		applied := map[int64]Migration{}
		for _, v := range tc.applied {
			applied[v] = Migration{Version: v, Applied: true}
		}
		pending, err := plan(files, applied)
		versions := []int64{}
		for _, f := range pending {
			versions = append(versions, f.version)
		}
		got := fmt.Sprint(versions)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

package migrate

import (
	"errors"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, content string
		up, down      []statement
		hasDown, noTx bool
	}{
		{
			"plain", "-- +goose Up\nCREATE TABLE a (x int);\nCREATE TABLE b (\n  x int\n);\n\n-- +goose Down\nDROP TABLE b;\n",
			[]statement{{"CREATE TABLE a (x int);", 2}, {"CREATE TABLE b (\n  x int\n);", 3}},
			[]statement{{"DROP TABLE b;", 8}},
			true, false,
		},
		{
			"comments", "-- about it\n\n-- +goose up\n-- first\nSELECT 1 -- one\n  , 2; -- both; done\n/* c */ SELECT 3;",
			[]statement{{"SELECT 1 -- one\n  , 2; -- both; done", 5}, {"/* c */ SELECT 3;", 7}},
			nil, false, false,
		},
		{
			"block", "-- +goose Up\n-- +goose StatementBegin\nCREATE FUNCTION f() AS $$\nBEGIN\n  -- inside;\n  RETURN;\nEND;\n$$\n-- +goose StatementEnd\nSELECT 1;",
			[]statement{{"CREATE FUNCTION f() AS $$\nBEGIN\n  -- inside;\n  RETURN;\nEND;\n$$", 3}, {"SELECT 1;", 10}},
			nil, false, false,
		},
		{"empty block", "-- +goose Up\n-- +goose StatementBegin\n-- nothing\n-- +goose StatementEnd\n", nil, nil, false, false},
		{"no transaction", "-- +goose NO TRANSACTION\n-- +goose Up\nVACUUM;", []statement{{"VACUUM;", 3}}, nil, false, true},
		{"loose spelling", "--+goose UP\nSELECT 1;\n--  +goose   down\n-- +goose envsub off\n", []statement{{"SELECT 1;", 2}}, nil, true, false},
		{"windows", "\uFEFF-- +goose Up\r\nSELECT\r\n 1;\r\n", []statement{{"SELECT\n 1;", 2}}, nil, false, false},
		{"semicolon within a line", "-- +goose Up\nSELECT 1; SELECT 2\n;", []statement{{"SELECT 1; SELECT 2\n;", 2}}, nil, false, false},
		{"only up", "-- +goose Up", nil, nil, false, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parse("f.sql", tc.content)
			if err != nil {
				t.Fatal(err)
			}
			for part, pair := range map[string][2][]statement{"up": {got.up, tc.up}, "down": {got.down, tc.down}} {
				if len(pair[0]) != len(pair[1]) {
					t.Fatalf("%s: %v, want %v", part, pair[0], pair[1])
				}
				for i := range pair[0] {
					if pair[0][i] != pair[1][i] {
						t.Errorf("%s %d: %v, want %v", part, i, pair[0][i], pair[1][i])
					}
				}
			}
			if got.hasDown != tc.hasDown || got.noTransaction != tc.noTx {
				t.Errorf("down %t, no transaction %t", got.hasDown, got.noTransaction)
			}
		})
	}
}

func TestParseSaysWhereItFails(t *testing.T) {
	tests := []struct{ content, want string }{
		{"", `f.sql: there is no line "-- +goose Up"`},
		{"-- a comment\nSELECT 1;", "f.sql:2: SQL before the first annotation"},
		{"-- +goose Up\n-- +goose Up", `f.sql:2: a second "-- +goose Up"`},
		{"-- +goose Down\n", `f.sql:1: "-- +goose Down" in the wrong place`},
		{"-- +goose Up\n-- +goose Down\n-- +goose Down", `f.sql:3: "-- +goose Down" in the wrong place`},
		{"-- +goose Up\n\nSELECT 1\n\n-- +goose Down", "f.sql:3: the statement has no semicolon: end its last line with one; in: SELECT 1"},
		{"-- +goose Up\nSELECT 1;\nSELECT\n 2", "f.sql:3: the statement has no semicolon: end its last line with one; in: SELECT 2"},
		{"-- +goose Up\nSELECT 1\n-- +goose StatementBegin\n", "f.sql:2: the statement has no semicolon"},
		{"-- +goose Up\n-- +goose StatementBegin\nSELECT 1;", `f.sql:2: StatementBegin without "-- +goose StatementEnd"`},
		{"-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementBegin", "f.sql:3: StatementBegin outside Up and Down, or within a block"},
		{"-- +goose StatementBegin", "f.sql:1: StatementBegin outside"},
		{"-- +goose Up\n-- +goose StatementEnd", "f.sql:2: StatementEnd without StatementBegin"},
		{"-- +goose Up\n  -- +goose Down", "f.sql:2: the annotation is indented"},
		{"-- +goose Sideways", `f.sql:1: unknown annotation "Sideways": known are Up, Down,`},
		{"-- +goose", `f.sql:1: unknown annotation ""`},
		{"-- +goose ENVSUB ON", "f.sql:1: environment variables in migrations are not supported"},
		{"-- +goose Up\n\xff", "f.sql: the file is not text in UTF-8"},
	}
	for _, tc := range tests {
		_, err := parse("f.sql", tc.content)
		var e *Error
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q gave %v, want %s", tc.content, err, tc.want)
		}
	}
}

func TestErrorsAreOneLineOfBoundedLength(t *testing.T) {
	e := &Error{File: "f.sql", Line: 3, Column: 7, Statement: "SELECT\n\n\t1,\n" + strings.Repeat("ä", 500), Hint: "do this", Err: errors.New("boom")}
	got := e.Error()
	if !strings.HasPrefix(got, "f.sql:3:7: boom: do this; in: SELECT 1, ää") || !strings.HasSuffix(got, "ä…") || len([]rune(got)) > 170 {
		t.Error(got)
	}
}

func TestLocate(t *testing.T) {
	s := statement{sql: "SELECT ä,\n  oops\nFROM t;", line: 10}
	for character, want := range map[int][2]int{1: {10, 1}, 8: {10, 8}, 9: {10, 9}, 13: {11, 3}, 18: {12, 1}, 1000: {12, 8}, 0: {10, 1}} {
		if line, column := locate(s, character); line != want[0] || column != want[1] {
			t.Errorf("character %d is at %d:%d, want %d:%d", character, line, column, want[0], want[1])
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("-- +goose Up\nCREATE TABLE a (x int);\n-- +goose Down\nDROP TABLE a;\n")
	f.Add("-- +goose Up\n-- +goose StatementBegin\nA;\nB\n-- +goose StatementEnd\n-- +goose NO TRANSACTION")
	f.Add("-- +goose Up\r\nSELECT 1; -- c\r\n\r\n;")
	f.Fuzz(func(t *testing.T, content string) {
		got, err := parse("f.sql", content)
		lines := strings.Split(strings.ReplaceAll(content, "\r\n", "\n"), "\n")
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Line > len(lines) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%#v", err)
			}
			return
		}
		last := 0
		for _, s := range append(got.up, got.down...) {
			first, _, _ := strings.Cut(s.sql, "\n")
			if s.line <= last || s.line > len(lines) || !strings.Contains(lines[s.line-1], first) {
				t.Fatalf("statement %q is said to begin in line %d", s.sql, s.line)
			}
			if s.sql == "" || s.sql != strings.TrimSpace(s.sql) {
				t.Fatalf("statement %q is not trimmed", s.sql)
			}
			last = s.line
		}
	})
}

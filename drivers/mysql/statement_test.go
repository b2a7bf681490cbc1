package mysql

import (
	"slices"
	"strings"
	"testing"
)

func TestTranslate(t *testing.T) {
	for query, want := range map[string]struct {
		text   string
		params []int
		once   bool
	}{
		`SELECT 1`:                             {text: `SELECT 1`},
		`SELECT $2, $1, $2`:                    {text: `SELECT ?, ?, ?`, params: []int{2, 1, 2}},
		`SELECT '$1', "$2", ` + "`$3`" + `,$4`: {text: `SELECT '$1', "$2", ` + "`$3`" + `,?`, params: []int{4}},
		`SELECT 'it''s $1' || $1`:              {text: `SELECT 'it''s $1' || ?`, params: []int{1}},
		"SELECT $1 -- of $2\n, $3":             {text: "SELECT ? -- of $2\n, ?", params: []int{1, 3}},
		`SELECT $1 /* $2 */`:                   {text: `SELECT ? /* $2 */`, params: []int{1}},
		`SELECT a$1, $, $x, $12`:               {text: `SELECT a$1, $, $x, ?`, params: []int{12}},
		`SELECT 'open $1`:                      {text: `SELECT 'open $1`},
		`SELECT CAST($1 AS text), CAST($2 AS BIGINT), 'AS text)'`:            {text: `SELECT CAST(? AS CHAR), CAST(? AS SIGNED), 'AS text)'`, params: []int{1, 2}},
		"INSERT INTO t (a) VALUES ($1)\n\tON CONFLICT (a, b) DO NOTHING":     {text: `INSERT INTO t (a) VALUES (?)`, params: []int{1}, once: true},
		`INSERT INTO t (a) VALUES ($1) on conflict do nothing RETURNING a`:   {text: `INSERT INTO t (a) VALUES (?) RETURNING a`, params: []int{1}, once: true},
		`INSERT INTO t ("a") VALUES ('x') ON CONFLICT ("a", 'b') DO NOTHING`: {text: `INSERT INTO t ("a") VALUES ('x')`, once: true},
		`INSERT INTO t (a) VALUES (' ON CONFLICT (a) DO NOTHING')`:           {text: `INSERT INTO t (a) VALUES (' ON CONFLICT (a) DO NOTHING')`},
		`INSERT INTO t (a) VALUES ($1) ON CONFLICT (a) DO UPDATE SET a = $1`: {text: `INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO UPDATE SET a = ?`, params: []int{1, 1}},
	} {
		got := translate(query)
		if got.text != want.text || !slices.Equal(got.params, want.params) || got.once != want.once {
			t.Errorf("%s:\n%+v, want\n%+v", query, got, want)
		}
	}
}

func FuzzTranslate(f *testing.F) {
	for _, seed := range []string{`SELECT $1`, `'`, `"a""b"$1`, "-- $1\n$2", `/*`, `ON CONFLICT (a) DO NOTHING`, "`$1`", `$99999999999999999999`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		s := translate(query)
		if strings.Count(s.text, "?") < len(s.params) {
			t.Errorf("%q: %d parameters in %q", query, len(s.params), s.text)
		}
		if !strings.ContainsAny(query, "$") && !strings.Contains(strings.ToLower(query), "as") && !strings.Contains(strings.ToLower(query), "conflict") && s.text != query {
			t.Errorf("%q became %q", query, s.text)
		}
	})
}

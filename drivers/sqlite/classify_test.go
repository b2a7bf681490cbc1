package sqlite

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterdev/muster/data/tx"
)

func TestPlanOf(t *testing.T) {
	read, write, control, both := plan{}, plan{writes: true}, plan{control: true}, plan{true, true}
	tests := []struct {
		query string
		want  plan
	}{
		{"", read},
		{" ; ;", read},
		{"-- only a comment", read},
		{"/* unterminated", read},
		{"select 1", read},
		{"\n  /* INSERT */ -- INSERT\n SELECT ';' ; ", read},
		{"VALUES (1)", read},
		{"EXPLAIN QUERY PLAN DELETE FROM t", read},
		{"SELECT 1; DELETE FROM t", write},
		{"SELECT ';DELETE'; SELECT \";\"; SELECT [;]; SELECT `;`", read},
		{"SELECT 'it''s; DELETE'", read},
		{"insert into t values (1)", write},
		{"REPLACE INTO t VALUES (1)", write},
		{"INSERT INTO t VALUES (1) RETURNING x", write},
		{"(", write}, // not SQL: no harm
		{"UPDATE t SET x = 1", write},
		{"WITH a AS (SELECT 1) SELECT * FROM a", read},
		{"WITH a AS (SELECT 1), b(x) AS (VALUES (2)) DELETE FROM t", write},
		{"WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM a) INSERT INTO t SELECT n FROM a", write},
		{"WITH a AS (SELECT 'insert')", read},
		{"WITH a; INSERT INTO t VALUES (1)", write},
		{"PRAGMA foreign_keys", read},
		{"PRAGMA foreign_keys = ON", read},
		{"PRAGMA table_info(t)", read},
		{"PRAGMA journal_mode", read},
		{"PRAGMA journal_mode = WAL", write},
		{"PRAGMA main.user_version = 7", write},
		{"PRAGMA main.user_version", read},
		{"PRAGMA wal_checkpoint", write},
		{"PRAGMA main.optimize;", write},
		{"PRAGMA user_version; DELETE FROM t", write},
		{"BEGIN", control},
		{"begin immediate transaction", control},
		{"COMMIT; END; ROLLBACK; ROLLBACK TO a; SAVEPOINT a; RELEASE a", control},
		{"BEGIN; INSERT INTO t VALUES (1); COMMIT", both},
		{"CREATE TABLE t (x)", write},
		{"CREATE TRIGGER tr AFTER INSERT ON t BEGIN UPDATE t SET x = CASE x WHEN 1 THEN 2 END; DELETE FROM t; END", write},
		{"CREATE TEMP TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM t; END; SELECT 1", write},
		{"CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM t; END; COMMIT", both},
		{"CREATE TABLE begin_log (x); SELECT 1", write},
		{"ATTACH 'x.db' AS x", read},
		{"VACUUM", write},
		{"ANALYZE", write},
		{"äöü", write},
	}
	for _, tc := range tests {
		if got := planOf(tc.query); got != tc.want {
			t.Errorf("planOf(%q) = %+v, want %+v", tc.query, got, tc.want)
		}
	}
}

// SQLite itself says what writes: a connection with query_only refuses just that.
func TestPlanAgreesWithSQLite(t *testing.T) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "x.db")+"?_pragma=query_only(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	exec(t, db, "CREATE TABLE t (x INTEGER PRIMARY KEY, y TEXT)")
	exec(t, db, "CREATE TABLE t2 (x INTEGER PRIMARY KEY, y TEXT)")
	exec(t, db, "INSERT INTO t VALUES (1, 'a')")
	exec(t, db, "CREATE INDEX i ON t (y)")
	exec(t, db, "PRAGMA query_only = 1")
	c := &connector{path: "x.db"}
	for _, query := range []string{
		"SELECT * FROM t", "VALUES (1)", "WITH a AS (SELECT 1) SELECT * FROM a", "EXPLAIN DELETE FROM t",
		"WITH a AS (SELECT 5 AS n) INSERT INTO t SELECT n, 'x' FROM a", "INSERT INTO t VALUES (3, 'c')", "REPLACE INTO t VALUES (1, 'b')",
		"UPDATE t SET y = 'z'", "DELETE FROM t", "DELETE FROM t RETURNING x", "CREATE TABLE n (x)", "DROP TABLE t2", "ALTER TABLE t ADD COLUMN z",
		"CREATE TRIGGER tr AFTER INSERT ON t BEGIN DELETE FROM t; END", "REINDEX", "ANALYZE", "PRAGMA table_info(t)", "PRAGMA user_version",
		"PRAGMA user_version = 3", "PRAGMA application_id = 3", "PRAGMA integrity_check", "PRAGMA foreign_key_list(t)", "PRAGMA cache_size = 100",
		"/* c */ UPDATE t SET y = 1 -- c", "WITH x AS (VALUES (1)) UPDATE t SET y = 1", "WITH x AS (VALUES (1)) DELETE FROM t",
		"INSERT INTO t VALUES (7, 'x') ON CONFLICT DO UPDATE SET y = 'q'",
	} {
		_, err := db.ExecContext(t.Context(), query)
		refused := err != nil && tx.SQLState(c.explain(err)) == readOnlyTransaction
		if err != nil && !refused {
			t.Fatalf("%s: %v", query, err)
		}
		if got := planOf(query).writes; got != refused {
			t.Errorf("%s: planned as writing %t, SQLite says %t", query, got, refused)
		}
	}
}

func FuzzPlanOf(f *testing.F) {
	for _, s := range []string{"SELECT 1", "WITH a AS (SELECT ';') DELETE FROM t", "BEGIN; COMMIT", "CREATE TRIGGER a BEGIN x; END;", "'", "[", "/*", "PRAGMA a.b(1)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		p := planOf(query)
		if q := planOf("-- a comment\n/* another */ ; " + query); q != p {
			t.Errorf("%q: %+v, behind comments %+v", query, p, q)
		}
		if !planOf("DELETE FROM t; " + query).writes {
			t.Errorf("%q hides the statement before it", query)
		}
		if strings.Trim(query, "SELCT 1;") == "" && p.control {
			t.Errorf("%q is no transaction control", query)
		}
	})
}

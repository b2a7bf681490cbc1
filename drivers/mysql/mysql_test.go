package mysql_test

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/mysql"
	"github.com/musterdev/muster/drivers/mysql/mysqltest"
)

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := mysql.Driver.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // a test that ends leaves nothing to lose
	return db
}

func TestOpen(t *testing.T) {
	server := mysqltest.Start(t)
	url := server.Database(t)
	db := open(t, url)
	if mysql.Driver.Name() != "mysql" || strings.Join(mysql.Driver.Schemes(), " ") != "mysql mariadb" {
		t.Errorf("name %s, schemes %s", mysql.Driver.Name(), mysql.Driver.Schemes())
	}
	if n := db.Stats().MaxOpenConnections; n != 10 {
		t.Errorf("%d connections at most, want 10", n)
	}
	if n := open(t, url+"?pool_max_conns=3").Stats().MaxOpenConnections; n != 3 {
		t.Errorf("%d connections at most, want the 3 of the URL", n)
	}
	run := func(query string, args ...any) (int64, error) {
		res, err := db.ExecContext(t.Context(), query, args...)
		if err != nil {
			return 0, err
		}
		return res.RowsAffected()
	}
	must := func(want int64, query string, args ...any) {
		t.Helper()
		if n, err := run(query, args...); err != nil || n != want {
			t.Errorf("%s: %d, %v", query, n, err)
		}
	}
	must(0, `CREATE TABLE "a b" (id bigint PRIMARY KEY, name varchar(5) NOT NULL, at datetime(3), up bigint REFERENCES "a b" (id), CHECK (id < 100))`)
	must(1, `INSERT INTO "a b" (id, name, at) VALUES ($2, $1 || $1, '2026-01-02 03:04:05.678')`, "x", 7)
	must(0, `INSERT INTO "a b" (id, name) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING`, 7, "y")
	must(1, `UPDATE "a b" SET name = $2 WHERE id = $1`, 7, "xx") // found, though it says so already
	must(1, `UPDATE "a b" SET name = 'y', up = CASE WHEN name = 'xx' THEN id END WHERE id = $1`, 7)
	must(1, `UPDATE "a b" SET name = 'xx', up = NULL WHERE up = 7`) // of the row as it was
	var at time.Time
	var text string
	if err := db.QueryRowContext(t.Context(), `SELECT at, CAST($1 AS text) || name FROM "a b" WHERE id = $2 OR id = $2`, "it's \\ ", 7).Scan(&at, &text); err != nil ||
		text != `it's \ xx` || !at.Equal(time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)) || at.Location() != time.UTC {
		t.Errorf("%q %v %v", text, at, err)
	}
	stmt, err := db.PrepareContext(t.Context(), `INSERT INTO "a b" (name, id) VALUES ($2, $1) ON CONFLICT (id) DO NOTHING RETURNING id`)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stmt.Close() }) // the test is over
	var id int64
	for _, want := range []error{nil, sql.ErrNoRows} {
		if err := stmt.QueryRowContext(t.Context(), 8, "z").Scan(&id); err != want || id != 8 { //nolint:errorlint // as it is
			t.Errorf("%d: %v, want %v", id, err, want)
		}
	}
	for query, state := range map[string]string{
		`INSERT INTO "a b" (id, name) VALUES (7, 'a')`:         "23505",
		`INSERT INTO "a b" (id, name, up) VALUES (9, 'a', 50)`: "23503",
		`INSERT INTO "a b" (id) VALUES (9)`:                    "23502",
		`INSERT INTO "a b" (id, name) VALUES (101, 'a')`:       "23514",
		`INSERT INTO "a b" (id, name) VALUES (9, 'abcdefg')`:   "22001",
		`SELECT 1 FROM nowhere`:                                "42P01",
		`SELECT nothing FROM "a b"`:                            "42703",
		`SELEC 1`:                                              "42601",
	} {
		if _, err := run(query); tx.SQLState(err) != state || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v (%s), want %s", query, err, tx.SQLState(err), state)
		}
	}
	for url, want := range map[string]string{
		"postgres://h/d":              `it begins with "postgres"`,
		"mysql:///d":                  "it has no host",
		"mysql://h":                   "it has no database",
		"mysql://h/a/b":               "it has no database, or more",
		"mysql://u:secret@h:x/d":      "invalid port",
		"mysql://h/d?pool_max_conns=": "write a number from 1 to 1000",
		"mysql://h/d?tls=1":           "write true, false or skip-verify",
		"mysql://h/d?parseTime=1":     "known are pool_max_conns and tls",
		server.URL("nowhere"):         "create the database",
		strings.Replace(url, "root", "nobody:secret", 1): "check user and password",
	} {
		db, err := mysql.Driver.Open(t.Context(), url)
		if err == nil {
			_ = db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}

package tx

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"reflect"
	"strings"
)

// Dialect names the engine behind a *sql.DB, for the few statements that cannot
// be written alike for all.
type Dialect string

// The dialects Muster's data patterns speak.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
	MySQL    Dialect = "mysql" // MariaDB, by drivers/mysql: the statements are as that translates them
)

// DialectOf tells which engine db talks to. A driver says so by a method
// Dialect() string; the well-known drivers without it are known by their package.
// It asks no server and is safe for concurrent use.
func DialectOf(db *sql.DB) (Dialect, error) {
	d := db.Driver()
	if named, ok := d.(interface{ Dialect() string }); ok {
		switch name := Dialect(named.Dialect()); name {
		case SQLite, Postgres, MySQL:
			return name, nil
		default:
			return "", fmt.Errorf("tx: the driver %T speaks %q; known are %s, %s and %s", d, name, SQLite, Postgres, MySQL)
		}
	}
	switch path := packageOf(d); {
	case path == "modernc.org/sqlite", path == "github.com/mattn/go-sqlite3", strings.HasPrefix(path, "github.com/ncruces/go-sqlite3/"):
		return SQLite, nil
	case path == "github.com/lib/pq", strings.HasPrefix(path, "github.com/jackc/pgx/") && strings.HasSuffix(path, "/stdlib"):
		return Postgres, nil
	}
	return "", fmt.Errorf("tx: the driver %T is not known: open the database with Muster's drivers, or give the driver a method Dialect() string that returns %q, %q or %q",
		d, SQLite, Postgres, MySQL)
}

// Now is an SQL expression for the engine's own time in Unix milliseconds, a BIGINT: at
// the moment it is evaluated, not when the transaction began. Leases that several
// replicas judge are measured by it, because their own clocks differ.
func (d Dialect) Now() string {
	switch d {
	case SQLite:
		return "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
	case MySQL:
		return "CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)"
	}
	return "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
}

func packageOf(d driver.Driver) string {
	t := reflect.TypeOf(d)
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return ""
	}
	return t.PkgPath()
}

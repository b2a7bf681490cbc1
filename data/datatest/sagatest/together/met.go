package together

import (
	"database/sql"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

// inTheWay has the database refuse the transition from a to b twice, as it does with who loses a deadlock. That it did
// is kept although the transaction is rolled back.
var inTheWay = map[tx.Dialect][]string{ //nolint:gochecknoglobals // a table of the tests
	tx.Postgres: {
		`CREATE SEQUENCE met`,
		`CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
			IF OLD.step = ''a'' AND NEW.step = ''b'' AND nextval(''met'') <= 2 THEN RAISE EXCEPTION ''others were in the way'' USING ERRCODE = ''40P01''; END IF;
			RETURN NEW; END'`,
		`CREATE TRIGGER meet BEFORE UPDATE ON muster_saga FOR EACH ROW EXECUTE FUNCTION meet()`,
	},
	tx.MySQL: {
		`CREATE TABLE met (times INT) ENGINE=MyISAM`,
		`INSERT INTO met VALUES (0)`,
		`CREATE TRIGGER meet BEFORE UPDATE ON muster_saga FOR EACH ROW
			IF OLD.step = 'a' AND NEW.step = 'b' THEN
				UPDATE met SET times = times + 1;
				IF (SELECT times FROM met) <= 2 THEN SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'others were in the way'; END IF;
			END IF`,
	},
}

// metOnce: what a Remote step came to is written again where the database refused it only because of others: nobody
// is asked once more for that.
func metOnce(t *testing.T, open func() *sql.DB) {
	w := newWorld(t, open)
	d, err := tx.DialectOf(w.DB)
	dbtest.Succeed(t, err)
	refuse := inTheWay[d]
	if refuse == nil {
		return // SQLite has one writer at a time, and those who wait for it
	}
	for _, statement := range refuse {
		dbtest.Execute(t, w.DB, statement)
	}
	s := w.two(nil)
	w.Engine(w.DB, saga.Config{}, s)
	w.Start(s, "x")
	w.Await("x", saga.Completed)
	w.Path("done", "a/do", "b/do")
}

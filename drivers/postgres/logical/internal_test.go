package logical

import (
	"database/sql/driver"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"

	"github.com/musterdev/muster/data/datatest/dbtest"
)

func TestFit(t *testing.T) {
	for name, c := range map[string]struct {
		level        string
		may, standby bool
		version      int64
		says         string
	}{
		"fit":      {"logical", true, false, 150000, ""},
		"replica":  {"replica", true, false, 150000, "set wal_level = logical in postgresql.conf and restart it"},
		"old":      {"logical", true, false, 130004, "from PostgreSQL 14 on, and this is 13"},
		"standby":  {"logical", true, true, 150000, "connect to the primary"},
		"no right": {"logical", false, false, 150000, `ALTER ROLE "a""b" REPLICATION`},
	} {
		db := dbtest.Fake(func(string) ([]driver.Value, error) {
			return []driver.Value{c.level, `a"b`, "shop", c.may, c.standby, c.version}, nil
		}).Pool(t)
		says, err := fit(t.Context(), db)
		if err != nil || !strings.Contains(says, c.says) || c.says == "" && says != "" || strings.Contains(says, "\n") {
			t.Errorf("%s: %q, %v", name, says, err)
		}
	}
}

// A reader that died in the middle of a transaction goes on there.
func TestATransactionIsTakenOnInItsMiddle(t *testing.T) {
	said := func(text string) event {
		return event{msg: &pglogrepl.LogicalDecodingMessage{Transactional: true, Prefix: "p", Content: []byte(text + "\x00" + text)}}
	}
	log := []event{
		{msg: &pglogrepl.BeginMessage{FinalLSN: 100, CommitTime: time.Unix(1, 0)}},
		said("a"), said("b"),
		{at: 90},
		said("c"),
		{msg: &pglogrepl.LogicalDecodingMessage{Transactional: true, Prefix: "other", Content: []byte("x")}},
		{msg: &pglogrepl.CommitMessage{TransactionEndLSN: 110}},
		{at: 150},
		{msg: &pglogrepl.BeginMessage{FinalLSN: 200}},
		said("d"),
		{msg: &pglogrepl.CommitMessage{TransactionEndLSN: 210}},
	}
	places := []string{"0/10"}
	read := func(from string) (got string) {
		at, err := parsePlace(from)
		dbtest.Succeed(t, err)
		d := decoder{prefix: "p", place: at, known: at}
		for _, e := range log {
			if m, ok := d.take(e); ok {
				got += m.Attributes
				dbtest.Want(t, "data", string(m.Data), m.Attributes)
				if from == "0/10" {
					places = append(places, string(m.After))
				}
			}
		}
		dbtest.Want(t, "in the end", d.place.String(), "0/D2")
		return got
	}
	for i := range 4 {
		dbtest.Want(t, "from "+strings.Join(places, ", "), read(places[i]), "abcd"[i:])
	}
	dbtest.Want(t, "places", strings.Join(places, ", "), "0/10, 0/10 0/64 1, 0/10 0/64 2, 0/10 0/64 3, 0/96 0/C8 1")
}

func FuzzPlace(f *testing.F) {
	for _, s := range []string{"0/16B3748", "0/16B3748 0/16B3800 3", "", "0/1 0/2", "x", "0/1 0/2 -1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePlace(s)
		if err != nil {
			return
		}
		if again, err := parsePlace(p.String()); err != nil || again.end != p.end || p.done > 0 && again != p {
			t.Errorf("%q was read as %v and then %v, %v", s, p, again, err)
		}
	})
}

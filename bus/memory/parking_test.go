package memory_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
)

func parked(id, key string) bus.Parked {
	return bus.Parked{Msg: bus.Msg{ID: id, Source: "/s", Topic: "a.b", Key: key}, Group: "g", Attempts: 1, Error: "x"}
}

func due(t *testing.T, p *memory.Parking, want ...string) []bus.Parked {
	t.Helper()
	all, err := p.Due(t.Context(), "g", 10)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range all {
		ids = append(ids, m.ID)
	}
	if fmt.Sprint(ids) != fmt.Sprint(want) {
		t.Fatalf("%v are due, want %v", ids, want)
	}
	return all
}

func TestParking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := memory.NewParking()
		ctx := t.Context()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		held := func(key string) bool {
			t.Helper()
			h, err := p.Held(ctx, "g", key)
			must(err)
			return h
		}
		first, late := parked("1", "k"), parked("4", "l")
		late.Next = time.Now().Add(time.Minute)
		for _, m := range []bus.Parked{first, parked("2", "k"), parked("3", ""), parked("3b", ""), late} {
			must(p.Park(ctx, m))
		}
		first.Attempts = 99
		must(p.Park(ctx, first)) // it stays as it is
		if !held("k") || !held("l") || held("") || held("m") {
			t.Error("held keys")
		}
		if h, err := p.Held(ctx, "another", "k"); h || err != nil {
			t.Error("another group's")
		}
		leased := due(t, p, "1", "3", "3b")
		if leased[0].Attempts != 1 {
			t.Errorf("%+v", leased[0])
		}
		due(t, p)
		must(p.Settle(ctx, leased[0], bus.Outcome{After: time.Second, Error: "again"}))
		must(p.Settle(ctx, leased[1], bus.Outcome{Done: true}))
		if err := p.Settle(ctx, leased[1], bus.Outcome{Done: true}); err == nil {
			t.Error("settled twice")
		}
		time.Sleep(memory.Lease - time.Second)
		must(p.Keep(ctx, leased[2]))
		due(t, p, "1")
		time.Sleep(memory.Lease)
		again := due(t, p, "3b", "1")
		if err := p.Keep(ctx, leased[2]); err == nil {
			t.Error("kept what is another's")
		}
		must(p.Settle(ctx, again[1], bus.Outcome{Dead: true, Error: "dead"}))
		must(p.Settle(ctx, again[0], bus.Outcome{Done: true}))
		time.Sleep(time.Hour)
		due(t, p, "4")
		if all := p.List(); len(all) != 3 || !all[0].Dead || all[0].Attempts != 3 || all[0].Error != "dead" {
			t.Errorf("%+v", all)
		}
		if p.Redrive("another") != 0 || p.Redrive("g") != 1 {
			t.Error("redriven")
		}
		must(p.Settle(ctx, due(t, p, "1")[0], bus.Outcome{Done: true}))
		due(t, p, "2")
		if !p.Discard("g", "/s", "2") || p.Discard("g", "/s", "2") || held("k") {
			t.Error("discarded")
		}
	})
}

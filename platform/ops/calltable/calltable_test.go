package calltable_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/call/seen"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/platform/ops/calltable"
)

// Of the callers of a server, who may give any name, those are shown that were refused
// most; what each may ask is said as the fleet's file says it.
func TestCallersAreBounded(t *testing.T) {
	p := seen.Process{Service: "stock", Instance: "stock-1", At: time.Now()}
	for i := range 50 {
		p.Limits = append(p.Limits, quota.Stats{
			Caller: fmt.Sprintf("c%02d", i), Allowed: 10, Refused: uint64(i % 25), All: quota.Rate{Count: 20, Per: time.Second}, Servers: 2, Last: p.At,
		})
	}
	var table bytes.Buffer
	if err := calltable.Write(&table, ops.Calls{Callers: []ops.Caller{{Process: p}}}); err != nil {
		t.Fatal(err)
	}
	_, rows, _ := strings.Cut(table.String(), "ASKED BY")
	lines := strings.Split(strings.TrimSpace(rows), "\n")
	if len(lines) != 22 { // the heading's rest, 20 and those that are left
		t.Fatalf("%d lines:\n%s", len(lines), table.String())
	}
	var got []string
	for _, i := range []int{1, 2, 20, 21} {
		got = append(got, strings.Join(strings.Fields(lines[i]), " "))
	}
	want := "stock-1 c24 1/2 of 20/s 10 24, stock-1 c49 1/2 of 20/s 10 24, stock-1 c40 1/2 of 20/s 10 15, stock-1 … and 30 more 300 210"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s; want %s", s, want)
	}
}

func TestConnectionsAreShown(t *testing.T) {
	p := seen.Process{Service: "cart", Instance: "cart-1", Calls: []seen.Service{
		{Service: "catalog"},
		{Service: "stock", Connections: &seen.Connections{PerInstance: 2, Waiting: 3, Waited: 40, WaitSum: 1500 * time.Millisecond, GaveUp: 1}},
	}}
	for want, all := range map[string]ops.Calls{
		"CALLER SERVICE CONNECTIONS WAITING WAITED TOGETHER GAVE UP cart-1 stock 2 to each instance 3 40 1.5s 1": {Callers: []ops.Caller{{Process: p}}},
		"": {Callers: []ops.Caller{{Process: seen.Process{Service: "cart", Calls: p.Calls[:1]}}}},
	} {
		var table bytes.Buffer
		if err := calltable.Write(&table, all); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(table.String()), " "); !strings.Contains(got, want) || want == "" && strings.Contains(got, "CONNECTIONS") {
			t.Errorf("%s\nwant %q", table.String(), want)
		}
	}
}

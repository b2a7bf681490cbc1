package balance_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/call/balance"
)

// members returns n endpoints named "m0", "m1", ...
func members(n int) []*balance.Endpoint {
	list := make([]*balance.Endpoint, n)
	for i := range list {
		list[i] = balance.NewEndpoint(fmt.Sprintf("m%d", i))
	}
	return list
}

// busy gives each of list some latency and a call in flight.
func busy(list []*balance.Endpoint, now time.Time) {
	for i, e := range list {
		for range 3 {
			e.Begin()
			e.Observe(now, time.Duration(10+i%7)*time.Millisecond, balance.OK)
		}
		e.Release()
	}
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{3, 10, 32, 100} {
		b.Run(fmt.Sprintf("n=%d", n), func(b *testing.B) { benchmarkPick(b, balance.Config{}, n) })
	}
	for p := balance.LeastLoaded; p <= balance.Maglev; p++ {
		b.Run(p.String()+"/n=32", func(b *testing.B) { benchmarkPick(b, balance.Config{Policy: p}, 32) })
	}
}

func benchmarkPick(b *testing.B, cfg balance.Config, n int) {
	now := time.Unix(1e9, 0)
	cfg.Caller = "me"
	list, set := members(n), balance.New(cfg)
	set.Replace(now, list)
	group := set.All()
	busy(list, now)
	b.ReportAllocs()
	turn, began := uint64(0), cpu(b)
	for b.Loop() {
		turn++
		now = now.Add(10 * time.Microsecond)
		i := group.Pick(now, balance.Call{Turn: turn, Hash: turn % 64})
		list[i].Begin()
		list[int(turn*7)%n].Release()
	}
	b.ReportMetric(float64(cpu(b)-began)/float64(b.N), "cpu-ns/op") // right on a loaded machine too
}

// cpu is the processor time this process has used.
func cpu(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func BenchmarkEnd(b *testing.B) {
	now := time.Unix(1e9, 0)
	list, set := members(1), balance.New(balance.Config{})
	set.Replace(now, list)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(10 * time.Microsecond)
		list[0].Begin()
		list[0].End(now, 12*time.Millisecond, balance.OK)
	}
}

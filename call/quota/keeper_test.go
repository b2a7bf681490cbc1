package quota_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/problem"
)

func asks(k *quota.Keeper, now time.Time, caller string, times int) (allowed int) {
	for range times {
		if k.Admit(now, caller) == nil {
			allowed++
		}
	}
	return allowed
}

func TestKeeper(t *testing.T) {
	k := &quota.Keeper{}
	if k.On() || asks(k, epoch(), "orders", 1000) != 1000 || k.Stats() != nil {
		t.Error("without limits somebody is limited, or counted")
	}
	k.Set(quota.Limits{Default: rate(t, "10/s"), From: map[string]quota.Rate{"orders": rate(t, "100/s"), "reports": rate(t, "1/s burst 5"), "admin": {}}}, 1)
	for caller, want := range map[string]int{"orders": 100, "reports": 5, "admin": 1000, "search": 10, "cart": 10} {
		if n := asks(k, epoch(), caller, 1000); n != want {
			t.Errorf("%s is let through %d times, want %d", caller, n, want)
		}
	}
	// who gives no name, or one that is none, is one caller
	if n := asks(k, epoch(), "", 5) + asks(k, epoch(), "No Name", 5) + asks(k, epoch(), "-", 5); n != 10 {
		t.Errorf("without a name %d are let through, want 10", n)
	}
	err := k.Admit(epoch(), "orders")
	over, ok := errors.AsType[*quota.Over](err)
	if !ok || over.Wait != 10*time.Millisecond || over.Caller != "orders" {
		t.Fatalf("got %v", err)
	}
	if p := over.Problem(); p.Code != problem.ResourceExhausted || p.RetryAfter != over.Wait || !errors.Is(p, error(over)) {
		t.Errorf("the caller is told %v", p)
	}
	if policy, limit := over.Fields(); policy != `"orders";q=100;w=1` || limit != `"orders";r=0;t=1` {
		t.Errorf("the fields are %s and %s", policy, limit)
	}
	if n := asks(k, epoch().Add(time.Second), "orders", 1000); n != 100 {
		t.Errorf("after a second %d are let through", n)
	}

	stats := map[string]quota.Stats{}
	for _, s := range k.Stats() {
		stats[s.Caller] = s
	}
	if s := stats["orders"]; s.Allowed != 200 || s.Refused != 1801 || !s.Last.Equal(epoch().Add(time.Second)) || s.Rate != rate(t, "100/s") {
		t.Errorf("orders stands at %+v", s)
	}
	if s := stats[quota.Others]; s.Allowed != 10 || s.Refused != 5 {
		t.Errorf("the others stand at %+v", s)
	}
	text, err := json.Marshal(k.Stats())
	var back []quota.Stats
	if err = errors.Join(err, json.Unmarshal(text, &back)); err != nil || len(back) != len(stats) {
		t.Errorf("%s: %v", text, err)
	}

	k.Set(quota.Limits{}, 1)
	if k.On() || k.Stats() != nil || asks(k, epoch(), "orders", 1000) != 1000 {
		t.Error("limits that were taken back still count")
	}
}

// Instances keep to the limits together, and another number of them counts at once.
func TestKeeperShares(t *testing.T) {
	limits := quota.Limits{Default: rate(t, "100/s burst 40")}
	var servers [4]*quota.Keeper
	sum := 0
	for i := range servers {
		servers[i] = &quota.Keeper{}
		servers[i].Set(limits, len(servers))
		for ms := range 1000 {
			sum += asks(servers[i], epoch().Add(time.Duration(ms)*time.Millisecond), "orders", 3)
		}
	}
	if sum < 130 || sum > 140 {
		t.Errorf("in a second %d are let through, at most 140", sum)
	}
	servers[0].Set(limits, 1)
	if n := asks(servers[0], epoch().Add(time.Minute), "orders", 1000); n != 40 {
		t.Errorf("alone it lets a burst of %d through", n)
	}
}

// However many names there are, a keeper remembers a bounded number, and does not forget
// somebody who has just been refused.
func TestKeeperIsBounded(t *testing.T) {
	k := &quota.Keeper{}
	k.Set(quota.Limits{Default: rate(t, "1/s"), From: map[string]quota.Rate{"late": rate(t, "7/s")}}, 1)
	for i := range 10 * quota.MaxCallers {
		_ = k.Admit(epoch(), fmt.Sprintf("caller-%d", i))
	}
	if n := len(k.Stats()); n != quota.MaxCallers+1 {
		t.Errorf("%d are remembered, want %d and the others", n, quota.MaxCallers)
	}
	if n := asks(k, epoch(), "late", 100); n != 7 {
		t.Errorf("one that is named in the limits is let through %d times, want 7", n)
	}
	if k.Admit(epoch().Add(time.Second/2), "caller-0") == nil {
		t.Error("one is forgotten whose call still counts")
	}
	later := epoch().Add(2 * time.Second)
	if asks(k, later, "new", 5) != 1 || asks(k, later, "newer", 5) != 1 {
		t.Error("when nothing counts any more, a new one has no place of its own")
	}
	var all uint64
	for _, s := range k.Stats() {
		all += s.Allowed + s.Refused
	}
	if want := uint64(10*quota.MaxCallers + 100 + 1 + 10); all != want {
		t.Errorf("%d calls are counted, want %d", all, want)
	}
}

func TestKeeperInUseByMany(t *testing.T) {
	k := &quota.Keeper{}
	limits := quota.Limits{Default: rate(t, "1/h burst 50")}
	k.Set(limits, 1)
	var all sync.WaitGroup
	sums := make([]int, 8)
	for i := range sums {
		all.Go(func() {
			for range 100 {
				sums[i] += asks(k, epoch(), "orders", 1)
				k.Set(limits, 1)
				_ = k.Stats()
			}
		})
	}
	all.Wait()
	sum := 0
	for _, n := range sums {
		sum += n
	}
	if sum != 50 {
		t.Errorf("%d are let through, want 50", sum)
	}
}

func TestLimitsAreChecked(t *testing.T) {
	bad := quota.Limits{
		Default: quota.Rate{Count: -1, Per: time.Second},
		From: map[string]quota.Rate{
			"No": rate(t, "1/s"), "orders": {Count: 1, Per: time.Hour, Burst: quota.MaxCount + 1}, "fine": rate(t, "5/s"), "free": {},
		},
	}
	err, ok := errors.AsType[*problem.Error](bad.Validate())
	if !ok || len(err.Details) != 3 || err.Details[0].Field != "default" || err.Details[1].Field != `from."No"` || err.Details[2].Field != `from."orders"` {
		t.Errorf("got %+v", err)
	}
	if err := (quota.Limits{}).Validate(); err != nil {
		t.Error(err)
	}
}

func BenchmarkAdmit(b *testing.B) {
	k := &quota.Keeper{}
	k.Set(quota.Limits{Default: quota.Rate{Count: quota.MaxCount, Per: time.Second}}, 3)
	b.ReportAllocs()
	for b.Loop() {
		_ = k.Admit(time.Now(), "orders")
	}
}

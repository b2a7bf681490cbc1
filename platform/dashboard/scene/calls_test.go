package scene

import (
	"testing"
	"time"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/call/seen"
	"github.com/musterdev/muster/platform/ops"
)

// calls are those between the scene's services: inventory's breaker at orders is open,
// one of catalog is left out by cart, and card has more to do than it can.
func calls() ops.Calls {
	one := func(service string, n uint64, more ...seen.Route) seen.Service {
		return seen.Service{
			Service: service, Instances: []seen.Instance{{ID: service + "-1", State: "ready", InFlight: 2, Latency: 9 * time.Millisecond}},
			Routes: append([]seen.Route{{Calls: n, Failed: n / 900, Attempts: seen.Attempts{OK: n, Failed: n / 200}, Retries: seen.Retries{Repeat: n / 250}}}, more...),
		}
	}
	catalog := one("catalog", 18_402)
	catalog.Instances = append(catalog.Instances, seen.Instance{ID: "catalog-2", State: "ready", EjectedUntil: moment.Add(8 * time.Second)})
	inventory := one("inventory", 2_940, seen.Route{
		Pattern: "/shop.stock.v1.Stock/Reserve", Calls: 1_388, Failed: 47, Attempts: seen.Attempts{OK: 1_341, Failed: 291}, Retries: seen.Retries{Repeat: 244, OverBudget: 31},
		TargetStats: resilience.TargetStats{Budget: resilience.BudgetStats{Denied: 31}, Breaker: &resilience.BreakerStats{State: resilience.Open, Left: 3 * time.Second}},
	})
	door := func(taken, limit int) *admission.GateStats {
		d := &admission.GateStats{InFlight: taken, Limit: limit}
		d.Admitted[resilience.Normal] = 20_517
		return d
	}
	card := door(24, 24)
	card.Waiting, card.LastShed = 6, moment.Add(-time.Second)
	card.Shed[resilience.Low][admission.ShedQueueFull], card.Shed[resilience.Normal][admission.ShedWaited] = 311, 12
	var out ops.Calls
	for _, s := range []seen.Process{
		{Service: "card", Instance: "card-1", Admission: card},
		{Service: "cart", Instance: "cart-1", Admission: door(3, 1000), Calls: []seen.Service{catalog}},
		{Service: "cart", Instance: "cart-2", Admission: door(1, 1000), Calls: []seen.Service{one("catalog", 17_988)}},
		{Service: "orders", Instance: "orders-2", Admission: door(7, 1000), Calls: []seen.Service{one("cart", 2_951), inventory}},
		{Service: "payments", Instance: "payments-1", Admission: door(0, 1000), Calls: []seen.Service{one("card", 1_205)}},
	} {
		s.At = moment
		out.Callers = append(out.Callers, ops.Caller{Process: s, Unusual: s.Unusual()})
	}
	return out
}

// TestCallsAreShown: what is unusual is said first, the rest is below.
func TestCallsAreShown(t *testing.T) {
	b := open(t)
	b.look(1440, 900, "light")
	b.visit("/registry")
	for _, said := range []string{
		"card-1 turns calls away: 24 of 24 places taken, 6 calls wait",
		"cart-1 catalog: catalog-2 is left out for 8s more, it answers badly",
		"orders-2 inventory: /shop.stock.v1.Stock/Reserve: the breaker is open for 3s more",
		"36,390", // of both instances of cart
		"all others", "1.18", "323",
	} {
		b.says(said)
	}
	b.clean()
}

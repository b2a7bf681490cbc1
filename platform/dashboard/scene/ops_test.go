package scene

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"time"
)

type object = map[string]any

func before(d time.Duration) string { return moment.Add(-d).Format(time.RFC3339Nano) }

// sagas are the orders' checkouts, one of them stopped by a mistake.
func sagas() []object {
	rng := rand.New(rand.NewPCG(5, 5))
	var all []object
	add := func(id, state, step string, undoing bool, attempts int, age time.Duration, err, reason string) {
		all = append(all, object{
			"service": "orders", "name": "checkout", "id": id, "version": 1, "state": state, "undoing": undoing, "step": step, "attempts": attempts,
			"doubt": attempts > 1, "fence": 3, "error": err, "reason": reason, "created": before(age + 12*time.Second), "updated": before(age), "loadable": true,
			"trace_parent": fmt.Sprintf("00-%016x%016x-%016x-01", rng.Uint64(), rng.Uint64(), rng.Uint64()),
		})
	}
	add("o-77120", "paused", "sell", false, 8, 3*time.Minute+20*time.Second, "inventory answered FailedPrecondition: the reservation o-77120 has expired", "")
	add("o-41877", "waiting", "pay", false, 1, 4*time.Second, "", "")
	add("o-90311", "compensating", "reserve", true, 2, 9*time.Second, "inventory: connection refused", "the card was declined: insufficient_funds")
	add("o-12245", "running", "ship", false, 0, 1*time.Second, "", "")
	for i := range 46 {
		state, step, reason := "completed", "end", ""
		if rng.IntN(7) == 0 {
			state, reason = "compensated", "the card was declined: insufficient_funds"
		}
		add(fmt.Sprintf("o-%05d", 20_000+rng.IntN(70_000)), state, step, state == "compensated", 0, time.Duration(20+i*31)*time.Second, "", reason)
	}
	return all
}

func sagaDetail(s object) object {
	d := object{"data": object{"order": object{"id": s["id"], "customer": "c-0412", "total": 12_480, "lines": []object{{"product": "p-017", "quantity": 2}, {"product": "p-101", "quantity": 1}}}, "charge": "ch-5518"}}
	maps.Copy(d, s)
	var history []object
	at := 26 * time.Second
	event := func(step, direction, outcome, err, by, why string) {
		at -= 1300 * time.Millisecond
		history = append(history, object{"seq": len(history) + 1, "step": step, "direction": direction, "outcome": outcome, "error": err, "by": by, "why": why, "at": before(3*time.Minute + 7*time.Second + at)})
	}
	event("reserve", "do", "started", "", "", "")
	event("reserve", "do", "done", "", "", "")
	event("pay", "do", "waits", "", "", "")
	event("pay", "do", "done", "", "", "answered")
	event("approve", "do", "done", "", "", "")
	for range 3 {
		event("sell", "do", "retry", "inventory: connection refused", "", "")
	}
	event("sell", "do", "retried", "", "ann", "inventory is back")
	event("sell", "do", "bug", "inventory answered FailedPrecondition: the reservation o-77120 has expired", "", "")
	d["history"] = history
	return d
}

func queues() object {
	topics := []object{}
	for i, name := range []string{"orders.confirmed", "orders.failed", "payments.captured", "payments.declined", "payments.refund-requested", "payments.requested", "shipping.booked", "shipping.requested"} {
		topics = append(topics, object{"name": name, "messages": 48_211 - i*5_871, "last": before(time.Duration(1+i*i*3) * time.Second)})
	}
	group := func(name string, lag, pending int, oldest time.Duration, topics ...string) object {
		return object{"name": name, "topics": topics, "lag": lag, "oldest_ns": oldest.Nanoseconds(), "pending": pending}
	}
	dead := func(id, group, topic, key, err string, attempts int, age time.Duration, isDead bool) object {
		return object{
			"service": group, "id": id, "group": group, "source": "/orders", "event": "01J" + id, "topic": topic, "key": key, "attempts": attempts, "error": err,
			"dead": isDead, "trying": false, "next": before(-20 * time.Second), "parked": before(age), "bytes": 412,
		}
	}
	return object{
		"topics": topics,
		"groups": []object{
			group("notify", 2, 2, 300*time.Millisecond, "orders.confirmed", "orders.failed"),
			group("orders", 0, 0, 0, "payments.captured", "payments.declined", "payments.refunded", "shipping.booked"),
			group("payments", 318, 16, 41*time.Second, "payments.requested", "payments.refund-requested"),
			group("shipping", 1, 1, 90*time.Millisecond, "shipping.requested"),
		},
		"outboxes": []object{{"service": "orders", "messages": 3, "oldest": before(800 * time.Millisecond)}, {"service": "payments", "messages": 0, "oldest": nil}, {"service": "shipping", "messages": 0, "oldest": nil}},
		"dead": []object{
			dead("8842", "notify", "orders.confirmed", "o-55120", "notify answered 422: the event has no mail address", 6, 52*time.Minute, true),
			dead("8843", "notify", "orders.failed", "o-55129", "notify answered 422: the event has no mail address", 6, 51*time.Minute, true),
			dead("9120", "shipping", "shipping.requested", "o-61200", "no carrier ships to “Atlantis”", 12, 19*time.Minute, true),
			dead("9377", "payments", "payments.requested", "o-41877", "card: context deadline exceeded", 2, 40*time.Second, false),
			dead("9378", "payments", "payments.refund-requested", "o-41877", "", 0, 38*time.Second, false),
		},
	}
}

func catalog() object {
	services := object{}
	port := 41_000
	for name, version := range versions {
		n := 1
		switch name {
		case "catalog", "cart", "orders", "shipping":
			n = 2
		}
		var list []object
		for i := range n {
			in := object{"id": fmt.Sprintf("%s-%d", name, i+1), "service": name, "version": version, "state": "ready", "endpoints": object{"http": fmt.Sprintf("127.0.0.1:%d", port+len(name)*100+i)}, "holder": "self"}
			switch {
			case name == "notify":
				in["holder"] = "supervisor"
			case name == "orders" && i == 0:
				in["version"], in["state"] = "1.4.1", "draining"
			case name == "shipping" && i == 1:
				in["state"] = "starting"
			case name == "cart" || name == "catalog" || name == "inventory":
				in["endpoints"].(object)["grpc"] = fmt.Sprintf("127.0.0.1:%d", port+len(name)*100+50+i)
			}
			if i == 1 {
				in["weight"] = 50
			}
			list = append(list, in)
		}
		services[name] = list
	}
	return object{"epoch": "9f2c61", "index": 118, "services": services}
}

package scene

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/platform/ops"
)

func before(d time.Duration) time.Time { return moment.Add(-d) }

// sagas are the orders' checkouts, one of them stopped by a mistake.
func sagas() []ops.Saga {
	rng := rand.New(rand.NewPCG(5, 5))
	var all []ops.Saga
	add := func(id string, state saga.State, step string, undoing bool, attempts int, age time.Duration, err, reason string) {
		all = append(all, ops.Saga{Service: "orders", Entry: saga.Entry{
			Name: "checkout", ID: id, Version: 1, State: state, Undoing: undoing, Step: step, Attempts: attempts,
			Doubt: attempts > 1, Fence: 3, Error: err, Reason: reason, Created: before(age + 12*time.Second), Updated: before(age), Loadable: true,
			TraceParent: fmt.Sprintf("00-%016x%016x-%016x-01", rng.Uint64(), rng.Uint64(), rng.Uint64()),
		}})
	}
	add("o-77120", saga.Paused, "sell", false, 8, 3*time.Minute+20*time.Second, "inventory answered FailedPrecondition: the reservation o-77120 has expired", "")
	add("o-41877", saga.Waiting, "pay", false, 1, 4*time.Second, "", "")
	add("o-90311", saga.Compensating, "reserve", true, 2, 9*time.Second, "inventory: connection refused", "the card was declined: insufficient_funds")
	add("o-12245", saga.Running, "ship", false, 0, 1*time.Second, "", "")
	for i := range 46 {
		state, reason := saga.Completed, ""
		if rng.IntN(7) == 0 {
			state, reason = saga.Compensated, "the card was declined: insufficient_funds"
		}
		add(fmt.Sprintf("o-%05d", 20_000+rng.IntN(70_000)), state, "end", state == saga.Compensated, 0, time.Duration(20+i*31)*time.Second, "", reason)
	}
	return all
}

// chosen are the sagas that a question is about, as the real handler answers it.
func chosen(all []ops.Saga, service, state string, most int) ops.SagaList {
	l := ops.SagaList{Sagas: []ops.Saga{}, Counts: map[saga.State]int64{}, Missing: []ops.Missing{}}
	for _, s := range all {
		if service != "" && s.Service != service {
			continue
		}
		l.Counts[s.State]++
		if state == "" || string(s.State) == state {
			l.All++
			l.Sagas = append(l.Sagas, s)
		}
	}
	l.Sagas = l.Sagas[:min(len(l.Sagas), most)]
	return l
}

func sagaDetail(s ops.Saga) ops.SagaDetail {
	d := ops.SagaDetail{Service: s.Service, Detail: saga.Detail{Entry: s.Entry}}
	d.Data = json.RawMessage(`{"order":{"id":"` + s.ID + `","customer":"c-0412","total":12480,"lines":[{"product":"p-017","quantity":2},{"product":"p-101","quantity":1}]},"charge":"ch-5518"}`)
	at := 26 * time.Second
	event := func(step, outcome, err, by, why string) {
		at -= 1300 * time.Millisecond
		d.History = append(d.History, saga.Event{Seq: int64(len(d.History) + 1), Step: step, Direction: "do", Outcome: outcome, Error: err, By: by, Why: why, At: before(3*time.Minute + 7*time.Second + at)})
	}
	event("reserve", "started", "", "", "")
	event("reserve", "done", "", "", "")
	event("pay", "waits", "", "", "")
	event("pay", "done", "", "", "answered")
	event("approve", "done", "", "", "")
	for range 3 {
		event("sell", "retry", "inventory: connection refused", "", "")
	}
	event("sell", "retried", "", "ann", "inventory is back")
	event("sell", "bug", "inventory answered FailedPrecondition: the reservation o-77120 has expired", "", "")
	return d
}

// queues are those of a shop whose payments lag behind: four messages are dead, one of
// them was refused by the broker.
func queues() ops.Queues {
	q := ops.Queues{Broker: true, Missing: []ops.Missing{}}
	for i, name := range []string{"orders.confirmed", "orders.failed", "payments.captured", "payments.declined", "payments.refund-requested", "payments.requested", "shipping.booked", "shipping.requested"} {
		q.Topics = append(q.Topics, bus.TopicInfo{Name: name, Messages: uint64(48_211 - i*5_871), Last: before(time.Duration(1+i*i*3) * time.Second)})
	}
	group := func(name string, lag, pending int64, oldest time.Duration, waiting, dead int64, topics ...string) {
		q.Groups = append(q.Groups, bus.GroupInfo{Name: name, Topics: topics, Lag: lag, Oldest: oldest, Pending: pending})
		c := parking.Count{Group: name, Waiting: waiting, Dead: dead}
		if waiting > 0 {
			c.Oldest, c.Attempts = 40, 2
		}
		service := name
		if name == "notify" { // is no Go program: the broker keeps them
			service = "broker"
		}
		q.Parked = append(q.Parked, ops.Count{Service: service, Count: c})
	}
	group("notify", 2, 2, 300*time.Millisecond, 0, 2, "orders.*")
	group("orders", 0, 0, 0, 0, 0, "payments.captured", "payments.declined", "payments.refunded", "shipping.booked")
	group("payments", 318, 16, 41*time.Second, 2, 0, "payments.refund-requested", "payments.requested")
	group("shipping", 1, 1, 90*time.Millisecond, 0, 1, "shipping.requested")
	dead := func(service, id, group, topic, key, err string, attempts int, age time.Duration) {
		q.Dead = append(q.Dead, ops.Parked{Service: service, Entry: parking.Entry{
			ID: id, Group: group, Source: "/orders", Event: "01J" + id, Topic: topic, Key: key, Attempts: attempts, Error: err, Dead: true, Next: before(age), Parked: before(age), Bytes: 412,
		}})
	}
	dead("broker", "8842", "notify", "orders.confirmed", "o-55120", "notify answered 422: the event has no mail address", 1, 52*time.Minute)
	dead("broker", "8843", "notify", "orders.failed", "o-55129", "notify answered 422: the event has no mail address", 1, 51*time.Minute)
	dead("orders", "outbox-31", "", "orders.Confirmed", "o-61002", "the broker refused it: a topic is in small letters", 0, 24*time.Minute)
	dead("shipping", "9120", "shipping", "shipping.requested", "o-61200", "no carrier ships to “Atlantis”", 12, 19*time.Minute)
	refused := []outbox.Refused{}
	q.Outboxes = []ops.Outbox{
		{Service: "orders", Listing: outbox.Listing{Waiting: 3, Oldest: 24 * 60, Refused: []outbox.Refused{{ID: "31", Topic: "orders.Confirmed"}}}},
		{Service: "payments", Listing: outbox.Listing{Waiting: 41, Oldest: 0.8, Refused: refused}},
		{Service: "shipping", Listing: outbox.Listing{Refused: refused}},
	}
	return q
}

func catalog() discovery.Catalog {
	c := discovery.Catalog{Epoch: "ZD5ZWS6U7XNB6", Index: 118, Services: map[string][]discovery.Instance{}}
	for k, name := range slices.Sorted(maps.Keys(versions)) {
		n, port := 1, 41_207+k*131
		switch name {
		case "edge", "control": // have no lease
			continue
		case "catalog", "cart", "orders", "shipping":
			n = 2
		}
		for i := range n {
			in := discovery.Instance{
				ID: fmt.Sprintf("%s-%d", name, i+1), Service: name, Version: versions[name], Zone: "local", Weight: 100, State: discovery.Ready, Holder: "self",
				Endpoints: map[string]string{"http": fmt.Sprintf("127.0.0.1:%d", port+i), "grpc": fmt.Sprintf("127.0.0.1:%d", port+50+i)},
			}
			switch {
			case name == "notify":
				in.Holder = "supervisor"
				delete(in.Endpoints, "grpc")
			case name == "orders" && i == 0:
				in.Version, in.State = "1.4.1", discovery.Draining
			case name == "shipping" && i == 1:
				in.State = discovery.Starting
			}
			if i == 1 {
				in.Weight = 50
			}
			c.Services[name] = append(c.Services[name], in)
		}
	}
	return c
}

package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
)

// slow is a parking that takes its time, and counts delays from when it writes.
type slow struct{ *memory.Parking }

func (s slow) Park(ctx context.Context, p bus.Parked) error {
	wait := time.Until(p.Next)
	time.Sleep(50 * time.Millisecond)
	p.Next = time.Now().Add(wait)
	return s.Parking.Park(ctx, p)
}

func (s slow) Settle(ctx context.Context, p bus.Parked, o bus.Outcome) error {
	time.Sleep(50 * time.Millisecond)
	return s.Parking.Settle(ctx, p, o)
}

// Whatever else is parked or ends meanwhile, a parked message is tried when its time
// has come, and not when the parking is asked the next time anyway.
func TestTriesComeWhenTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, parking := memory.New(), memory.NewParking()
		c := &bus.Consumer{Broker: b.Connect(), Group: "g", Parking: slow{parking}, Workers: 64, Retry: bus.Backoff{First: 100 * time.Millisecond, Most: 100 * time.Millisecond, Attempts: 50}}
		var mu sync.Mutex
		tries := map[string][]time.Time{}
		on(t, c, "orders.placed", func(_ context.Context, d bus.Delivery) error {
			mu.Lock()
			defer mu.Unlock()
			tries[d.ID] = append(tries[d.ID], time.Now())
			if len(tries[d.ID]) < 8 {
				return errors.New("not yet")
			}
			return nil
		})
		stop := start(t, c)
		var msgs []bus.Msg
		for i := range 5 {
			for n := range 3 { // those behind are parked as soon as the first is
				msgs = append(msgs, msg(fmt.Sprintf("%d.%d", i, n), fmt.Sprint("k", i)))
			}
		}
		publish(t, b, msgs...)
		time.Sleep(time.Minute)
		if err := stop(); err != nil {
			t.Error(err)
		}
		for id, at := range tries {
			if len(at) != 8 {
				t.Errorf("%s: %d tries", id, len(at))
			}
			for i, when := range at[1:] {
				if waited := when.Sub(at[i]); waited > 170*time.Millisecond {
					t.Errorf("%s: try %d came %v after the one before, with a delay of at most 100ms after it was recorded", id, i+2, waited)
				}
			}
		}
		if len(tries) != len(msgs) {
			t.Errorf("%d messages were tried", len(tries))
		}
	})
}

// killed is a parking in which a message has ended its process so many times.
type killed struct {
	*memory.Parking
	times int
}

func (k killed) Due(ctx context.Context, group string, most int) ([]bus.Parked, error) {
	due, err := k.Parking.Due(ctx, group, most)
	for i := range due {
		if due[i].ID == "killer" {
			due[i].Attempts, due[i].Lost = k.times, k.times
		}
	}
	return due, err
}

// A message whose every try ended with the process is not tried for ever.
func TestAMessageThatKillsItsProcess(t *testing.T) {
	for times, want := range map[int]string{2: "killer next", 3: "", 4: ""} {
		synctest.Test(t, func(t *testing.T) {
			b, parking := memory.New(), killed{memory.NewParking(), times}
			for _, id := range []string{"killer", "next"} {
				if err := parking.Park(t.Context(), bus.Parked{Msg: msg(id, "k"), Group: "g"}); err != nil {
					t.Fatal(err)
				}
			}
			c := &bus.Consumer{Broker: b.Connect(), Group: "g", Parking: parking, Retry: bus.Backoff{Attempts: 3}}
			var tried []string
			on(t, c, "orders.placed", func(_ context.Context, d bus.Delivery) error {
				tried = append(tried, d.ID)
				return nil
			})
			stop := start(t, c)
			time.Sleep(time.Minute)
			if err := stop(); err != nil {
				t.Error(err)
			}
			if got := strings.Join(tried, " "); got != want {
				t.Errorf("%d times: tried %q, want %q", times, got, want)
			}
			if left := parking.List(); want == "" && (len(left) != 2 || !left[0].Dead || !strings.Contains(left[0].Error, "process")) {
				t.Errorf("%d times: parked are %+v", times, left)
			}
		})
	}
}

// notes tells what is parked.
type notes struct {
	*memory.Parking
	parked *[]string
}

func (n notes) Park(ctx context.Context, p bus.Parked) error {
	*n.parked = append(*n.parked, fmt.Sprint(p.ID, " ", p.Attempts))
	return n.Parking.Park(ctx, p)
}

// What was delivered again and again, and never answered, may be what ended those who
// had it. Only the parking counts tries that end so: it is tried from there.
func TestAMessageThatIsNeverAnsweredIsParkedFirst(t *testing.T) {
	for times, want := range map[int]string{2: "", 3: "1 0"} {
		synctest.Test(t, func(t *testing.T) {
			b := memory.New()
			publish(t, b, msg("1", "k"), msg("2", "k"), msg("3", "other"))
			for range times { // processes that die with it in hand
				conn := b.Connect()
				sub, err := conn.Subscribe(t.Context(), bus.Subscription{Group: "g", Topics: []string{"orders.placed"}})
				if err != nil {
					t.Fatal(err)
				}
				if d, err := sub.Receive(t.Context(), 1); err != nil || d[0].ID != "1" {
					t.Fatal(d, err)
				}
				conn.Close()
			}
			var parked, handled []string
			parking := memory.NewParking()
			c := &bus.Consumer{Broker: b.Connect(), Group: "g", Parking: notes{parking, &parked}, Workers: 1}
			on(t, c, "orders.placed", func(_ context.Context, d bus.Delivery) error {
				if d.Key == "k" {
					handled = append(handled, d.ID)
				}
				return nil
			})
			stop := start(t, c)
			time.Sleep(time.Minute)
			if err := stop(); err != nil {
				t.Error(err)
			}
			if first, _, _ := strings.Cut(strings.Join(parked, ", "), ","); first != want { // 2 may have come behind it
				t.Errorf("delivered %d times before: parked %v, want %q at first", times, parked, want)
			}
			if !slices.Equal(handled, []string{"1", "2"}) || len(parking.List()) > 0 {
				t.Errorf("delivered %d times before: handled %v, parked %+v", times, handled, parking.List())
			}
		})
	}
}

// asked counts how often the parking is asked.
type asked struct {
	*memory.Parking
	times *int
}

func (a asked) Due(ctx context.Context, group string, most int) ([]bus.Parked, error) {
	*a.times++
	return a.Parking.Due(ctx, group, most)
}

// What is parked behind another cannot be due: to ask for it each time would read all
// that waits, for each that comes to wait.
func TestAQueueBehindADeadMessageIsNotAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, parking := memory.New(), memory.NewParking()
		var times int
		c := &bus.Consumer{Broker: b.Connect(), Group: "g", Parking: asked{parking, &times}}
		on(t, c, "orders.placed", func(context.Context, bus.Delivery) error { return bus.Final(errors.New("dead")) })
		stop := start(t, c)
		for i := range 200 {
			publish(t, b, msg(fmt.Sprint(i), "k"))
			time.Sleep(10 * time.Millisecond)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		if n := len(parking.List()); n != 200 || times > 10 {
			t.Errorf("the parking was asked %d times in 2 s, while %d messages of one key came into it", times, n)
		}
	})
}

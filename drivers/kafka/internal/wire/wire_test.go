package wire_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/kafka/internal/wire"
)

func TestPlacesComeBack(t *testing.T) {
	t.Parallel()
	for _, p := range []wire.Place{
		{},
		{Next: 7, Topics: []string{"orders.placed"}},
		{Next: 1 << 40, Count: 3, Out: true, Until: time.UnixMilli(1790000000123), Topics: []string{"orders.*", "orders.line.added"}},
	} {
		text, err := p.Beside()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wire.ReadPlace("orders", p.Next, text); err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("%s: %+v, want %+v: %v", text, got, p, err)
		}
	}
	if _, err := wire.ReadPlace("orders", 1, "{"); !errors.Is(err, wire.ErrPlace) {
		t.Error(err)
	}
	if p, err := wire.ReadPlace("orders", 5, ""); err != nil || p.Next != 5 {
		t.Errorf("a place that another tool wrote: %+v, %v", p, err)
	}
	var many wire.Place
	for i := range 100 {
		many.Topics = append(many.Topics, fmt.Sprintf("orders.%s%d", strings.Repeat("x", 60), i))
	}
	if _, err := many.Beside(); !errors.Is(err, wire.ErrPlace) {
		t.Errorf("more than brokers keep: %v", err)
	}
}

// TestSharesAreWholeAndFair has members come, go and let go by chance.
func TestSharesAreWholeAndFair(t *testing.T) {
	t.Parallel()
	const lanes = 16
	random := rand.New(rand.NewPCG(2026, 11))
	members := map[string]wire.Member{}
	for step := range 5000 {
		name := fmt.Sprintf("m%d", random.IntN(6))
		switch m, here := members[name]; {
		case !here:
			members[name] = wire.Member{Topics: []string{"a." + name}}
		case random.IntN(3) == 0:
			delete(members, name)
		case len(m.Holds) > 0:
			n := random.IntN(len(m.Holds))
			m.Gave = m.Holds[n:]
			m.Holds = m.Holds[:n:n]
			members[name] = m
		}
		shares := wire.Shares(members, lanes)
		var all []int
		for name, share := range shares {
			all = append(all, share.Lanes...)
			for _, l := range members[name].Holds {
				if !slices.Contains(share.Lanes, l) {
					t.Fatalf("step %d: %s held the lane %d, and lost it", step, name, l)
				}
			}
			for _, l := range share.Lanes {
				if slices.Contains(members[name].Gave, l) && len(members) > 1 {
					t.Fatalf("step %d: %s let go of the lane %d, and has it again", step, name, l)
				}
			}
			if share.Members != len(members) || len(share.Topics) != len(members) {
				t.Fatalf("step %d: %+v of %d members", step, share, len(members))
			}
		}
		slices.Sort(all)
		if len(members) > 0 && (len(all) != lanes || len(slices.Compact(all)) != lanes) {
			t.Fatalf("step %d: the lanes are shared as %v", step, shares)
		}
		if len(shares) != len(members) {
			t.Fatalf("step %d: %d shares of %d members", step, len(shares), len(members))
		}
		for name, share := range shares {
			members[name] = wire.Member{Topics: members[name].Topics, Holds: share.Lanes}
		}
	}
	fresh := wire.Shares(map[string]wire.Member{"a": {}, "b": {}, "c": {}}, lanes)
	for name := range maps.Keys(fresh) {
		if n := len(fresh[name].Lanes); n < 5 || n > 6 {
			t.Errorf("of three new members %s has %d lanes", name, n)
		}
	}
	twice := wire.Shares(map[string]wire.Member{"a": {Holds: []int{3}}, "b": {Holds: []int{3, 99, -1}}}, lanes)
	if slices.Contains(twice["b"].Lanes, 3) || !slices.Contains(twice["a"].Lanes, 3) {
		t.Errorf("a lane that two say they hold: %v", twice)
	}
}

// FuzzMessages writes messages and reads them again.
func FuzzMessages(f *testing.F) {
	f.Add("1", "/s", "a.b", "k", "text/plain", []byte("x"))
	f.Add("ä", "", "a", "\x00", "no", []byte(nil))
	f.Fuzz(func(t *testing.T, id, source, topic, key, kind string, data []byte) {
		m := bus.Msg{ID: id, Source: source, Topic: topic, Key: key, ContentType: kind, Data: data}
		if m.Validate() != nil {
			return
		}
		r := wire.Encode(m, 16)
		got, err := wire.Decode(r)
		if err != nil || !reflect.DeepEqual(got.Attributes(), m.Attributes()) || string(got.Data) != string(data) || wire.TopicOf(r) != topic {
			t.Errorf("%+v became %+v: %v", m, got, err)
		}
		if r.Partition < 0 || r.Partition > 15 || r.Topic != wire.LogOf(wire.OwnerOf(topic)) {
			t.Errorf("it goes to %s, %d", r.Topic, r.Partition)
		}
	})
}

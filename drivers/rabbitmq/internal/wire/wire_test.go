package wire

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/musterdev/muster/bus"
)

func full() bus.Msg {
	return bus.Msg{
		ID: "id/1", Source: "/s", Topic: "orders.placed", Subject: "Grüße", Key: "k", Time: time.Unix(1, 2).UTC(), NotBefore: time.Unix(3, 4).UTC(),
		ContentType: "application/json", Schema: "https://example.com/s", Sequence: "42", Causation: "c", Correlation: "d",
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", TraceState: "a=1",
		Extensions: map[string]string{"tenant": "acme"}, Data: []byte("\x00{}"),
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	m, now := full(), time.UnixMilli(1_800_000_000_123)
	p := Encode(m, now)
	if p.DeliveryMode != amqp.Persistent || p.ContentType != m.ContentType || p.Headers["cloudEvents_type"] != m.Topic {
		t.Errorf("%+v", p)
	}
	back, stored, err := Decode(amqp.Delivery{Headers: p.Headers, ContentType: p.ContentType, Body: p.Body})
	if err != nil || !reflect.DeepEqual(back, m) || !stored.Equal(now) {
		t.Errorf("came %+v, %v, %v\nwas  %+v", back, stored, err, m)
	}
	if err := p.Headers.Validate(); err != nil {
		t.Error(err)
	}
	for what, headers := range map[string]amqp.Table{
		"no event": nil, "a number": {"cloudEvents_id": int64(1)}, "no topic": {"cloudEvents_id": "a", "cloudEvents_source": "/s", "cloudEvents_specversion": "1.0"},
	} {
		if _, _, err := Decode(amqp.Delivery{Headers: headers}); err == nil {
			t.Errorf("%s was read", what)
		}
	}
}

// FuzzNotes has an election take whatever may be in a queue: it ends with its probe, and
// the place has all topics and a version above all that it saw.
func FuzzNotes(f *testing.F) {
	f.Add("place", []byte(`{"version":7,"next":3,"topics":["a.b"]}`))
	f.Add("join", []byte(`{"topics":["a.*"],"latest":true}`))
	f.Add("place", []byte(`{"version":-1}`))
	f.Add("probe", []byte(`{`))
	f.Add("", []byte(`[]`))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		e := Election{Probe: "mine"}
		if e.Add(amqp.Delivery{Type: kind, Body: body}) {
			t.Fatal("somebody else's probe ended it")
		}
		if !e.Add(amqp.Delivery{Type: KindProbe, MessageId: "mine"}) {
			t.Fatal("its probe did not end it")
		}
		p, _ := e.Result()
		if p.Version <= e.best.Version || p.Out {
			t.Errorf("%+v of %+v", p, e.best)
		}
	})
}

func delivery(t *testing.T, kind string, body any) amqp.Delivery {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return amqp.Delivery{Type: kind, Body: data}
}

// TestElections cuts off the history of a lane wherever a member may die: what is in the
// queue then, in any order that the broker may give it back in, says the last place.
func TestElections(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(2026, 11))
	for range 500 {
		p := Place{Version: 1, Next: Oldest, Topics: []string{"a.b"}}
		var queue []Place
		for range 1 + random.IntN(20) {
			queue = append(queue, p)
			if random.IntN(2) == 0 { // the acknowledgement of all but the newest arrived
				queue = queue[len(queue)-1:]
			}
			switch random.IntN(4) {
			case 0:
				p = p.Settled(p.Next + 1)
			case 1:
				p = p.Given()
			case 2:
				p = p.Refused(time.Now())
			default:
				p = p.HandedOn()
			}
		}
		last := queue[len(queue)-1]
		random.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })
		e := Election{Probe: "x"}
		for _, q := range queue {
			e.Add(delivery(t, KindPlace, q))
		}
		e.Add(delivery(t, KindJoin, Join{Topics: []string{"c.d"}, Latest: true}))
		got, latest := e.Result()
		want := last
		want.Version++
		want.Topics = []string{"a.b", "c.d"}
		if want.Out {
			want.Out, want.Count = false, want.Count+1
		}
		if latest || !reflect.DeepEqual(got, want) {
			t.Fatalf("of %+v came %+v, %v; want %+v", queue, got, latest, want)
		}
	}
}

func TestANewGroupBegins(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} {
		e := Election{Probe: "x"}
		e.Add(delivery(t, KindJoin, Join{Topics: []string{"a.b"}, Latest: first}))
		e.Add(delivery(t, KindJoin, Join{Topics: []string{"a.*"}, Latest: !first})) // the group is not new for it
		p, latest := e.Result()
		if latest != first || p.Next != Oldest || p.Version != 1 || !slices.Equal(p.Topics, []string{"a.*"}) {
			t.Errorf("%+v, %v", p, latest)
		}
	}
}

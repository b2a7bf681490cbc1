package kafka_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/kafka"
	"github.com/musterdev/muster/drivers/kafka/kafkatest"
	"github.com/musterdev/muster/problem"
)

func TestURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "localhost:9092", "http://localhost", "kafka://", "kafka://a,,b", "kafka://host:9092/x", "kafka://user:secret@ho st", "kafka://user:secret@host?nonsense=1",
		"kafka://user:secret@host?mechanism=GSSAPI", "kafka://host?mechanism=PLAIN", "kafka://:secret@host", "kafka://user:secret@host:port",
	} {
		b, err := kafka.Driver.OpenBus(t.Context(), url, "c", nil)
		if err == nil {
			_ = b.Close()
			t.Errorf("%q is taken", url)
			continue
		}
		if !strings.HasPrefix(err.Error(), "kafka: the URL") || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", url, err)
		}
	}
	for _, url := range []string{"kafka://127.0.0.1:1", "kafka://127.0.0.1:1,127.0.0.1:2/", "kafkas://u:p%40@127.0.0.1:1?mechanism=SCRAM-SHA-512", "kafka://u:p@[::1]:1"} {
		b, err := kafka.Driver.OpenBus(t.Context(), url, "c d", nil)
		if err != nil {
			t.Errorf("%q: %v", url, err)
			continue
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// lines is where a log goes that a test reads.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func logged(l *lines) *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func TestABrokerThatIsAwayIsSaid(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var log lines
	b, err := kafka.Driver.OpenBus(t.Context(), "kafka://u:secret@"+address, "test", logged(&log))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is said by itself", func() bool { return strings.Contains(log.all(), "the broker is away: events wait") })
	if s := log.all(); !strings.Contains(s, "broker="+address) || strings.Contains(s, "secret") {
		t.Error(s)
	}
	away := b.(interface{ Away() error })
	if err := away.Away(); problem.CodeOf(err) != problem.Unavailable || !strings.Contains(err.Error(), address) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if r := b.Publish(ctx, []bus.Msg{{ID: "1", Source: "/s", Topic: "a.b"}}); problem.CodeOf(r[0].Err) != problem.Unavailable || !errors.Is(r[0].Err, context.DeadlineExceeded) {
		t.Error(r[0].Err)
	}
	if _, err := b.Subscribe(ctx, bus.Subscription{Group: "g", Topics: []string{"a.b"}}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := away.Away(); !errors.Is(err, bus.ErrClosed) {
		t.Error(err)
	}
}

// TestWhatIsNoEventIsPassedOver writes nonsense into a partition, as nobody should.
func TestWhatIsNoEventIsPassedOver(t *testing.T) {
	t.Parallel()
	s := kafkatest.Start(t)
	b := open(t, s.URL())
	m := bus.Msg{ID: "1", Source: "/s", Topic: "a.b", Key: "k"}
	sub, err := b.Subscribe(t.Context(), bus.Subscription{Group: "g", Topics: []string{"a.b"}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(s.URL(), "kafka://")), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	lane := int32(bus.Lane(m, kafka.Lanes))
	for _, r := range []*kgo.Record{
		{Topic: "muster.a", Partition: lane, Value: []byte("nonsense")},
		{Topic: "muster.a", Partition: lane, Headers: []kgo.RecordHeader{{Key: "ce_type", Value: []byte("a.b")}}},
	} {
		if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if r := b.Publish(t.Context(), []bus.Msg{m}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if got, err := sub.Receive(ctx, 1); err != nil || got[0].ID != "1" || got[0].Count != 1 {
		t.Fatalf("%v, %v", got, err)
	}
}

// TestATopicOfSomebodyElseIsRefused has a Kafka topic of the bus's name with other partitions.
func TestATopicOfSomebodyElseIsRefused(t *testing.T) {
	t.Parallel()
	s := kafkatest.Start(t)
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(s.URL(), "kafka://")))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	req := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = "muster.a", 3, 1
	req.Topics = append(req.Topics, topic)
	if _, err := req.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	b := open(t, s.URL())
	const want = "the topic muster.a has 3 partitions"
	if r := b.Publish(t.Context(), []bus.Msg{{ID: "1", Source: "/s", Topic: "a.b"}}); r[0].Err == nil || !strings.Contains(r[0].Err.Error(), want) {
		t.Error(r[0].Err)
	}
	if _, err := b.Subscribe(t.Context(), bus.Subscription{Group: "g", Topics: []string{"a.b"}}); err == nil || !strings.Contains(err.Error(), want) {
		t.Error(err)
	}
}

// TestWhatWasInHandCounts has members leave with a message in hand, and without one, as
// when a process ends: a message that ends every process that handles it must be told by
// its count.
func TestWhatWasInHandCounts(t *testing.T) {
	t.Parallel()
	s := kafkatest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := open(t, s.URL())
	want := bus.Subscription{Group: "counts", Topics: []string{"counts.a"}}
	if r := b.Publish(ctx, []bus.Msg{{ID: "1", Source: "/s", Topic: "counts.a", Key: "k"}}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	for i := range 6 {
		sub, err := open(t, s.URL()).Subscribe(ctx, want)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			got, err := sub.Receive(ctx, 1)
			if err != nil {
				t.Fatal(err)
			}
			if got[0].Count != i/2+1 {
				t.Errorf("delivery %d has the count %d", i/2+1, got[0].Count)
			}
		}
		if err := sub.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

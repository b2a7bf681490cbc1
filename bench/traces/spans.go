package traces

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The shape of the traces that are sent: that of the measurements which the report on
// observability compares stores with.
const (
	spansSent     = 1_000_000
	spansOfTrace  = 10
	spansTime     = time.Hour
	users         = 10_000
	batchLeast    = 1000
	batchMost     = 5000
	oneInFails    = 100 // spans
	traceLatest   = 400 * time.Millisecond
	instancesEach = 2
)

var (
	tracedServices = [spansOfTrace]string{"gateway", "catalog", "cart", "prices", "stock", "orders", "payments", "shipping", "mails", "users"}
	tracedRoutes   = []string{"/v1/products/{id}", "/v1/carts/{id}/lines", "/v1/orders", "/v1/orders/{id}", "/v1/prices", "/v1/users/{id}"}
)

// corpus is a file of OTLP requests. Each holds spans of one process, as an exporter
// sends them.
type corpus struct {
	file        *os.File
	bodies      []extent
	traces      [][16]byte // some of those that are in it
	from, until time.Time
	size        int64
}

type extent struct{ at, length int64 }

// writeCorpus writes all requests to a file, the same for the same seed and time.
func writeCorpus(name string, seed uint64, until time.Time) (*corpus, error) {
	file, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	c := &corpus{file: file, from: until.Add(-spansTime), until: until}
	random := rand.New(rand.NewPCG(seed, 1))
	var batches [len(tracedServices) * instancesEach]batch
	for i := range batches {
		batches[i].begin(i, random)
	}
	const traces = spansSent / spansOfTrace
	for t := range traces {
		trace := newTrace(random, c.from.Add(spansTime/traces*time.Duration(t)))
		if t%(traces/1000) == 0 {
			c.traces = append(c.traces, trace.id)
		}
		for s := range spansOfTrace {
			b := &batches[s*instancesEach+random.IntN(instancesEach)]
			b.add(trace.span(s, random))
			if b.room == 0 {
				err = errors.Join(err, c.write(b))
				b.begin(b.process, random)
			}
		}
	}
	for i := range batches {
		if batches[i].spans > 0 {
			err = errors.Join(err, c.write(&batches[i]))
		}
	}
	return c, err
}

func (c *corpus) write(b *batch) error {
	body := b.request()
	c.bodies = append(c.bodies, extent{c.size, int64(len(body))})
	c.size += int64(len(body))
	_, err := c.file.Write(body)
	return err
}

// read returns a request's body, in buf where it has room.
func (c *corpus) read(i int, buf []byte) ([]byte, error) {
	e := c.bodies[i]
	if int64(cap(buf)) < e.length {
		buf = make([]byte, e.length)
	}
	_, err := io.ReadFull(io.NewSectionReader(c.file, e.at, e.length), buf[:e.length])
	return buf[:e.length], err
}

// batch gathers the spans of one process. Numbers of fields are those of
// opentelemetry/proto/trace/v1/trace.proto.
type batch struct {
	process int
	scope   []byte // a ScopeSpans
	spans   int
	room    int
}

func (b *batch) begin(process int, random *rand.Rand) {
	b.process, b.spans, b.room = process, 0, batchLeast+random.IntN(batchMost-batchLeast+1)
	b.scope = field(b.scope[:0], 1, field(nil, 1, []byte("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp")))
}

func (b *batch) add(span []byte) {
	b.scope = field(b.scope, 2, span)
	b.spans++
	b.room--
}

// request returns an ExportTraceServiceRequest.
func (b *batch) request() []byte {
	service := tracedServices[b.process/instancesEach]
	var resource []byte
	for _, kv := range [][2]string{
		{"service.name", service},
		{"service.instance.id", fmt.Sprintf("%s-%d", service, b.process%instancesEach)},
		{"telemetry.sdk.language", "go"},
		{"telemetry.sdk.name", "opentelemetry"},
	} {
		resource = field(resource, 1, text(kv[0], kv[1]))
	}
	return field(nil, 1, field(field(nil, 1, resource), 2, b.scope))
}

// trace is one that is being made.
type trace struct {
	id    [16]byte
	ids   [spansOfTrace][8]byte
	start time.Time
	user  string
	order string
	ip    string
}

func newTrace(random *rand.Rand, start time.Time) *trace {
	t := &trace{start: start, user: userID(random.IntN(users)), order: fmt.Sprintf("o-%08x", random.Uint32())}
	binary.BigEndian.PutUint64(t.id[:], random.Uint64())
	binary.BigEndian.PutUint64(t.id[8:], random.Uint64())
	for i := range t.ids {
		binary.BigEndian.PutUint64(t.ids[i][:], random.Uint64())
	}
	t.ip = fmt.Sprintf("10.%d.%d.%d", random.IntN(256), random.IntN(256), random.IntN(256))
	return t
}

func userID(n int) string { return fmt.Sprintf("u-%05d", n) }

// span returns the span of one service: a child of another's, but for the first.
func (t *trace) span(service int, random *rand.Rand) []byte {
	start := t.start.Add(time.Duration(service) * traceLatest / 100)
	took := time.Duration(random.ExpFloat64() * float64(traceLatest) / 8)
	route := tracedRoutes[random.IntN(len(tracedRoutes))]
	status, code := int64(200), uint64(0)
	if random.IntN(oneInFails) == 0 {
		status, code = 500, 2
	}
	s := field(make([]byte, 0, 1024), 1, t.id[:])
	s = field(s, 2, t.ids[service][:])
	if service > 0 {
		s = field(s, 4, t.ids[(service-1)/2][:])
	}
	s = field(s, 5, []byte("GET "+route))
	s = varint(s, 6, 2) // a server's
	s = moment(s, 7, start)
	s = moment(s, 8, start.Add(took))
	for _, kv := range [][]byte{
		text("http.request.method", "GET"), text("http.route", route), text("url.path", fmt.Sprintf("/v1/products/p-%d", random.IntN(100_000))),
		text("url.scheme", "http"), number("http.response.status_code", status), text("server.address", tracedServices[service]),
		number("server.port", 8080), text("client.address", t.ip), text("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"),
		text("network.protocol.version", "1.1"), text("user.id", t.user), text("order.id", t.order),
	} {
		s = field(s, 9, kv)
	}
	return field(s, 15, varint(nil, 3, code))
}

func field(b []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), value)
}

func varint(b []byte, number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), value)
}

func moment(b []byte, number protowire.Number, t time.Time) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, number, protowire.Fixed64Type), uint64(t.UnixNano()))
}

// text and number return a KeyValue.
func text(key, value string) []byte {
	return field(field(nil, 1, []byte(key)), 2, field(nil, 1, []byte(value)))
}

func number(key string, value int64) []byte {
	return field(field(nil, 1, []byte(key)), 2, varint(nil, 3, uint64(value))) //nolint:gosec // protobuf writes a negative number so
}

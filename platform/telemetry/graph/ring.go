package graph

import (
	"slices"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// key names a span.
type key struct {
	trace signal.TraceID
	id    signal.SpanID
}

// record is what is kept of a span to join others to it.
type record struct {
	key

	parent   signal.SpanID
	waits    key     // for the record that it must know to go on; zero: for none
	links    []key   // of a consumer's span: in whose stead its parent is not the producer
	start    int64   // ns since 1970
	took     int64   // ns
	added    int64   // ns since 1970
	weight   float32 // spans that it stands for
	service  name
	label    name // the operation
	topic    name // of messages
	peer     name // of a client's span: whom it called, as far as it tells
	peerKind nodeKind
	kind     signal.Kind
	failed   bool
	answered bool // of a client's span: it is known who did it
	counted  bool // at its node; a client's span: as an edge
	done     bool // it is joined, or never will be
}

// ring keeps the last records, by sequence numbers that only grow.
type ring struct {
	slots  []record
	most   int
	first  uint64           // the oldest kept
	next   uint64           // what the next to come gets
	young  uint64           // the first that settle has not seen
	find   map[key]uint64   // by name
	queues map[key][]uint64 // those who wait, by for whom
}

func newRing(most int) ring {
	return ring{most: most, find: map[key]uint64{}, queues: map[key][]uint64{}}
}

func (r *ring) at(seq uint64) *record { return &r.slots[seq%uint64(r.most)] } //nolint:gosec // most is at least 16

// get returns the record of a name, nil when it is not kept.
func (r *ring) get(k key) *record {
	seq, ok := r.find[k]
	if !ok {
		return nil
	}
	return r.at(seq)
}

// push keeps a record in the place of the oldest, for which there is room by now.
func (r *ring) push(rec record) uint64 {
	seq := r.next
	if int(seq) < r.most { //nolint:gosec // it only counts up
		r.slots = append(r.slots, rec)
	} else {
		*r.at(seq) = rec
	}
	r.next++
	r.find[rec.key] = seq
	return seq
}

// drop forgets the oldest.
func (r *ring) drop() {
	rec := r.at(r.first)
	r.leave(r.first, rec)
	delete(r.find, rec.key)
	*rec = record{}
	r.first++
	r.young = max(r.young, r.first)
}

// wait puts a record into the queue of another that is not there yet.
func (r *ring) wait(seq uint64, rec *record, forWhom key) {
	r.leave(seq, rec)
	rec.waits = forWhom
	r.queues[forWhom] = append(r.queues[forWhom], seq)
}

// leave takes a record out of the queue that it is in.
func (r *ring) leave(seq uint64, rec *record) {
	if rec.waits == (key{}) {
		return
	}
	queue := r.queues[rec.waits]
	switch i := slices.Index(queue, seq); {
	case i == 0: // the rule, as the oldest goes first
		queue = queue[1:]
	case i > 0:
		queue = slices.Delete(queue, i, i+1)
	}
	if len(queue) == 0 {
		delete(r.queues, rec.waits)
	} else {
		r.queues[rec.waits] = queue
	}
	rec.waits = key{}
}

// called returns those who wait for a name, who then wait no more.
func (r *ring) called(k key) []uint64 {
	queue, ok := r.queues[k]
	if !ok {
		return nil
	}
	delete(r.queues, k)
	for _, seq := range queue {
		r.at(seq).waits = key{}
	}
	return queue
}

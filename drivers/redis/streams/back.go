package streams

import (
	"context"
)

// seen returns the numbers that the server had confirmed so far of messages in lanes.
func (b *broker) seen(lanes []string) map[string]int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := make(map[string]int64, len(lanes))
	for _, lane := range lanes {
		before[lane] = b.confirmed[lane]
	}
	return before
}

// stored notes the number that the server gave a message. One that is no greater than what it had confirmed before it was asked says that the
// server has forgotten events: it was emptied, restored, or came back without what it had not written to its disk. That is said once.
func (b *broker) stored(ctx context.Context, lane string, number int64, before map[string]int64) {
	b.mu.Lock()
	was := b.confirmed[lane]
	back := number <= before[lane] && was >= before[lane]
	if back || number > was {
		b.confirmed[lane] = number
	}
	if back { // the other lanes have gone back with it, and it is said already
		clear(b.confirmed)
		clear(b.owners) // its list is gone too
		b.confirmed[lane] = number
	}
	b.mu.Unlock()
	if back {
		b.log.ErrorContext(ctx, "the broker has lost events that it had confirmed: its store was emptied or restored, or it came back without what it had not synced (appendfsync); "+
			"what was not handled yet is lost, and must be found out from the databases of those who published", "stream", lane, "confirmed", was, "now", number)
	}
}

package block

import (
	"bytes"
	"encoding/binary"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Between calls each with the ids of traces from low to high, both included, in their
// order, until it returns false. The block is pinned.
func (b *File) Between(low, high signal.TraceID, each func(signal.TraceID) bool) error {
	last := binary.BigEndian.Uint64(high[:])
	for g := b.group(binary.BigEndian.Uint64(low[:])); g < len(b.Groups) && b.Groups[g].First <= last; g++ {
		ids, err := b.traceIDs(g)
		if err != nil {
			return err
		}
		for ; len(ids) >= len(low); ids = ids[len(low):] {
			id := signal.TraceID(ids)
			if bytes.Compare(id[:], low[:]) >= 0 && bytes.Compare(id[:], high[:]) <= 0 && !each(id) {
				return nil
			}
		}
	}
	return nil
}

// group returns the first group that may have ids which begin so, or later ones: those
// whose first begins so may, and so may the one before.
func (b *File) group(first uint64) int {
	low, high := 0, len(b.Groups)
	for low < high {
		if mid := (low + high) / 2; b.Groups[mid].First < first {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return max(low-1, 0)
}

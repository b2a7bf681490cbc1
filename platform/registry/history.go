package registry

import (
	"cmp"
	"slices"

	"github.com/musterdev/muster/call/discovery"
)

// history is a ring of the last changes. It keeps which instance changed, not what:
// who asks gets the present state, and several changes of one instance once.
type history struct {
	ring []discovery.Ref // its capacity is fixed at the start
	next int             // where the next change goes once the ring is full
}

func (h *history) add(ref discovery.Ref) {
	if len(h.ring) < cap(h.ring) {
		h.ring = append(h.ring, ref)
		return
	}
	h.ring[h.next] = ref
	h.next = (h.next + 1) % len(h.ring)
}

// since returns the instances that changed after the given index, sorted, when the
// last change has the index last. It reports false when it no longer has them all.
func (h *history) since(index, last uint64) ([]discovery.Ref, bool) {
	if last-index > uint64(len(h.ring)) {
		return nil, false
	}
	n := int(last - index) //nolint:gosec // at most len(ring)
	refs := make([]discovery.Ref, 0, n)
	for i := range n {
		// next is the oldest of a full ring and 0 in one that is not
		refs = append(refs, h.ring[(h.next+len(h.ring)-n+i)%len(h.ring)])
	}
	slices.SortFunc(refs, func(a, b discovery.Ref) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.ID, b.ID))
	})
	return slices.Compact(refs), true
}

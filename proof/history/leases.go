package history

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// The operations on a lease, each with its name.
type (
	// Take is answered with the fence of the new holder, an int64.
	Take struct{ Name string }
	// Check commits Held.Check of a fence together with writing that fence: true, or false when the lease was lost.
	Check struct {
		Name  string
		Fence int64
	}
	// Let lets go of a lease, or lets it lapse as if its time had passed, whoever holds it.
	Let struct{ Name string }
	// Look is answered with the fence that was written last, 0 for none.
	Look struct{ Name string }
)

// leased is a lease as it is at one moment.
type leased struct {
	fence    int64 // of the last holder
	free     bool  // it was let go of, and not extended since
	extended int64 // not before this
	written  int64
}

// Leases says what is right of leases that last so long: a fence is larger than all before; nobody takes a
// lease that is held; only the last holder's Check succeeds, and his does.
func Leases(length time.Duration) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Partition: func(h []porcupine.Operation) [][]porcupine.Operation { return partition(h, leaseOf) },
		Init:      func() []any { return []any{leased{free: true}} },
		Step: func(state, input, output any) []any {
			s, _ := state.(leased)
			in, _ := input.(timed)
			return s.step(in, output, length)
		},
		DescribeOperation: func(input, output any) string {
			in, _ := input.(timed)
			return fmt.Sprintf("%T%+v -> %v", in.what, in.what, output)
		},
	}
	return m.ToModel()
}

func leaseOf(input any) string {
	switch in := input.(type) {
	case Take:
		return in.Name
	case Check:
		return in.Name
	case Let:
		return in.Name
	case Look:
		return in.Name
	default:
		return ""
	}
}

// step returns what a lease may be after an operation, nothing where its answer is wrong.
func (s leased) step(in timed, output any, length time.Duration) []any {
	switch op := in.what.(type) {
	case Take:
		next := leased{fence: s.fence + 1, extended: in.call, written: s.written}
		if output == nil {
			return []any{s, next}
		}
		if fence, _ := output.(int64); fence != next.fence || !s.free && in.returned < s.extended+int64(length) {
			return nil
		}
		return []any{next}
	case Check:
		next := leased{fence: s.fence, extended: in.call, written: op.Fence}
		if output == nil && op.Fence == s.fence {
			return []any{s, next}
		}
		if output == nil {
			return []any{s}
		}
		if ok, _ := output.(bool); ok != (op.Fence == s.fence) {
			return nil
		} else if ok {
			return []any{next}
		}
		return []any{s}
	case Let:
		freed := s
		freed.free = true
		if output == nil {
			return []any{s, freed}
		}
		return []any{freed}
	case Look:
		if output != nil && output != any(s.written) {
			return nil
		}
		return []any{s}
	default:
		return nil
	}
}

package history

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// The operations on an idempotency key.
type (
	// Once is idempotency.Run: Own is the answer of its function, Print what the request was.
	Once struct{ Key, Print, Own string }
	// Claim is idempotency.Begin.
	Claim struct{ Key, Print string }
	// Finish puts an answer on record, by the claim with this fence.
	Finish struct {
		Key   string
		Fence int64
		Own   string
	}
	// Lapse ends a claim as if its time had passed, or releases it.
	Lapse struct{ Key string }
)

// The answers besides: an [Answer], or the fence of a Claim, an int64.
type (
	// Answer is the one on record, or the one that was put there.
	Answer string
	// No is why there was none.
	No string
)

// Why there is no answer.
const (
	InFlight No = "in flight" // another attempt is under way
	Mismatch No = "mismatch"  // the key was used for another request
	Fenced   No = "fenced"    // another attempt has taken over, or there is an answer
	Failed   No = "failed"    // its own function did, and nothing was recorded
	Finished No = "finished"  // no refusal: of Finish and Lapse
)

// keyed is a key as it is at one moment.
type keyed struct {
	request  string // of the first request
	answer   string // "": none yet
	fence    int64  // of the last attempt; 0: there is no record
	free     bool
	extended int64
}

// Keys says what is right of keys whose claims last so long: the first effect wins, and its answer is the
// answer for ever; what is in flight is refused until it was given up; who was taken over finishes nothing.
func Keys(length time.Duration) porcupine.Model {
	m := porcupine.NondeterministicModel{
		Partition: func(h []porcupine.Operation) [][]porcupine.Operation { return partition(h, keyOf) },
		Init:      func() []any { return []any{keyed{free: true}} },
		Step: func(state, input, output any) []any {
			s, _ := state.(keyed)
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

func keyOf(input any) string {
	switch in := input.(type) {
	case Once:
		return in.Key
	case Claim:
		return in.Key
	case Finish:
		return in.Key
	case Lapse:
		return in.Key
	default:
		return ""
	}
}

func (s keyed) step(in timed, output any, length time.Duration) []any {
	switch op := in.what.(type) {
	case Once:
		entered := keyed{request: op.Print, answer: op.Own, fence: s.fence + 1, free: true}
		return s.enter(in, op.Print, output, length, entered, Answer(op.Own))
	case Claim:
		entered := keyed{request: op.Print, fence: s.fence + 1, extended: in.call}
		return s.enter(in, op.Print, output, length, entered, entered.fence)
	case Finish:
		own := op.Fence == s.fence && s.answer == ""
		next := s
		next.answer, next.free = op.Own, true
		switch {
		case output == nil && own:
			return []any{s, next}
		case output == any(Finished) && own:
			return []any{next}
		case output == any(Fenced) && !own, output == nil:
			return []any{s}
		default:
			return nil
		}
	case Lapse:
		freed := s
		freed.free = true
		if output == nil {
			return []any{s, freed}
		}
		return []any{freed}
	default:
		return nil
	}
}

// enter is an attempt: right answers are its own, where nobody else is at it; the one on record; and why there is none.
func (s keyed) enter(in timed, request string, output any, length time.Duration, entered keyed, own any) []any {
	known := s.fence > 0
	may := s.answer == "" && (!known || s.request == request) && (s.free || in.returned >= s.extended+int64(length))
	switch {
	case output == nil && may:
		return []any{s, entered}
	case output == nil, output == any(Failed) && may:
		return []any{s}
	case output == any(Mismatch):
		return only(s, known && s.request != request)
	case output == any(InFlight):
		return only(s, known && s.answer == "" && s.request == request && !s.free)
	case s.answer != "" && s.request == request:
		return only(s, output == any(Answer(s.answer)))
	default:
		return only(entered, may && output == own)
	}
}

func only(s keyed, right bool) []any {
	if right {
		return []any{s}
	}
	return nil
}

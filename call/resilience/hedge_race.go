package resilience

import (
	"context"
	"fmt"
	"time"
)

// Race makes one call by at most two attempts, of which the first answer counts. It
// belongs to one call. It does what a [Hedge] advises and knows nothing of protocols.
type Race[T any] struct {
	After   time.Duration    // how long the first attempt is alone; negative: it stays alone
	Another func() bool      // asked when After is over, such as Budget.Spend; nil means yes
	Final   func(error) bool // an error that ends the race like an answer; nil: an error waits for the other attempt
	Discard func(T)          // frees an answer that came too late, such as a response's body; may be called after Do has returned
}

// Won tells how a race ended.
type Won struct {
	Started bool   // there was a second attempt
	Second  bool   // its answer is the one returned
	Release func() // frees the winner's context; to be called when its answer is read to the end; never nil
}

type finish[T any] struct {
	value  T
	err    error
	second bool
}

// Do runs attempt, and once more when After has passed without its end. The first
// answer is returned and the other attempt's context cancelled; its answer, if one
// still comes, goes to Discard. When the first attempt fails before After is over, its
// error is returned at once: repeating it is for [Retry]. When both fail, the first
// error is returned. A panic of attempt becomes an error.
func (r Race[T]) Do(ctx context.Context, attempt func(ctx context.Context, second bool) (T, error)) (T, Won, error) {
	if r.After < 0 {
		value, err := attempt(ctx, false)
		return value, Won{Release: func() {}}, err
	}
	var cancels [2]context.CancelFunc
	ends := make(chan finish[T], 2) // room for both, so that the loser never blocks
	start := func(i int) {
		own, cancel := context.WithCancel(ctx)
		cancels[i] = cancel
		go func() { ends <- run(own, i == 1, attempt) }()
	}
	start(0)
	t := time.NewTimer(r.After)
	defer t.Stop()
	alone := t.C
	running, won := 1, Won{}
	var first *finish[T] // an error that waits for the other attempt
	for {
		select {
		case <-alone:
			alone = nil
			if r.Another == nil || r.Another() {
				start(1)
				running, won.Started = running+1, true
			}
		case end := <-ends:
			running--
			if end.err != nil && running > 0 && (r.Final == nil || !r.Final(end.err)) {
				first = &end
				continue
			}
			if end.err != nil && first != nil {
				end = *first
			}
			r.settle(cancels, end.second, running, ends)
			won.Second, won.Release = end.second, cancels[index(end.second)]
			return end.value, won, end.err
		}
	}
}

// settle cancels the loser and frees what it may still bring.
func (r Race[T]) settle(cancels [2]context.CancelFunc, second bool, running int, ends <-chan finish[T]) {
	if lost := cancels[index(!second)]; lost != nil {
		lost()
	}
	if running == 0 {
		return
	}
	go func() {
		if late := <-ends; late.err == nil && r.Discard != nil {
			r.Discard(late.value)
		}
	}()
}

func index(second bool) int {
	if second {
		return 1
	}
	return 0
}

func run[T any](ctx context.Context, second bool, attempt func(context.Context, bool) (T, error)) (end finish[T]) {
	end.second = second
	defer func() {
		if p := recover(); p != nil { // it runs on a goroutine of its own: nobody above could recover it
			end.err = fmt.Errorf("the attempt panicked: %v", p)
		}
	}()
	end.value, end.err = attempt(ctx, second)
	return end
}

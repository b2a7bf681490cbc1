// Package history records what many do at the same time with leases (data/lease) and
// idempotency keys (data/idempotency), and has porcupine decide whether there is an order of it, one after
// the other, in which each was answered rightly: whether it was linearizable.
//
// [Leases] and [Keys] say what is right. A history is checked for each name and each key by itself.
package history

import (
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// Log records operations. Its zero value is usable, by any number of goroutines.
type Log struct {
	mu    sync.Mutex
	began time.Time
	list  []porcupine.Operation
}

// now is the time since the log began, by the monotonic clock.
func (l *Log) now() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.began.IsZero() {
		l.began = time.Now()
	}
	return int64(time.Since(l.began))
}

// Do records what client does: do returns what it came to. nil says that this is not known, for the
// connection broke: then it may take effect at any later time, or never.
func (l *Log) Do(client int, input any, do func() (output any)) {
	call := l.now()
	output := do()
	l.add(client, input, output, call, l.now())
}

// Began returns the moment at which something begins that [Log.Add] is told of once it has ended.
func (l *Log) Began() int64 { return l.now() }

// Add records what began at the moment call and ends now.
func (l *Log) Add(client int, input, output any, call int64) {
	l.add(client, input, output, call, l.now())
}

func (l *Log) add(client int, input, output any, call, returned int64) {
	if output == nil {
		returned = int64(time.Hour) // later than all others
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, porcupine.Operation{
		ClientId: client, Call: call, Return: returned,
		Input: timed{input, call, returned}, Output: output,
	})
}

// timed is an input with when it was called and answered: what has a lease may end by itself.
type timed struct {
	what           any
	call, returned int64
}

// Operations returns what was recorded.
func (l *Log) Operations() []porcupine.Operation {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]porcupine.Operation(nil), l.list...)
}

// partition tells operations apart by the name that they are about.
func partition(history []porcupine.Operation, name func(input any) string) [][]porcupine.Operation {
	var order []string
	parts := map[string][]porcupine.Operation{}
	for _, op := range history {
		in, _ := op.Input.(timed)
		n := name(in.what)
		if parts[n] == nil {
			order = append(order, n)
		}
		parts[n] = append(parts[n], op)
	}
	list := make([][]porcupine.Operation, len(order))
	for i, n := range order {
		list[i] = parts[n]
	}
	return list
}

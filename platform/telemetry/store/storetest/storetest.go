// Package storetest is the suite that every signal.Store passes: it is asked what the
// contract says, beside a model that keeps all in a slice.
package storetest

import (
	"context"
	"testing"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Run runs the suite. open opens the store in a folder, for the second time too: then it
// must have what was kept. It must close the store when the test ends, and is called again
// with the same folder only after the function it returned has closed the one before.
func Run(t *testing.T, open func(t *testing.T, dir string) (s signal.Store, closed func())) {
	t.Helper()
	fresh := func(t *testing.T) signal.Store {
		s, _ := open(t, t.TempDir())
		return s
	}
	t.Run("empty", func(t *testing.T) { testEmpty(t, fresh(t)) })
	t.Run("everything of a span", func(t *testing.T) { testWholeSpan(t, fresh(t)) })
	t.Run("everything of a log record", func(t *testing.T) { testWholeLog(t, fresh(t)) })
	t.Run("duplicates", func(t *testing.T) { testDuplicates(t, fresh(t)) })
	t.Run("order and scope", func(t *testing.T) { testOrder(t, fresh(t)) })
	t.Run("large", func(t *testing.T) { testLarge(t, fresh(t)) })
	t.Run("strange", func(t *testing.T) { testStrange(t, fresh(t)) })
	t.Run("many keys", func(t *testing.T) { testManyKeys(t, fresh(t)) })
	t.Run("canceled", func(t *testing.T) { testCanceled(t, fresh(t)) })
	t.Run("concurrent", func(t *testing.T) { testConcurrent(t, fresh(t)) })
	t.Run("usage", func(t *testing.T) { testUsage(t, fresh(t)) })
	t.Run("again", func(t *testing.T) { testAgain(t, open) })
	t.Run("model", func(t *testing.T) { testModel(t, open) })
}

func keep(t *testing.T, s signal.Store, b signal.Batch) {
	t.Helper()
	if err := s.Append(context.Background(), b); err != nil {
		t.Fatalf("append: %v", err)
	}
}

// spans returns what a query finds.
func spans(t fataler, s signal.Store, q signal.SpanQuery) []signal.Span {
	t.Helper()
	var found []signal.Span
	for sp, err := range s.Spans(context.Background(), q) {
		if err != nil {
			t.Fatalf("query %+v: %v", q, err)
		}
		found = append(found, *sp)
	}
	return found
}

// logs returns what a query finds.
func logs(t fataler, s signal.Store, q signal.LogQuery) []signal.Log {
	t.Helper()
	var found []signal.Log
	for l, err := range s.Logs(context.Background(), q) {
		if err != nil {
			t.Fatalf("query %+v: %v", q, err)
		}
		found = append(found, *l)
	}
	return found
}

func trace(t fataler, s signal.Store, id signal.TraceID) []signal.Span {
	t.Helper()
	found, err := s.Trace(context.Background(), id)
	if err != nil {
		t.Fatalf("trace %s: %v", id, err)
	}
	return found
}

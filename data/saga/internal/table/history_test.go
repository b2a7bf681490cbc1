package table

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWhatARowKeepsOfItsHistory(t *testing.T) {
	at := func(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
	for kept, want := range map[string][]Event{
		"":                                  {},
		"2 1763920000000 ask do done;":      {{Seq: 2, Step: "ask", Direction: "do", Outcome: "done", At: at(1763920000000)}},
		"2 1 a do waits;5 9 b-c undo done;": {{Seq: 2, Step: "a", Direction: "do", Outcome: "waits", At: at(1)}, {Seq: 5, Step: "b-c", Direction: "undo", Outcome: "done", At: at(9)}},
	} {
		if got, err := events(kept); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %+v, %v", kept, got, err)
		}
	}
	for _, kept := range []string{"x", "2 1 a do", "2 x a do done;", "2 1 a do done;;"} {
		if got, err := events(kept); err == nil || !strings.Contains(err.Error(), "cannot be read") {
			t.Errorf("%q: %+v, %v", kept, got, err)
		}
	}
}

// What has an error, or a person behind it, is a row of its own: the saga's row keeps what has neither.
func TestWhatIsNotKeptInTheRow(t *testing.T) {
	from := Row{Step: "pay", Undoing: true}
	for kept, why := range map[string]*Event{
		"pay undo done":  {Outcome: "done"},
		"pay undo waits": {Outcome: "waits"},
	} {
		if got := (&Move{From: &from, Why: why}).past(); got != kept {
			t.Errorf("%+v: %q", why, got)
		}
	}
	for _, why := range []*Event{nil, {Outcome: "done", Why: "answered"}, {Outcome: "skipped", By: "ann"}, {Outcome: "retry", Error: "no"}, {Outcome: "done", By: "ann"}, {Outcome: "rejected"}} {
		if got := (&Move{From: &from, Why: why}).past(); got != "" {
			t.Errorf("%+v: %q", why, got)
		}
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("2 1763920000000 ask do done;3 1763920000001 tell do waits;")
	f.Fuzz(func(t *testing.T, kept string) {
		list, err := events(kept)
		if err == nil && len(list) < strings.Count(kept, ";") {
			t.Errorf("%q: %d events", kept, len(list))
		}
	})
}

package discovery

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// told writes an answer as "E2 reset +c1 +c2? -c3 known".
func told(text string) Changes {
	words := strings.Fields(text)
	c := Changes{Epoch: words[0], Index: 1}
	for _, word := range words[1:] {
		id := word[1:]
		switch {
		case word == "reset":
			c.Reset = true
		case word == "known":
			c.Known = []string{"cart"}
		case word[0] == '+':
			c.Changed = append(c.Changed, instance(id))
		case word[0] == '-':
			c.Removed = append(c.Removed, Ref{"cart", id})
		}
	}
	return c
}

func instance(id string) Instance {
	in := Instance{ID: strings.TrimSuffix(id, "?"), Service: "cart", State: Ready, Endpoints: map[string]string{HTTP: "127.0.0.1:1"}}
	if strings.HasSuffix(id, "?") {
		in.State = Starting
	}
	return in
}

func ids(list []Instance) string {
	words := make([]string, len(list))
	for i, in := range list {
		words[i] = in.ID
		if in.State == Starting {
			words[i] += "?"
		}
	}
	return strings.Join(words, " ")
}

func TestBook(t *testing.T) {
	type step struct {
		says  string // an answer, or a time that passes
		shows string
	}
	for _, tc := range []struct {
		name   string
		cached string
		steps  []step
	}{
		{"follows", "", []step{
			{"E1 reset +a +b known", "a b"}, {"E1 +c known", "a b c"}, {"E1 -a +b? known", "b? c"}, {"E1 -b -c known", ""},
		}},
		{"keeps order by id", "", []step{{"E1 reset +c +a +b known", "a b c"}}},
		{"a gap is a new beginning", "", []step{{"E1 reset +a +b known", "a b"}, {"E1 reset +b known", "b"}}},
		{"explicitly empty", "", []step{{"E1 reset +a known", "a"}, {"E1 reset known", ""}}},
		{"explicitly empty in a new epoch", "", []step{{"E1 reset +a known", "a"}, {"E2 reset known", ""}}},
		{"unknown is not empty", "", []step{{"E1 reset +a known", "a"}, {"E2 reset", "a"}, {"1h", "a"}, {"E3 reset", "a"}}},
		{"a registry that remembers some", "", []step{
			{"E1 reset +a +b known", "a b"}, {"E2 reset +a? known", "a? b"}, {"3s", "a? b"}, {"1s", "a?"},
		}},
		{"and learns of the rest", "", []step{
			{"E1 reset +a +b known", "a b"}, {"E2 reset +a known", "a b"}, {"1s", "a b"}, {"E2 +b? known", "a b?"}, {"3s", "a b?"},
		}},
		{"a registry that learns slowly", "", []step{
			{"E1 reset +a +b known", "a b"}, {"E2 reset", "a b"}, {"1h", "a b"}, {"E2 +b known", "a b"}, {"3s", "a b"}, {"1s", "b"},
		}},
		{"a removal is believed at once", "", []step{
			{"E1 reset +a +b known", "a b"}, {"E2 reset +a +b known", "a b"}, {"E2 -a known", "b"}, {"E2 -b known", ""},
		}},
		{"a removal of what is doubtful", "", []step{
			{"E1 reset +a +b known", "a b"}, {"E2 reset +c known", "a b c"}, {"E2 -a known", "b c"},
		}},
		{"two restarts", "", []step{
			{"E1 reset +a +b known", "a b"}, {"E2 reset +a known", "a b"}, {"3s", "a b"}, {"E3 reset +a known", "a b"}, {"3s", "a b"}, {"1s", "a"},
		}},
		{"a gap while in doubt", "", []step{
			{"E1 reset +a +b known", "a b"}, {"E2 reset +a known", "a b"}, {"E2 reset +a known", "a b"}, {"4s", "a"},
		}},
		{"from disk", "a b", []step{{"1h", "a b"}, {"E1 reset", "a b"}, {"1h", "a b"}}},
		{"a disk is not believed against a registry", "a b", []step{{"E1 reset +a known", "a"}}},
		{"nor when the registry learns later", "a b", []step{{"E1 reset", "a b"}, {"E1 +c known", "c"}}},
		{"nor when it says empty", "a b", []step{{"E1 reset known", ""}}},
		{"changes of an unknown epoch", "a", []step{{"E1 +b known", "a"}, {"E1 reset +b known", "b"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := start
			b := book{entries: map[string]*entry{}}
			var cached []Instance
			for id := range strings.FieldsSeq(tc.cached) {
				cached = append(cached, instance(id))
			}
			view := b.track("cart", cached)
			for _, s := range tc.steps {
				if d, err := time.ParseDuration(s.says); err == nil {
					now = now.Add(d)
					b.settle(now)
				} else {
					b.apply(told(s.says), now)
				}
				if got := ids(view.Instances()); got != s.shows {
					t.Fatalf("after %q: got %q, want %q", s.says, got, s.shows)
				}
			}
		})
	}
}

func TestBookAsksForWhatItLacks(t *testing.T) {
	b := book{entries: map[string]*entry{}}
	b.track("cart", nil)
	if !b.apply(told("E1 reset +a known"), start) || b.apply(Changes{Epoch: "E1", Index: 7}, start) {
		t.Error("news are not told from no news")
	}
	if w := b.watch(time.Second); w.Epoch != "E1" || w.Index != 7 || w.Wait != time.Second || fmt.Sprint(w.Services) != "[cart]" {
		t.Errorf("got %+v", w)
	}
	b.track("stock", nil)
	if w := b.watch(0); w.Epoch != "" || w.Index != 0 || fmt.Sprint(w.Services) != "[cart stock]" {
		t.Errorf("with one more service: got %+v", w)
	}
	for i := range MaxWatchServices {
		b.track(fmt.Sprintf("s%d", i), nil)
	}
	if w := b.watch(0); w.Services != nil {
		t.Errorf("of too many to name, all are watched: got %d", len(w.Services))
	}
}

func TestBookLeavesViewsAloneWithoutChange(t *testing.T) {
	b := book{entries: map[string]*entry{}}
	view := b.track("cart", nil)
	b.apply(told("E1 reset +a known"), start)
	list, changed := view.Instances(), view.Changed()
	b.apply(told("E2 reset +a known"), start)
	select {
	case <-changed:
		t.Error("the view changed")
	default:
	}
	if &list[0] != &view.Instances()[0] {
		t.Error("the view holds another list")
	}
}

func TestBookSaysWhenItIsDue(t *testing.T) {
	b := book{entries: map[string]*entry{}}
	b.track("cart", nil)
	b.apply(told("E1 reset +a +b known"), start)
	if at := b.due(); !at.IsZero() {
		t.Errorf("got %v without doubts", at)
	}
	b.apply(told("E2 reset +a known"), start)
	if at, want := b.due(), start.Add(LeaseTTL); at != want {
		t.Errorf("got %v, want %v", at, want)
	}
	b.settle(start.Add(LeaseTTL))
	if at := b.due(); !at.IsZero() {
		t.Errorf("got %v afterwards", at)
	}
}

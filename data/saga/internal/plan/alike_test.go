package plan

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestErrorsOfOneKindAreAlike(t *testing.T) {
	for _, same := range [][]string{
		{`order o-17: no price for "tea"`, `order o-4711: no price for "green tea"`},
		{"dial tcp 127.0.0.1:5432: connection refused", "dial tcp 127.0.0.1:61000: connection refused"},
		{"key 7f3a-22 at 2026-11-23T19:00:00Z is gone", "key 8c-11 at 2026-11-24T01:02:03Z is gone"},
		{"token abcdefghijklmnopqrstuvwx is old", "token zyxwvutsrqponmlkjihgfedc is old"},
		{"a  b\n7", "a b 8"},
		{"order o-17: gone", "order o-4: gone"},
		{strings.Repeat("it failed so ", 50) + "one", strings.Repeat("it failed so ", 50) + "two"},
	} {
		a, b := Outcome{Kind: Fault, Text: same[0]}, Outcome{Kind: Fault, Text: same[1]}
		if Alike(a, "") != Alike(b, "") {
			t.Errorf("%q and %q: %q, %q", a.Text, b.Text, Fold(a.Text), Fold(b.Text))
		}
	}
	for _, other := range [][]string{
		{"the certificate has expired", "the certificate is revoked"},
		{"no price for 'tea'", "no room for 'tea'"},
	} {
		if a, b := Fold(other[0]), Fold(other[1]); a == b {
			t.Errorf("%q and %q are both %q", other[0], other[1], a)
		}
	}
	if Alike(Outcome{Kind: Bug, Text: "x"}, "") == Alike(Outcome{Kind: Fault, Text: "x"}, "") {
		t.Error("a mistake is like a failure")
	}
	if Alike(Outcome{Text: "of anna: no card"}, "anna") != Alike(Outcome{Text: "of b-1: no card"}, "b-1") {
		t.Error("the id of the saga tells errors apart")
	}
	if Alike(Outcome{Text: "a card is lost"}, "a") != Alike(Outcome{Text: "a card is lost"}, "o") {
		t.Error("a short id is taken out of words")
	}
}

// Whatever an error says, what is kept of it is short, valid, and folded for good.
func FuzzFold(f *testing.F) {
	f.Add(`order "o-17" is 'gone'`)
	f.Add("\xff'")
	f.Fuzz(func(t *testing.T, text string) {
		got := Fold(text)
		if len(got) > mostAlike || utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%q became %q", text, got)
		}
		if strings.ContainsAny(got, "0123456789") {
			t.Errorf("%q has a digit", got)
		}
	})
}

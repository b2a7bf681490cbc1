package main

import (
	"strings"
	"testing"

	"github.com/musterdev/muster/shop/catalog"
	"github.com/musterdev/muster/shop/verify"
)

func TestOutcomeSaysWhatDidNotHold(t *testing.T) {
	for want, o := range map[string]outcome{
		"":                         {Orders: 1, Kills: map[string]int{"cart": 2}, Careless: careless{Failed: 2}},
		"3 requests failed":        {Orders: 1, Failed: 3},
		"nobody could order":       {},
		"1 invariants violated":    {Orders: 1, Violations: []verify.Violation{{Invariant: "a"}, {Invariant: "a"}}},
		"failed 2 times, in 1 kil": {Orders: 1, Kills: map[string]int{"cart": 1}, Careless: careless{Failed: 2}},
	} {
		o.judge()
		if got := strings.Join(o.missed, "; "); o.Held != (want == "") || !strings.Contains(got, want) {
			t.Errorf("held %v, missed %q, want %q", o.Held, got, want)
		}
	}
}

func TestCheapestMug(t *testing.T) {
	var cheapest catalog.Product
	for _, p := range catalog.Generate() {
		if p.Category == "mugs" && (cheapest.ID == "" || p.Price < cheapest.Price) {
			cheapest = p
		}
	}
	if cheapest.ID != cheapestMug {
		t.Errorf("the cheapest mug is %s, the demo orders %s", cheapest.ID, cheapestMug)
	}
}

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{
		"/usr/bin/muster": "/usr/bin/muster", "/home/a b/muster": "'/home/a b/muster'", "": "''", "it's": `'it'\''s'`, "~": "'~'", "$HOME": "'$HOME'",
	} {
		if got := shellWord(in); got != want {
			t.Errorf("shellWord(%q) = %s, want %s", in, got, want)
		}
	}
}

package main

import (
	"testing"

	"github.com/musterdev/muster/shop/catalog"
)

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

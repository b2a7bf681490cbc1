package events_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/musterdev/muster/bus/asyncapi"
	"github.com/musterdev/muster/shop/events"
)

// What a document says that its service sends, muster.yaml says too; and nobody receives what nobody sends.
func TestDocuments(t *testing.T) {
	text, err := os.ReadFile("../muster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var sent, received []string
	for name, d := range map[string]*asyncapi.Document{
		"catalog": events.Catalog(), "inventory": events.Inventory(), "orders": events.Orders(),
		"payments": events.Payments(), "search": events.Search(), "shipping": events.Shipping(),
	} {
		if d.Err() != nil {
			t.Fatal(d.Err())
		}
		sends, receives, err := asyncapi.Topics(d.JSON())
		if err != nil {
			t.Fatal(err)
		}
		var declared []string
		of := regexp.MustCompile(`(?m)^  ` + name + `:.*\n(?:    .*\n)*?    publishes: \[?([^]\n]+)`).FindSubmatch(text)
		if of != nil {
			declared = strings.Split(string(of[1]), ", ")
		}
		slices.Sort(declared)
		if !slices.Equal(sends, declared) {
			t.Errorf("%s sends %q, and publishes %q", name, sends, declared)
		}
		sent, received = append(sent, sends...), append(received, receives...)
	}
	for _, topic := range received {
		if !slices.Contains(sent, topic) {
			t.Errorf("nobody sends %s", topic)
		}
	}
}

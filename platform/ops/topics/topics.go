// Package topics asks the services of a fleet that runs for their AsyncAPI documents: who
// sends and who receives which events.
package topics

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/musterdev/muster/bus/asyncapi"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/problem"
)

// Documents returns the AsyncAPI documents of all services that have one, by name.
func Documents(ctx context.Context, f *ops.Fleet) (map[string]json.RawMessage, error) {
	return ops.All(ctx, f, func(ctx context.Context, s ops.Service) (text json.RawMessage, has bool, err error) {
		if has, err = s.Get(ctx, asyncapi.Path, &text); err != nil || !has {
			return nil, has, err
		}
		_, _, err = asyncapi.Topics(text)
		return text, err == nil, nil // else something of another kind answers there
	})
}

// Document returns the one of a service.
func Document(ctx context.Context, f *ops.Fleet, service string) (json.RawMessage, error) {
	all, err := Documents(ctx, f)
	if text, ok := all[service]; ok {
		return text, nil
	}
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(all))
	hint := "no service has one"
	if near := problem.Nearest(service, names); near != "" {
		hint = "did you mean " + near + "?"
	} else if len(names) > 0 {
		hint = "there are those of " + strings.Join(names, ", ")
	}
	return nil, problem.New(problem.NotFound, "%.60s has no AsyncAPI document at %s: %s", service, asyncapi.Path, hint)
}

// Topic is a topic with who says that it sends or receives it.
type Topic struct {
	Name     string   `json:"topic"`
	Sends    []string `json:"sends"`
	Receives []string `json:"receives"`
}

// Of returns the topics of all documents, sorted.
func Of(documents map[string]json.RawMessage) ([]Topic, error) {
	byName := map[string]*Topic{}
	get := func(name string) *Topic {
		if byName[name] == nil {
			byName[name] = &Topic{Name: name, Sends: []string{}, Receives: []string{}}
		}
		return byName[name]
	}
	for _, service := range slices.Sorted(maps.Keys(documents)) {
		sends, receives, err := asyncapi.Topics(documents[service])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", service, err)
		}
		for _, name := range sends {
			t := get(name)
			t.Sends = append(t.Sends, service)
		}
		for _, name := range receives {
			t := get(name)
			t.Receives = append(t.Receives, service)
		}
	}
	list := []Topic{}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		list = append(list, *byName[name])
	}
	return list, nil
}

// Write writes topics, for people.
func Write(out io.Writer, list []Topic) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "TOPIC\tSENT BY\tRECEIVED BY")
	for _, t := range list {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", t.Name, words(t.Sends), words(t.Receives))
	}
	return w.Flush()
}

func words(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}

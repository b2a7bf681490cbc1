package topics_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/asyncapi"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/platform/ops/topics"
)

type placed struct {
	Order string            `json:"order" doc:"Its id." example:"o-1" max:"50"`
	Lines []line            `json:"lines"`
	At    time.Time         `json:"at"`
	Note  *string           `json:"note"`
	First *line             `json:"first" doc:"The dearest."`
	Tags  map[string]string `json:"tags,omitempty"`
	Bytes []byte            `json:"bytes"`
	State string            `json:"state" enum:"new,paid"`
}

type line struct {
	Cents int64   `json:"cents" min:"0"`
	Share float64 `json:"share"`
	Of    *placed `json:"of,omitempty"`
}

func document(t *testing.T, events ...asyncapi.Event) *asyncapi.Document {
	t.Helper()
	d, err := asyncapi.New(asyncapi.Info{Title: "Test", Description: "A test's."}, events...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func serve(t *testing.T, name string, h http.Handler) ops.Service {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return ops.Service{Name: name, URLs: []string{s.URL}}
}

func TestTopicsOfAFleet(t *testing.T) {
	ordered, paid := bus.Topic[placed]{Name: "orders.placed"}, bus.Topic[line]{Name: "payments.captured"}
	foreign := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"hello":"world"}`))
	})
	f := &ops.Fleet{Services: []ops.Service{
		serve(t, "cart", foreign), serve(t, "legacy", http.NotFoundHandler()),
		serve(t, "notify", document(t, asyncapi.Receives(ordered, ""), asyncapi.Receives(paid, ""))),
		serve(t, "orders", document(t, asyncapi.Sends(ordered, ""), asyncapi.Receives(paid, ""))),
	}}
	all, err := topics.Documents(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	list, err := topics.Of(all)
	var table bytes.Buffer
	if err != nil || topics.Write(&table, list) != nil {
		t.Fatal(err)
	}
	const want = "TOPIC              SENT BY  RECEIVED BY\n" +
		"orders.placed      orders   notify\n" +
		"payments.captured  -        notify, orders\n"
	if table.String() != want {
		t.Errorf("%s", &table)
	}
	text, err := topics.Document(t.Context(), f, "orders")
	if err != nil || !strings.Contains(string(text), `"send.orders.placed"`) {
		t.Errorf("%s, %v", text, err)
	}
	for name, says := range map[string]string{"order": "did you mean orders?", "cart": "there are those of notify, orders"} {
		if _, err := topics.Document(t.Context(), f, name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f.Services = append(f.Services, ops.Service{Name: "stopped", Stopped: true})
	if _, err := topics.Document(t.Context(), f, "orders"); err != nil {
		t.Errorf("beside one that is stopped: %v", err)
	}
	if _, err := topics.Document(t.Context(), f, "stopped"); err == nil || !strings.Contains(err.Error(), "no instance to ask") {
		t.Errorf("of one that is stopped: %v", err)
	}
}

// The specification's own schema finds nothing wrong with what bus/asyncapi writes.
func TestDocumentsAreValid(t *testing.T) {
	const name = "3.0.0.json"
	root := filepath.Join("..", "..", "..")
	out, err := exec.Command(filepath.Join(root, "scripts", "npm.sh")).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 3 {
		t.Skipf("no schema of AsyncAPI: %s", bytes.TrimSpace(out))
	}
	if err != nil {
		t.Fatalf("scripts/npm.sh: %v\n%s", err, out)
	}
	f, err := os.Open(filepath.Join(root, "build", "npm", "node_modules", "@asyncapi", "specs", "schemas", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	schema, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, schema); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	valid := func(text []byte) error {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return err
		}
		return compiled.Validate(v)
	}
	d := document(t, asyncapi.Sends(bus.Topic[placed]{Name: "orders.placed"}, "When a shopper orders."), asyncapi.Receives(bus.Topic[placed]{Name: "orders.placed"}, ""),
		asyncapi.Receives(bus.Topic[*structpb.Value]{Name: "values.set"}, ""), asyncapi.Sends(bus.Topic[map[string]any]{Name: "things.happened"}, ""))
	if err := valid(d.JSON()); err != nil {
		t.Errorf("%v\n%s", err, d.JSON())
	}
	if err := valid(document(t).JSON()); err != nil {
		t.Errorf("of no events: %v", err)
	}
	var broken map[string]any
	if err := json.Unmarshal(d.JSON(), &broken); err != nil {
		t.Fatal(err)
	}
	broken["operations"] = map[string]any{"x": map[string]any{"action": "shout"}}
	text, err := json.Marshal(broken)
	if err != nil || valid(text) == nil {
		t.Error("what is no AsyncAPI is not noticed")
	}
}

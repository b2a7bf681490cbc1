package ops_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/problem"
)

// A step at which many fail is shown as held, by a person's words for it, and lifted by its name.
func TestHeldSteps(t *testing.T) {
	orders, returns := newService(t, "orders", "checkout"), newService(t, "returns", "refund")
	f := &ops.Fleet{Services: append(foreign(t)[2:], orders.Service, returns.Service)}
	for i := range 5 { // each is paused by a mistake
		orders.start(t, &ops.Fleet{Services: []ops.Service{orders.Service}}, "checkout", fmt.Sprint("o-", i))
	}
	begin := func(id string) {
		if err := tx.Do(t.Context(), orders.db, func(ctx context.Context, t *sql.Tx) error {
			return orders.sagas["checkout"].Start(ctx, t, id, state{"late"})
		}); err != nil {
			t.Fatal(err)
		}
	}
	begin("late")
	var list []ops.Held
	for deadline := time.Now().Add(10 * time.Second); len(list) == 0 || list[0].Waiting == 0; time.Sleep(5 * time.Millisecond) {
		var err error
		if list, err = f.Held(t.Context()); err != nil || time.Now().After(deadline) {
			t.Fatalf("%v, %+v", err, list)
		}
	}
	var text bytes.Buffer
	if err := ops.WriteHeld(&text, list); err != nil || len(list) != 1 || !strings.Contains(text.String(), "orders   checkout/first  1") || !strings.Contains(text.String(), "by a person") {
		t.Errorf("%v, %s", err, &text)
	}
	ann := saga.Note{By: "ann", Why: "mended"}
	for _, wrong := range []struct{ service, step, says string }{
		{"", "checkout/frist", "held are checkout/first"},
		{"", "checkout/first/undo", "held are checkout/first"},
		{"returns", "checkout/first", "no other is"},
		{"nobody", "checkout/first", "no service"},
	} {
		n, err := ops.ParseStep(wrong.step)
		if err == nil {
			_, _, err = f.ResumeStep(t.Context(), wrong.service, n, ann)
		}
		if err == nil || !strings.Contains(err.Error(), wrong.says) {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	base := serve(t, ops.Handler(func() *ops.Fleet { return f }))
	if l := asked[ops.SagaList](t, base, "GET", "/v1/ops/sagas", "", 200); len(l.Held) != 1 || l.Held[0].Service != "orders" {
		t.Errorf("%+v", l.Held)
	}
	if done := asked[saga.Resumed](t, base, "POST", "/v1/ops/sagas/orders/resume", `{"name": "checkout", "step": "first", "by": "ann", "why": "mended"}`, 200); done.Sagas != 1 {
		t.Errorf("%+v", done)
	}
	if done := asked[saga.Bulked](t, base, "POST", "/v1/ops/sagas/orders/retry", `{"name": "checkout", "error": "not yet", "by": "ann", "why": "mended"}`, 200); done.Retried < 5 {
		t.Errorf("%+v", done)
	}
	asked[map[string]any](t, base, "POST", "/v1/ops/sagas/orders/checkout/o-1/edit", `{"data": {"From": "new"}, "seq": 999, "by": "ann", "why": "x"}`, 409)
}

func TestParseStep(t *testing.T) {
	for text, want := range map[string]ops.StepName{"a/b": {Name: "a", Step: "b"}, "a/b/undo": {Name: "a", Step: "b", Undoing: true}} {
		if n, err := ops.ParseStep(text); err != nil || n != want || n.String() != text {
			t.Errorf("%s: %+v, %v", text, n, err)
		}
	}
	for _, text := range []string{"", "a", "/", "a/", "/b", "a/b/do", "a/b/undo/c"} {
		if n, err := ops.ParseStep(text); problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("%q: %+v, %v", text, n, err)
		}
	}
}

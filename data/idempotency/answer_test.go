package idempotency

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

type order struct {
	ID    string    `json:"id"`
	Lines []string  `json:"lines"`
	At    time.Time `json:"at"`
}

func roundTrip[T any](t *testing.T, v T) T {
	t.Helper()
	b, err := encode(v)
	if err != nil || len(b) == 0 {
		t.Fatalf("%#v: %q, %v", v, b, err)
	}
	var got T
	if err := decode(b, &got); err != nil {
		t.Fatalf("%#v: %v", v, err)
	}
	return got
}

func TestAnswersComeBack(t *testing.T) {
	o := order{"o1", []string{"a", "b"}, time.Date(2026, 11, 23, 1, 2, 3, 456789, time.UTC)}
	if got := roundTrip(t, o); !reflect.DeepEqual(got, o) {
		t.Errorf("%+v", got)
	}
	if got := roundTrip(t, &o); !reflect.DeepEqual(got, &o) {
		t.Errorf("%+v", got)
	}
	if got := roundTrip(t, []byte("\x00\xff")); string(got) != "\x00\xff" {
		t.Errorf("%q", got)
	}
	if got := roundTrip(t, struct{}{}); got != struct{}{} {
		t.Error(got)
	}
	if got := roundTrip(t, 42); got != 42 {
		t.Error(got)
	}
	if got := roundTrip[error](t, nil); got != nil {
		t.Error(got)
	}
	if got := roundTrip(t, durationpb.New(3*time.Second)); got.GetSeconds() != 3 {
		t.Error(got)
	}
	b, err := encode(durationpb.New(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	var direct durationpb.Duration
	if err := decode(b, &direct); err != nil || !proto.Equal(&direct, durationpb.New(time.Second)) {
		t.Errorf("%v, %v", &direct, err)
	}
}

func TestAnswersThatCannotBeKept(t *testing.T) {
	if _, err := encode(math.NaN()); err == nil || !strings.Contains(err.Error(), "cannot be recorded") {
		t.Error(err)
	}
	b, err := encode(durationpb.New(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"no pointer":         decode([]byte("j1"), 1),
		"nil":                decode([]byte("j1"), (*int)(nil)),
		"empty":              decode(nil, new(int)),
		"unknown form":       decode([]byte("z1"), new(int)),
		"another type":       decode([]byte(`j"text"`), new(int)),
		"no message":         decode(b, new(int)),
		"pointer to another": decode(b, new(*int)),
		"broken message":     decode([]byte("p\xff"), new(*durationpb.Duration)),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "idempotency: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestContexts(t *testing.T) {
	if _, ok := FromContext(t.Context()); ok || Replayed(t.Context()) {
		t.Error("a bare context has a request")
	}
	if _, ok := FromContext(WithRequest(t.Context(), Request{Scope: "s"})); ok {
		t.Error("a request without a key counts as one")
	}
	if Part(t.Context(), "x") != t.Context() {
		t.Error("a part of nothing")
	}
	ctx := WithRequest(t.Context(), Request{Scope: "s", Key: "k"})
	callOf(ctx).replayed.Store(true)
	part := Part(ctx, "mail")
	r, ok := FromContext(part)
	if !ok || r.Scope != "s mail" || r.Key != "k" || Replayed(part) || !Replayed(ctx) {
		t.Errorf("part %+v", r)
	}
}

package policy_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/policy"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

func TestRoute(t *testing.T) {
	table, err := policy.NewTable(policy.Service{Routes: map[string]policy.Rule{
		"GET /v1/products/{id}":         {},
		"/v1/products/":                 {},
		"POST /v1/orders":               {},
		"/shop.stock.v1.Stock/Reserve":  {},
		"/shop.stock.v1.Stock/{method}": {},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"GET /v1/products/7":            "GET /v1/products/{id}",
		"HEAD /v1/products/7":           "GET /v1/products/{id}",
		"PUT /v1/products/7":            "/v1/products/",
		"POST /v1/orders":               "POST /v1/orders",
		"GET /v1/orders":                "",
		"GET /":                         "",
		"/shop.stock.v1.Stock/Reserve":  "/shop.stock.v1.Stock/Reserve",
		"/shop.stock.v1.Stock/Release":  "/shop.stock.v1.Stock/{method}",
		"/shop.other.v1.Other/Anything": "",
		"":                              "",
	} {
		if got := table.Route(name); got != want {
			t.Errorf("%q matches %q, want %q", name, got, want)
		}
	}
}

func TestRule(t *testing.T) {
	s := policy.Service{
		Rule:   policy.Rule{Settings: resilience.Settings{Timeout: time.Second}},
		Routes: map[string]policy.Rule{"/slow": {Settings: resilience.Settings{Timeout: time.Minute}}},
	}
	table, err := policy.NewTable(s)
	if err != nil {
		t.Fatal(err)
	}
	for route, want := range map[string]time.Duration{"": time.Second, "/slow": time.Minute, "/gone": time.Second} {
		if got := table.Rule(route).Settings.Timeout; got != want {
			t.Errorf("%q: %s, want %s", route, got, want)
		}
	}
}

func TestEncodeAndParse(t *testing.T) {
	critical := resilience.Critical
	s := policy.Service{
		Rule:    policy.Rule{Settings: resilience.Settings{Timeout: 2 * time.Second, Breaker: &resilience.BreakerSettings{}}},
		Balance: policy.Balance{Policy: balance.Hash, By: "X-Cart"},
		Routes: map[string]policy.Rule{
			"POST /v1/orders": {Priority: &critical, Settings: resilience.Settings{Hedge: &resilience.HedgeSettings{After: time.Millisecond}}},
		},
	}
	text, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"settings":{"breaker":{},"timeout":"2s"},"balance":{"policy":"hash","by":"X-Cart"},` +
		`"routes":{"POST /v1/orders":{"settings":{"hedge":{"after":"1ms"}},"priority":"critical"}}}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if got, err := policy.Parse(text); err != nil || !reflect.DeepEqual(got, s) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, s)
	}
	if text, err := (policy.Service{}).Encode(); text != nil || err != nil {
		t.Errorf("nothing is written as %s, %v", text, err)
	}
	if s, err := policy.Parse(nil); err != nil || !reflect.DeepEqual(s, policy.Service{}) {
		t.Errorf("nothing is read as %+v, %v", s, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                                      "cannot be read",
		`{"settings":{"timeout":"soon"}}`:        "timeout",
		`{"settings":{"retry":{"attempts":99}}}`: "retry.attempts: is 99",
		`{"routes":{"GET /x":{"settings":{"hedge":{"quantile":"101%"}}}}}`: `hedge.quantile`,
		`{"routes":{"GET /x":{"settings":{"retry":{"attempts":-1}}}}}`:     `routes."GET /x".retry.attempts: is -1`,
		`{"routes":{"v1":{}}}`:                         `routes: "v1" is no route`,
		`{"routes":{"example.org/v1":{}}}`:             `is no route`,
		`{"routes":{"GET /{a}/x":{},"GET /x/{b}":{}}}`: "conflicts",
		`{"routes":{"GET /{a":{}}}`:                    "routes: ",
		`{"balance":{"policy":"hash"}}`:                "balance.by: is missing",
		`{"balance":{"by":"X-Cart"}}`:                  "balance.by: does nothing",
		`{"balance":{"policy":"best"}}`:                "best",
		`{"routes":{"GET /x":{"priority":"urgent"}}}`:  "urgent",
	} {
		_, err := policy.Parse([]byte(text))
		var e *problem.Error
		if !errors.As(err, &e) || e.Code != problem.InvalidArgument {
			t.Errorf("%s: %v", text, err)
			continue
		}
		all := e.Error()
		for _, d := range e.Details {
			all += fmt.Sprintf("\n%s: %s", d.Field, d.Reason)
		}
		if !strings.Contains(all, want) {
			t.Errorf("%s: %s, want %q", text, all, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"settings":{"timeout":"2s"},"routes":{"GET /v1/{id}":{"priority":"low"}}}`)
	f.Add(`{"balance":{"policy":"maglev","by":"X"}}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := policy.Parse([]byte(text))
		if err != nil {
			return
		}
		table, err := policy.NewTable(s)
		if err != nil {
			t.Fatalf("what Parse took has no table: %v", err)
		}
		for _, route := range table.Routes() {
			table.Rule(route)
			table.Route(route)
		}
		again, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := policy.Parse(again); err != nil || !reflect.DeepEqual(back, s) {
			t.Errorf("%s\nread and written is %s: %v", text, again, err)
		}
	})
}

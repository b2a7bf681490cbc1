package policy_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/policy"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// The keys of muster.yaml mean the same: a route says what is different from its service.
func TestParseAsInTheFile(t *testing.T) {
	got, err := policy.Parse([]byte(`{"timeout":"2s","priority":"low","breaker":{"min_calls":5},"routes":{
		"GET /a":{"timeout":"1s"},"GET /b":{"breaker":"off"},"GET /c":{"breaker":null,"priority":"high"},"GET /d":{},"GET /e":{"breaker":{"probes":7}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	low, high := resilience.Low, resilience.High
	rule := func(timeout time.Duration, b *resilience.BreakerSettings, p *resilience.Priority) policy.Rule {
		return policy.Rule{Settings: resilience.Settings{Timeout: timeout, Breaker: b}, Priority: p}
	}
	five := &resilience.BreakerSettings{MinCalls: 5}
	want := policy.Service{Rule: rule(2*time.Second, five, &low), Routes: map[string]policy.Rule{
		"GET /a": rule(time.Second, five, &low), "GET /b": rule(2*time.Second, nil, &low), "GET /c": rule(2*time.Second, nil, &high),
		"GET /d": rule(2*time.Second, five, &low), "GET /e": rule(2*time.Second, &resilience.BreakerSettings{MinCalls: 5, Probes: 7}, &low),
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	again, err := got.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := policy.Parse(again); err != nil || !reflect.DeepEqual(back, want) {
		t.Errorf("%s is read as %+v, %v", again, back, err)
	}
}

// A route that has nothing of its service has nothing of it when it was written and read.
func TestEncodeRoutesThatSayNothing(t *testing.T) {
	low := resilience.Low
	for _, s := range []policy.Service{
		{Rule: policy.Rule{Priority: &low}, Routes: map[string]policy.Rule{"/x": {}}},
		{Rule: policy.Rule{Settings: resilience.Settings{Timeout: 1}}, Routes: map[string]policy.Rule{"/x": {}}},
		{Routes: map[string]policy.Rule{"/x": {Priority: &low}, "/y": {}}},
	} {
		text, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := policy.Parse(text); err != nil || !reflect.DeepEqual(back, s) {
			t.Errorf("%s is read as %+v, %v; want %+v", text, back, err, s)
		}
	}
}

func TestParseRefusesWhatDoesNothing(t *testing.T) {
	for text, want := range map[string]string{
		`{"setings":{"timeout":"2s"},"rotes":{}}`:                            `unknown key "rotes"; did you mean "routes"?`,
		`{"setings":{"timeout":"2s"}}`:                                       `unknown key "setings"; did you mean "settings"?`,
		`{"timeot":"2s"}`:                                                    `did you mean "timeout"?`,
		`{"settings":{"timeot":"2s"}}`:                                       `settings: unknown key "timeot"; did you mean "timeout"?`,
		`{"routes":{"GET /x":{"timout":"1s"}}}`:                              `routes."GET /x": unknown key "timout"; did you mean "timeout"?`,
		`{"balance":{"polcy":"hash"}}`:                                       `balance: unknown key "polcy"; did you mean "policy"?`,
		`{"limits":{"form":{}}}`:                                             `did you mean "from"?`,
		`{"settings":{},"timeout":"1s"}`:                                     `"timeout" stands beside "settings"`,
		`{"settings":{},"routes":{"/x":{"timeout":"1s"}}}`:                   `routes."/x": "timeout" stands beside "settings"`,
		`{"routes":{"GET /x":[]}}`:                                           `routes."GET /x": wants an object`,
		`{"timeout":"0s"}`:                                                   "timeout is 0s, which would mean the default, 10s",
		`{"settings":{"timeout":"0s"}}`:                                      "write a time such as 2s",
		`{"retry":{"attempts":0}}`:                                           "write 1 for calls that are not repeated",
		`{"retry":{"backoff":"0ms"}}`:                                        "retry.backoff is 0ms",
		`{"budget":{"share":"0%"}}`:                                          "retry: {attempts: 1}",
		`{"budget":{"floor":0}}`:                                             "write -1 for none",
		`{"routes":{"GET /x":{"breaker":{"failures":"0%"}}}}`:                "breaker.failures is 0%",
		`{"bulkhead":{"max":0}}`:                                             "write 1 at least",
		`{"routes":{"POST /x":{"fallback":{"value":"x"}}}}`:                  "does nothing with the method POST",
		`{"routes":{"/shop.stock.v1.Stock/Get":{"fallback":{"value":"x"}}}}`: "does nothing for a gRPC method",
		`{"routes":{"get /y":{}}}`:                                           `write "GET /y"`,
		`{"routes":{"GTE /y":{}}}`:                                           `there is no method "GTE"; did you mean "GET"?`,
		`{"routes":{"FOO /x":{}}}`:                                           `there is no method "FOO"`,
		`{"routes":{"GET  /x":{}}}`:                                          "one space",
		`{"routes":{"/x y":{}}}`:                                             "one space",
		`{"routes":{"/x?a=1":{}}}`:                                           `write "/x"`,
		`{"routes":{"GET /x#a":{}}}`:                                         `write "GET /x"`,
		`{"balance":{"policy":"hash","by":"X Cart: foo"}}`:                   "no name of a header",
	} {
		_, err := policy.Parse([]byte(text))
		e, ok := errors.AsType[*problem.Error](err)
		if !ok || e.Code != problem.InvalidArgument {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if all := fmt.Sprint(e, e.Details); !strings.Contains(all, want) {
			t.Errorf("%s: %s, want …%s…", text, all, want)
		}
	}
	for _, text := range []string{
		`{"fallback":{"value":"x"},"routes":{"POST /x":{"timeout":"1s"},"/a/b":{"fallback":{"value":"y"}}}}`, // what a route has of its service
		`{"breaker":{"slow_calls":"0%"},"bulkhead":{"queue":0}}`,                                             // zero says what it does
	} {
		if _, err := policy.Parse([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// A conflict names the two patterns and nothing of this program.
func TestConflict(t *testing.T) {
	_, err := policy.Parse([]byte(`{"routes":{"GET /{a}/x":{},"GET /x/{b}":{}}}`))
	text := fmt.Sprint(problem.From(err).Details)
	if strings.Contains(text, ".go") || strings.Contains(text, "registered") || !strings.Contains(text, `"GET /x/{b}" conflicts with "GET /{a}/x"`) && !strings.Contains(text, `"GET /{a}/x" conflicts with "GET /x/{b}"`) {
		t.Error(text)
	}
}

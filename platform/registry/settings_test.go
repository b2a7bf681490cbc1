package registry

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/policy"
	"github.com/musterdev/muster/problem"
)

// What the page and muster.yaml write has its effect, as has what a supervisor writes.
func TestSettingsHaveTheirEffect(t *testing.T) {
	for text, want := range map[string][3]time.Duration{ // of the service, of GET /x, of GET /y
		`{"timeout":"2s"}`:                  {2 * time.Second, 2 * time.Second, 2 * time.Second},
		` {"settings": {"timeout": "2s"}} `: {2 * time.Second, 2 * time.Second, 2 * time.Second},
		`{"timeout":"2s","routes":{"GET /x":{"timeout":"1s"},"GET /y":{"priority":"low"}}}`:           {2 * time.Second, time.Second, 2 * time.Second},
		`{"settings":{"timeout":"2s"},"routes":{"GET /x":{"settings":{"timeout":"1s"}},"GET /y":{}}}`: {2 * time.Second, time.Second, 0},
	} {
		r := New(Config{})
		if err := problem.FromResponse(exchange(r, "PUT", "/v1/services/cart/settings", text)); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		said := read[discovery.Catalog](t, exchange(r, "GET", "/v1/services", "")).Settings["cart"]
		s, err := policy.Parse(said)
		if err != nil {
			t.Fatal(err)
		}
		table, err := policy.NewTable(s)
		if err != nil {
			t.Fatal(err)
		}
		got := [3]time.Duration{s.Settings.Timeout}
		for i, name := range []string{"GET /x", "GET /y"} {
			got[i+1] = table.Rule(table.Route(name)).Settings.Timeout
		}
		if got != want {
			t.Errorf("%s, kept as %s: %v, want %v", text, said, got, want)
		}
	}
}

func TestSettingsThatNobodyCouldUse(t *testing.T) {
	for text, want := range map[string]string{
		`{"timeuot":"2s"}`:                       `unknown key "timeuot"; did you mean "timeout"?`,
		`{"setings":{"timeout":"2s"}}`:           `did you mean "settings"?`,
		`{"settings":{"timeot":"2s"}}`:           `did you mean "timeout"?`,
		`{"timeout":"0s"}`:                       "would mean the default",
		`{"balance":{"policy":"hash"}}`:          "balance.by",
		`[]`:                                     "must be a JSON object",
		`null`:                                   "must be a JSON object",
		``:                                       "must be a JSON object",
		`{`:                                      "must be a JSON object",
		`{"routes":{"get /x":{"timeout":"1s"}}}`: "capitals",
	} {
		r := New(Config{})
		err := problem.FromResponse(exchange(r, "PUT", "/v1/services/cart/settings", text))
		if problem.CodeOf(err) != problem.InvalidArgument || !strings.Contains(fmt.Sprint(err, problem.From(err).Details), want) {
			t.Errorf("%s: %v, want …%s…", text, err, want)
		}
		if c := read[discovery.Catalog](t, exchange(r, "GET", "/v1/services", "")); len(c.Settings) > 0 {
			t.Errorf("%s: kept %v", text, c.Settings)
		}
	}
}

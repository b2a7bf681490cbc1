package filter_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	type Inner struct {
		Scopes []string `json:"scopes"`
		Count  int64    `json:"count"`
	}
	type config struct {
		Inner

		Issuer string            `json:"issuer"`
		Wait   filter.Duration   `json:"wait"`
		On     bool              `json:"on"`
		Tell   map[string]string `json:"tell"`
		More   *Inner            `json:"more"`
	}
	for with, want := range map[string]string{
		`{"issuer":"a","tell":{"X-A":"b"},"scopes":["c"],"wait":"1s","count":1}`: "",
		``:                            "",
		`{"issuer":"a","Issuer":"b"}`: "Issuer is not known; names are in small letters: issuer",
		`{"issuer":"a","issuer":"b"}`: "issuer is there twice",
		`{"scopes":"c"}`:              "scopes must be a list of texts, not a text",
		`{"count":"c"}`:               "count must be a whole number, not a text",
		`{"wait":30}`:                 `wait must be a length of time, zero or more, such as "500ms" or "10s", not 30`,
		`{"wait":"-3s"}`:              `wait must be a length of time, zero or more, such as "500ms" or "10s", not "-3s"`,
		`{"on":"yes"}`:                "on must be true or false, not a text",
		`{"more":true}`:               "more must be an object, not true or false",
		`{"more":{"count":[]}}`:       "more.count must be a whole number, not a list",
		`{"tell":{"X-A":5}}`:          "tell must be a text, not a number",
		`{"isuer":"a"}`:               ` json: unknown field "isuer"`,
		`{} {}`:                       " something follows the object",
	} {
		err := filter.Decode(json.RawMessage(with), &config{})
		got := ""
		if e, ok := errors.AsType[*problem.Error](err); ok && len(e.Details) == 1 {
			got = e.Details[0].Field + " " + e.Details[0].Reason
		}
		if got != want {
			t.Errorf("%s: %q (%v), want %q", with, got, err, want)
		}
	}
}

package openapi

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/musterdev/muster/problem"
)

func TestCheck(t *testing.T) {
	schema, _ := schemaOf(t, order{}, Input)
	const good = `"id":"1","lines":[{"sku":"a"}]`
	for body, want := range map[string][]problem.Detail{
		`{` + good + `}`: nil,
		`{` + good + `,"note":null,"parent":null,"raw":{"x":[1,{"y":null}]},"any":[]}`:         nil,
		`{` + good + `,"at":"2026-01-31T15:04:05.5+01:00","ip":"::1","data":"AQI=","big":"7"}`: nil,
		`{` + good + `,"parent":{"id":"2","lines":[{"sku":"b","quantity":9}]}}`:                nil,
		`{` + good + `,"labels":{"a":"b","c":"d"},"sizes":["s"],"pair":[1,2],"Plain":"x"}`:     nil,
		`{}`:                      {{Field: "id", Reason: "is required"}, {Field: "lines", Reason: "is required"}},
		`{"id":"1","lines":[]}`:   {{Field: "lines", Reason: "must have 1 to 3 items, not 0"}},
		`{"id":"1","lines":[{}]}`: {{Field: "lines[0].sku", Reason: "is required"}},
		`{"id":1,"lines":[{"sku":"a"},{"sku":"","quantity":0}]}`: {
			{Field: "id", Reason: "must be text, not a number"},
			{Field: "lines[1].sku", Reason: "must have 1 to 5 characters, not 0"},
			{Field: "lines[1].quantity", Reason: "must be a whole number from 1 to 9"},
		},
		`{` + good + `,"lined":1}`:           {{Field: "lined", Reason: `is not known here; did you mean "lines"?`}},
		`{` + good + `,"Id":"2"}`:            {{Field: "Id", Reason: `is not known here; did you mean "id"?`}},
		`{` + good + `,"id":"2"}`:            {{Field: "id", Reason: "is given twice"}},
		`{` + good + `,"Hidden":"x"}`:        {{Field: "Hidden", Reason: "is not known here; known are id, lines, note, color, rank, labels, sizes, at, ip, raw, data, ratio, small, count, big, ok, pair, parent, any, Plain"}},
		`{` + good + `,"note":"12345"}`:      {{Field: "note", Reason: "must have at most 4 characters, not 5"}},
		`{` + good + `,"note":"éééé"}`:       nil,
		`{` + good + `,"note":7}`:            {{Field: "note", Reason: "must be text or null, not a number"}},
		`{` + good + `,"ok":null}`:           {{Field: "ok", Reason: "must be true or false, not null"}},
		`{` + good + `,"color":"blue"}`:      {{Field: "color", Reason: "must be one of red, green"}},
		`{` + good + `,"rank":3}`:            {{Field: "rank", Reason: "must be one of 1, 2"}},
		`{` + good + `,"sizes":["s","x"]}`:   {{Field: "sizes[1]", Reason: "must be one of s, m"}},
		`{` + good + `,"labels":{"a":1}}`:    {{Field: "labels.a", Reason: "must be text, not a number"}},
		`{` + good + `,"at":"today"}`:        {{Field: "at", Reason: "must be a time such as 2026-01-31T15:04:05Z"}},
		`{` + good + `,"ip":"x"}`:            {{Field: "ip", Reason: `ParseAddr("x"): unable to parse IP`}},
		`{` + good + `,"data":"!"}`:          {{Field: "data", Reason: "must be base64 (RFC 4648, section 4)"}},
		`{` + good + `,"ratio":1.01}`:        {{Field: "ratio", Reason: "must be a number from 0 to 1"}},
		`{` + good + `,"ratio":1e999}`:       {{Field: "ratio", Reason: "must be a number from 0 to 1"}},
		`{` + good + `,"small":128}`:         {{Field: "small", Reason: "must be a whole number of at most 8 bits"}},
		`{` + good + `,"small":1.0}`:         {{Field: "small", Reason: "must be a whole number of at most 8 bits"}},
		`{` + good + `,"count":-1}`:          {{Field: "count", Reason: "must be a whole number from 0 to 65535"}},
		`{` + good + `,"big":7}`:             {{Field: "big", Reason: "must be text, not a number"}},
		`{` + good + `,"big":"x"}`:           {{Field: "big", Reason: "must be a whole number"}},
		`{` + good + `,"pair":[1]}`:          {{Field: "pair", Reason: "must have exactly 2 items, not 1"}},
		`{` + good + `,"parent":{"id":"2"}}`: {{Field: "parent.lines", Reason: "is required"}},
		`[]`:                                 {{Reason: "must be an object, not an array"}},
		`null`:                               {{Reason: "must be an object, not null"}},
		`{` + good + `} {}`:                  {{Reason: "the body is not JSON: there is more after the JSON value, near byte 34"}},
		`{` + good:                           {{Reason: "the body is not JSON: it ends too early"}},
		``:                                   {{Reason: "the body is not JSON: it ends too early"}},
		`{"id":"1",}`:                        {{Reason: "the body is not JSON: invalid character '}' looking for beginning of object key string, near byte 10"}},
		`{"any":[1,{"a":tru}]`:               {{Reason: "the body is not JSON: invalid character '}' in literal true (expecting 'e'), near byte 15"}},
	} {
		if got := schema.Check([]byte(body)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", body, got, want)
		}
	}
}

func TestCheckIsBounded(t *testing.T) {
	schema, _ := schemaOf(t, order{}, Input)
	var b strings.Builder
	b.WriteByte('{')
	for range 100_000 {
		b.WriteString(`"` + strings.Repeat("long", 50) + `":1,`)
	}
	if got := schema.Check([]byte(b.String())); len(got) != maxFaults || len(got[0].Field) > 200 {
		t.Errorf("%d faults", len(got))
	}
	nested := strings.Repeat(`{"parent":`, 100_000)
	got := schema.Check([]byte(nested))
	if len(got) != 1 || !strings.Contains(got[0].Reason, "too deep") || len(got[0].Field) > 5000 {
		t.Errorf("%d faults, %.100v", len(got), got)
	}
	if got := schema.Check([]byte(`{"any":` + strings.Repeat("[", 500_000))); len(got) == 0 {
		t.Error("an endless array is taken")
	}
}

func TestCheckText(t *testing.T) {
	type in struct {
		N int64   `json:"n" min:"-9007199254740993" max:"9007199254740993"`
		U uint64  `json:"u" max:"18446744073709551614"`
		F float32 `json:"f"`
		E int     `json:"e" enum:"10,20"`
	}
	schema, _ := schemaOf(t, in{}, Input)
	for _, tt := range []struct {
		field, text string
		ok          bool
	}{
		{"n", "9007199254740993", true},
		{"n", "9007199254740994", false},
		{"n", "-9007199254740994", false},
		{"u", "18446744073709551614", true},
		{"u", "18446744073709551615", false},
		{"u", "-1", false},
		{"f", "1e38", true},
		{"f", "1e39", false},
		{"f", "NaN", false},
		{"f", "Inf", false},
		{"e", "10", true},
		{"e", "010", true},
		{"e", "11", false},
		{"n", "", false},
		{"n", "1.5", false},
	} {
		s, _ := schema.resolve().Properties.Get(tt.field)
		if why := s.CheckText(tt.text); (why == "") != tt.ok {
			t.Errorf("%s = %s: %q", tt.field, tt.text, why)
		}
	}
}

// What Check lets pass, encoding/json must take as strictly as it can.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{
		`{"id":"1","lines":[{"sku":"a","quantity":2}]}`, `{"id":"1","lines":[{"sku":"a"}],"parent":{"id":"","lines":[]},"pair":[1,2]}`,
		`{"id":"1","lines":[{"sku":"a"}],"at":"2026-01-31T15:04:05Z","big":"7","data":"AQI=","ip":"::1","ratio":0.5,"small":-128,"count":65535}`,
		`[[[`, `{"a":`, `"\ud800"`,
	} {
		f.Add([]byte(s))
	}
	var s Schemas
	schema, err := s.Of(reflect.TypeFor[order](), Input)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		faults := schema.Check(body)
		var o order
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		err := dec.Decode(&o)
		if len(faults) == 0 && err != nil {
			t.Fatalf("%s passes, and is refused: %v", body, err)
		}
		if !json.Valid(body) && len(faults) == 0 {
			t.Fatalf("%s passes, and is not JSON", body)
		}
		if len(faults) == 0 {
			if _, err := json.Marshal(o); err != nil {
				t.Fatalf("%s became what cannot be written: %v", body, err)
			}
		}
	})
}

package signal_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

func TestAttributesFromJSON(t *testing.T) {
	for text, want := range map[string]signal.Attributes{
		`null`: nil,
		`{}`:   nil,
		`{"z":"a\n","a":1,"f":1.5,"e":1e3,"z0":-0,"big":18446744073709551616,"t":true,"n":null,"l":[1, {"x":"y"}],"o":{"b":[]}}`: {
			{Key: "z", Value: signal.StringValue("a\n")},
			{Key: "a", Value: signal.IntValue(1)},
			{Key: "f", Value: signal.FloatValue(1.5)},
			{Key: "e", Value: signal.FloatValue(1000)},
			{Key: "z0", Value: signal.FloatValue(math.Copysign(0, -1))},
			{Key: "big", Value: signal.FloatValue(18446744073709551616)},
			{Key: "t", Value: signal.BoolValue(true)},
			{Key: "n"},
			{Key: "l", Value: signal.JSONValue(`[1, {"x":"y"}]`)},
			{Key: "o", Value: signal.JSONValue(`{"b":[]}`)},
		},
	} {
		var got signal.Attributes
		if err := json.Unmarshal([]byte(text), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{``, `[]`, `"x"`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":tru}`} {
		var got signal.Attributes
		if err := json.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// What is written is read back with the same text; and with the same type, but for a
// float that is a whole number.
func TestValueThereAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(
			rapid.Map(rapid.String(), signal.StringValue), rapid.Map(rapid.Int64(), signal.IntValue),
			rapid.Map(rapid.Float64(), signal.FloatValue), rapid.Map(rapid.Bool(), signal.BoolValue),
			rapid.Map(rapid.SampledFrom([]string{`[1]`, `{"a":"b"}`}), signal.JSONValue),
		).Draw(t, "value")
		b, err := json.Marshal(v)
		var got signal.Value
		if err == nil {
			err = json.Unmarshal(b, &got)
		}
		if err != nil || got.String() != v.String() || got.Type != v.Type && v.Type != signal.Float {
			t.Errorf("%#v became %s, and then %#v, %v", v, b, got, err)
		}
	})
}

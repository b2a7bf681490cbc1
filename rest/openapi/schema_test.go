package openapi

import (
	"encoding/json"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

type color string

type line struct {
	SKU      string `json:"sku" required:"true" min:"1" max:"5"`
	Quantity int32  `json:"quantity" min:"1" max:"9"`
}

type base struct {
	ID string `json:"id" required:"true"`
}

type order struct {
	base
	Lines   []line            `json:"lines" required:"true" min:"1" max:"3"`
	Note    *string           `json:"note" max:"4" doc:"A note."`
	Color   color             `json:"color" enum:"red,green"`
	Rank    int               `json:"rank" enum:"1,2"`
	Labels  map[string]string `json:"labels"`
	Sizes   []string          `json:"sizes,omitempty" enum:"s,m"`
	At      time.Time         `json:"at"`
	IP      netip.Addr        `json:"ip"`
	Raw     json.RawMessage   `json:"raw"`
	Data    []byte            `json:"data"`
	Ratio   float64           `json:"ratio" min:"0" max:"1"`
	Small   int8              `json:"small"`
	Count   uint16            `json:"count"`
	Big     int64             `json:"big,string"`
	OK      bool              `json:"ok"`
	Pair    [2]int            `json:"pair"`
	Parent  *order            `json:"parent"`
	Any     any               `json:"any"`
	Hidden  string            `json:"-"`
	Plain   string
	private string //nolint:unused // must not show
}

func schemaOf(t *testing.T, v any, dir Direction) (*Schema, *Schemas) {
	t.Helper()
	var s Schemas
	schema, err := s.Of(reflect.TypeOf(v), dir)
	if err != nil {
		t.Fatal(err)
	}
	return schema, &s
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestSchemaOfAStruct(t *testing.T) {
	_, s := schemaOf(t, order{}, Input)
	all := s.Components()
	got, _ := all.Get("order")
	want := map[string]string{
		"id":     `{"type":"string"}`,
		"lines":  `{"type":"array","minItems":1,"maxItems":3,"items":{"$ref":"#/components/schemas/line"}}`,
		"note":   `{"type":["string","null"],"description":"A note.","maxLength":4}`,
		"color":  `{"type":"string","enum":["red","green"]}`,
		"rank":   `{"type":"integer","format":"int64","enum":[1,2]}`,
		"labels": `{"type":"object","additionalProperties":{"type":"string"}}`,
		"sizes":  `{"type":"array","items":{"type":"string","enum":["s","m"]}}`,
		"at":     `{"type":"string","format":"date-time"}`,
		"ip":     `{"type":"string"}`,
		"raw":    `{}`,
		"data":   `{"type":"string","contentEncoding":"base64"}`,
		"ratio":  `{"type":"number","format":"double","minimum":0,"maximum":1}`,
		"small":  `{"type":"integer","format":"int8"}`,
		"count":  `{"type":"integer","format":"uint16","minimum":0}`,
		"big":    `{"type":"string"}`,
		"ok":     `{"type":"boolean"}`,
		"pair":   `{"type":"array","minItems":2,"maxItems":2,"items":{"type":"integer","format":"int64"}}`,
		"parent": `{"anyOf":[{"$ref":"#/components/schemas/order"},{"type":"null"}]}`,
		"any":    `{}`,
		"Plain":  `{"type":"string"}`,
	}
	for _, e := range got.Properties {
		if have := text(t, e.Value); have != want[e.Key] {
			t.Errorf("%s:\n got %s\nwant %s", e.Key, have, want[e.Key])
		}
		delete(want, e.Key)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	if r := text(t, got.Required); r != `["id","lines"]` {
		t.Errorf("required %s", r)
	}
	if line, _ := all.Get("line"); !strings.HasSuffix(text(t, line), `"required":["sku"],"additionalProperties":false}`) {
		t.Errorf("an input is not closed: %s", text(t, line))
	}
}

func TestOutputSaysWhatEncodingJSONWrites(t *testing.T) {
	type out struct {
		List    []int          `json:"list"`
		Made    []int          `json:"made" nullable:"false"`
		Omitted []int          `json:"omitted,omitempty"`
		Map     map[string]int `json:"map"`
		Ptr     *int           `json:"ptr"`
		PtrOmit *int           `json:"ptr_omit,omitempty"`
		Zero    time.Time      `json:"zero,omitzero"`
	}
	schema, s := schemaOf(t, out{}, Output)
	s.Components()
	want := `{"type":"object","properties":{` +
		`"list":{"type":["array","null"],"items":{"type":"integer","format":"int64"}},` +
		`"made":{"type":"array","items":{"type":"integer","format":"int64"}},` +
		`"omitted":{"type":"array","items":{"type":"integer","format":"int64"}},` +
		`"map":{"type":["object","null"],"additionalProperties":{"type":"integer","format":"int64"}},` +
		`"ptr":{"type":["integer","null"],"format":"int64"},` +
		`"ptr_omit":{"type":"integer","format":"int64"},` +
		`"zero":{"type":"string","format":"date-time"}},` +
		`"required":["list","made","map","ptr"]}`
	if got := text(t, schema.resolve()); got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

type generic[T any] struct {
	Item T `json:"item"`
}

func TestComponentNames(t *testing.T) {
	var s Schemas
	for _, v := range []any{line{}, generic[line]{}, generic[generic[line]]{}, generic[*line]{}, generic[map[string]time.Time]{}, struct{ A line }{}} {
		if _, err := s.Of(reflect.TypeOf(v), Output); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Of(reflect.TypeFor[line](), Input); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Of(reflect.TypeFor[time.Location](), Output); err != nil { // a struct without exported fields
		t.Fatal(err)
	}
	var names []string
	for _, e := range s.Components("Location") {
		names = append(names, e.Key)
	}
	if got, want := strings.Join(names, " "), "line generic_line generic_generic_line openapi.generic_line generic_map_Time lineInput time.Location"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestTypesWithoutJSON(t *testing.T) {
	type deep struct {
		In struct {
			Ch chan int `json:"ch"`
		} `json:"in"`
	}
	tagged := func(name string) reflect.StructField {
		return reflect.StructField{Name: name, Type: reflect.TypeFor[string](), Tag: `json:"x"`}
	}
	twice := reflect.StructOf([]reflect.StructField{tagged("A"), tagged("B")}) // written out, vet would refuse it
	type recursive []recursive
	for says, v := range map[string]any{
		"chan int":             deep{},
		`are both "x" in JSON`: reflect.Zero(twice).Interface(),
		"without end":          recursive{},
		"map key struct":       map[struct{ A int }]int{},
		"func()":               struct{ F func() }{},
		"complex128":           complex(1, 2),
		"must be true or": struct {
			A string `json:"a" required:"yes"`
		}{},
		"default is for": struct {
			A string `json:"a" default:"x"`
		}{},
		`"x" is no number`: struct {
			A int `json:"a" min:"x"`
		}{},
		`"0x1p4" is no number`: struct {
			A float64 `json:"a" max:"0x1p4"`
		}{},
		"the tag enum is for": struct {
			A line `json:"a" enum:"x"`
		}{},
		"tag min: it is for": struct {
			A bool `json:"a" min:"1"`
		}{},
		`"-1" is no count`: struct {
			A string `json:"a" min:"-1"`
		}{},
		"example": struct {
			A int `json:"a" min:"5" example:"4"`
		}{},
	} {
		var s Schemas
		if _, err := s.Of(reflect.TypeOf(v), Input); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%T: %v, want it to say %q", v, err, says)
		}
	}
}

func TestScalar(t *testing.T) {
	for _, v := range []any{"", 1, int8(1), uint(1), 1.5, true, time.Time{}, netip.Addr{}, new(string), color("")} {
		if _, err := Scalar(reflect.TypeOf(v)); err != nil {
			t.Errorf("%T: %v", v, err)
		}
	}
	for _, v := range []any{time.Second, []int{}, map[string]int{}, struct{}{}, make(chan int), json.RawMessage{}} {
		if _, err := Scalar(reflect.TypeOf(v)); err == nil {
			t.Errorf("%T is taken", v)
		}
	}
}

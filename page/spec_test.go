package page

import (
	"reflect"
	"strings"
	"testing"
)

// products is the list that the tests of this package page through.
func products() Spec {
	return Spec{
		Fields: []Field{
			{Name: "id", Kind: Int, Filter: Equality},
			{Name: "name", Kind: String, Filter: Text, Sort: true},
			{Name: "price", Column: "p.cents", Kind: Int32, Filter: Range, Sort: true},
			{Name: "rating", Kind: Float, Filter: Gte, Sort: true},
			{Name: "stocked", Kind: Bool, Filter: Eq, Sort: true},
			{Name: "added", Column: "created_at", Kind: Time, Filter: Range, Sort: true},
			{Name: "maker", Kind: UUID, Filter: Equality, Sort: true},
			{Name: "color", Kind: String, Filter: Equality | Prefix, Enum: []string{"red", "green"}, Doc: "Its colour."},
			{Name: "hidden", Kind: String},
		},
		Key: "id", DefaultSort: "name", MaxLimit: 50,
	}
}

func TestCheck(t *testing.T) {
	if err := products().Check(); err != nil {
		t.Fatal(err)
	}
	with := func(change func(*Spec)) Spec {
		s := products()
		change(&s)
		return s
	}
	field := func(f Field) Spec { return with(func(s *Spec) { s.Fields = append(s.Fields, f) }) }
	for name, tt := range map[string]struct {
		spec Spec
		says string
	}{
		"zero":             {Spec{}, "Key"},
		"no key":           {with(func(s *Spec) { s.Key = "" }), "Key"},
		"key of no field":  {with(func(s *Spec) { s.Key = "nope" }), `"nope"`},
		"default sort":     {with(func(s *Spec) { s.DefaultSort = "nam" }), `did you mean "name"`},
		"default unsorted": {with(func(s *Spec) { s.DefaultSort = "hidden" }), "cannot sort"},
		"limits":           {with(func(s *Spec) { s.DefaultLimit = 51 }), "51"},
		"negative limit":   {with(func(s *Spec) { s.MaxLimit = -1 }), "positive"},
		"twice":            {field(Field{Name: "name"}), "taken"},
		"reserved":         {field(Field{Name: "limit"}), "taken"},
		"dot":              {field(Field{Name: "a.b"}), "letters"},
		"empty":            {field(Field{}), "letters"},
		"prefix of int":    {field(Field{Name: "x", Kind: Int, Filter: Prefix}), "Prefix"},
		"range of bool":    {field(Field{Name: "x", Kind: Bool, Filter: Lt}), "Bool"},
		"enum of int":      {field(Field{Name: "x", Kind: Int, Enum: []string{"1"}}), "Enum"},
		"kind":             {field(Field{Name: "x", Kind: 99}), "99"},
	} {
		if err := tt.spec.Check(); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want it to say %q", name, err, tt.says)
		}
	}
}

func TestLimitsHaveDefaults(t *testing.T) {
	for _, tt := range []struct{ def, most, wantDef, wantMost int }{
		{0, 0, 20, 100}, {5, 0, 5, 100}, {0, 10, 10, 10}, {5, 10, 5, 10},
	} {
		s := Spec{DefaultLimit: tt.def, MaxLimit: tt.most}
		if s.defaultLimit() != tt.wantDef || s.maxLimit() != tt.wantMost {
			t.Errorf("%+v: %d and %d", tt, s.defaultLimit(), s.maxLimit())
		}
	}
}

func TestParametersAreWhatParseTakes(t *testing.T) {
	s := products()
	var names []string
	for _, p := range s.Parameters() {
		names = append(names, p.Name)
		if p.Type == "" || p.Doc == "" {
			t.Errorf("%+v lacks a type or a text", p)
		}
	}
	if want := s.names(); !reflect.DeepEqual(names, want) {
		t.Errorf("\n got %v\nwant %v", names, want)
	}
	find := func(name string) (p Parameter) {
		for _, p := range s.Parameters() {
			if p.Name == name {
				return p
			}
		}
		return p
	}
	for name, want := range map[string]Parameter{
		"limit":    {Name: "limit", Doc: "The most rows to answer.", Type: "integer", Minimum: 1, Maximum: 50, Default: "20"},
		"price.in": {Name: "price.in", Doc: "Only rows whose price is one of the comma-separated values of this.", Type: "integer", Format: "int32", List: true},
		"color":    {Name: "color", Doc: "Only rows whose color equals this. Its colour.", Type: "string", Enum: []string{"red", "green"}},
		"maker":    {Name: "maker", Doc: "Only rows whose maker equals this.", Type: "string", Format: "uuid"},
	} {
		if got := find(name); !reflect.DeepEqual(got, want) {
			t.Errorf("\n got %+v\nwant %+v", got, want)
		}
	}
}

func TestOpAndKindNames(t *testing.T) {
	if got := (Eq | Gte | Prefix).String(); got != "eq|gte|prefix" {
		t.Errorf("%q", got)
	}
	if got := Kind(99).String(); got != "Kind(99)" {
		t.Errorf("%q", got)
	}
}

func TestALimitAtFaultIsToldAsItWasGiven(t *testing.T) {
	for says, s := range map[string]Spec{
		"DefaultLimit -7 and MaxLimit 0":                       {DefaultLimit: -7},
		"DefaultLimit 5 and MaxLimit -3":                       {DefaultLimit: 5, MaxLimit: -3},
		"DefaultLimit 200 is more than MaxLimit, which is 100": {DefaultLimit: 200},
	} {
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want it to say %q", err, says)
		}
	}
}

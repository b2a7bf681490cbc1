package table

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type order struct {
	ID    string
	Lines []int
}

func TestDataComeBackAsTheyWere(t *testing.T) {
	in := order{"o-1", []int{1, 2}}
	b, err := Encode(in)
	var out order
	if err == nil {
		err = Decode(b, &out)
	}
	if err != nil || out.ID != in.ID || len(out.Lines) != 2 || string(readable(b)) != `{"ID":"o-1","Lines":[1,2]}` {
		t.Errorf("%+v, %s, %v", out, readable(b), err)
	}
	message := wrapperspb.String("ü")
	b, err = Encode(message)
	var back *wrapperspb.StringValue
	if err == nil {
		err = Decode(b, &back)
	}
	if err != nil || !proto.Equal(message, back) || readable(b)[0] != '"' {
		t.Errorf("%v, %s, %v", back, readable(b), err)
	}
	var empty *wrapperspb.StringValue
	if b, err = Encode(empty); err != nil || b[0] != asProto {
		t.Errorf("a nil message: %q, %v", b, err)
	}
}

func TestDataThatCannotBe(t *testing.T) {
	if _, err := Encode(make(chan int)); err == nil {
		t.Error("a channel was written")
	}
	if _, err := Encode(strings.Repeat("x", MaxData)); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("too large: %v", err)
	}
	for _, b := range []string{"", "j", "j{", "x{}", "p\x01", `j{"ID":1}`} {
		if err := Decode([]byte(b), new(order)); err == nil {
			t.Errorf("%q was read", b)
		}
	}
}

// What people give is read strictly, in the form in which they were shown it.
func TestGivenData(t *testing.T) {
	b, err := Given[order]([]byte(`{"ID": "x", "Lines": [1]}`))
	if err != nil || string(readable(b)) != `{"ID":"x","Lines":[1]}` {
		t.Errorf("%s, %v", b, err)
	}
	message, err := Encode(wrapperspb.String("ü"))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := Given[*wrapperspb.StringValue](readable(message)); err != nil || string(b) != string(message) {
		t.Errorf("a message as it was shown: %q, %v", b, err)
	}
	for _, wrong := range []string{"", "{", `{"ID": 1}`, `{"Id2": "x"}`, `{"ID": "x"} {}`, "7"} {
		if _, err := Given[order]([]byte(wrong)); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
	for _, wrong := range []string{"", `{"value": "x"}`, `"%"`, `"/w=="`} {
		if _, err := Given[*wrapperspb.StringValue]([]byte(wrong)); err == nil {
			t.Errorf("%q was taken for a message", wrong)
		}
	}
}

// Whatever is in the column, reading it ends and tells.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`j{"ID":"x"}`))
	f.Add([]byte("p\x0a\x01x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var o order
		if err := Decode(b, &o); err == nil {
			if _, err := Encode(o); err != nil {
				t.Error(err)
			}
		}
		_ = Decode(b, new(*wrapperspb.StringValue))
		if len(readable(b)) == 0 {
			t.Errorf("%q cannot be shown", b)
		}
	})
}

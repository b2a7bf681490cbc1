package value

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
)

const answerText = `{"items": [{"id": "a", "n": 12345678901234567890}, {"id": "b"}], "a b": {"ok": true, "null": null}, "f": 1.50}`

func TestCapture(t *testing.T) {
	header := http.Header{"Etag": {`"x"`}}
	random := rand.New(rand.NewPCG(1, 1))
	for _, tc := range []struct {
		c    Capture
		want string
	}{
		{Capture{JSON: "$.items[0].id"}, "a"},
		{Capture{JSON: "$.items[-1].id"}, "b"},
		{Capture{JSON: "$.items[0].n"}, "12345678901234567890"},
		{Capture{JSON: "$['a b'].ok"}, "true"},
		{Capture{JSON: "$.f"}, "1.50"},
		{Capture{JSON: "$.items[1]"}, `{"id":"b"}`},
		{Capture{Header: "ETag"}, `"x"`},
		{Capture{Regexp: `"id": "(\w)"`}, "a"},
		{Capture{Regexp: `1\.5\d`}, "1.50"},
	} {
		find, err := tc.c.Compile()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := find(header, []byte(answerText), random); got != tc.want || err != nil {
			t.Errorf("%+v: %q, %v, want %q", tc.c, got, err, tc.want)
		}
	}
	find, _ := Capture{JSON: "$.items[*].id"}.Compile()
	seen := map[string]bool{}
	for range 100 {
		s, _ := find(header, []byte(answerText), random)
		seen[s] = true
	}
	if len(seen) != 2 {
		t.Errorf("[*] chose only %v", seen)
	}
}

func TestCaptureTellsWhatIsNotThere(t *testing.T) {
	for want, c := range map[string]Capture{
		"has no $.items[2]":      {JSON: "$.items[2]"},
		"has no $.items[-3]":     {JSON: "$.items[-3]"},
		"has no $.items.id":      {JSON: "$.items.id"},
		"has no $[0]":            {JSON: "$[0]"},
		"null is null":           {JSON: "$['a b'].null"},
		"has no header Location": {Header: "Location"},
		"nothing like":           {Regexp: "zzz"},
	} {
		find, err := c.Compile()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := find(http.Header{}, []byte(answerText), rand.New(rand.NewPCG(1, 1))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
	for _, c := range []Capture{
		{},
		{JSON: "$", Header: "x"},
		{JSON: "items"},
		{JSON: "$."},
		{JSON: "$.a..b"},
		{JSON: "$[x]"},
		{JSON: "$[0"},
		{JSON: "$['a"},
		{JSON: "$a"},
		{JSON: "$" + strings.Repeat(".a", 300)},
		{Regexp: "("},
	} {
		if _, err := c.Compile(); err == nil {
			t.Errorf("%+v was taken", c)
		}
	}
}

// Whatever the path and the answer, there is a value or an error, never a panic.
func FuzzPath(f *testing.F) {
	for _, s := range []string{"$", "$.items[0].id", "$['a b'].ok", "$[*]", "$[-1]", "$..", "$[", "$['"} {
		f.Add(s, answerText)
	}
	f.Fuzz(func(t *testing.T, text, body string) {
		p, err := parsePath(text)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: the error has several lines: %v", text, err)
			}
			return
		}
		if v, err := p.find([]byte(body), rand.New(rand.NewPCG(1, 1))); err != nil && v != "" {
			t.Errorf("a value and an error: %q, %v", v, err)
		}
	})
}

// A template is cut without loss: filled with its own variables it is the text again.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"", "plain", "/v1/${id}/x", "$$", "${a}${b}", "$", "${", "${}", "${a b}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := Parse(s)
		if err != nil {
			return
		}
		out, err := parsed.Fill(func(name string) (string, bool) { return "${" + name + "}", true }, AsIs)
		if want := strings.ReplaceAll(s, "$$", "$"); err != nil || out != want {
			t.Errorf("%q became %q, %v", s, out, err)
		}
	})
}

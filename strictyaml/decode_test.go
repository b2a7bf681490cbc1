package strictyaml_test

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/strictyaml"
)

type inner struct {
	Text string `yaml:"text"`
}

type beside struct {
	Near int `yaml:"near"`
}

type all struct {
	Name     string `yaml:"name"`
	Flag     bool
	Int      int
	Small    int8
	Unsigned uint16
	Float    float64
	Wait     time.Duration
	Addr     netip.Addr
	Inner    inner
	Pointer  *inner
	List     []int
	Map      map[string]inner
	Beside   beside `yaml:",inline"`
	Hidden   string `yaml:"-"`
	private  string
}

// decode reads a document and returns what is wrong with it, on lines.
func decode(t *testing.T, text string, dst any) string {
	t.Helper()
	var errs strictyaml.Collector
	if root := strictyaml.Parse("x.yaml", []byte(text), &errs); root != nil {
		if err := root.Decode("a thing", dst); err != nil {
			return err.Error()
		}
	}
	if err := errs.Err(); err != nil {
		return err.Error()
	}
	return ""
}

func TestDecode(t *testing.T) {
	got := all{Hidden: "kept", private: "kept", Float: 9}
	text := `
name: "0755"
flag: true
int: -7
small: -128
unsigned: 65535
wait: 1m30s
addr: 127.0.0.1
near: 3
inner: {text: a}
pointer: {text: b}
list: [1, 2]
map: {x: {text: c}}
`
	if msg := decode(t, text, &got); msg != "" {
		t.Fatal(msg)
	}
	want := all{
		Name: "0755", Flag: true, Int: -7, Small: -128, Unsigned: 65535, Float: 9, Wait: 90 * time.Second,
		Addr: netip.MustParseAddr("127.0.0.1"), Inner: inner{"a"}, Pointer: &inner{"b"}, List: []int{1, 2},
		Map: map[string]inner{"x": {"c"}}, Beside: beside{3}, Hidden: "kept", private: "kept",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"nam: x":           `x.yaml:1:1: unknown key "nam"; did you mean "name"?`,
		"near: x":          `"near" wants a whole number`,
		"beside: {}":       `unknown key "beside"`,
		"hidden: x":        `unknown key "hidden"`,
		"private: x":       `unknown key "private"`,
		"inner: {txt: x}":  `x.yaml:1:9: unknown key "txt"; did you mean "text"?`,
		"inner: x":         `wants a mapping`,
		"map: {x: {y: 1}}": `unknown key "y"`,
		"list: 1":          `"list" wants a list`,
		"list: [a]":        `wants a whole number`,
		"small: 128":       `wants a whole number from -128 to 127`,
		"unsigned: -1":     `wants a whole number from 0 to 65535`,
		"float: much":      `"float" wants a number`,
		"float: .inf":      `"float" wants a number`,
		"flag: yes please": `wants true or false`,
		"wait: 90":         `wants a duration`,
		"addr: nowhere":    `"addr": ParseAddr`,
		"name:":            `"name" wants a text; found nothing`,
		"name: a\nname: b": `the key "name" is given twice`,
		"- a":              `a mapping that describes a thing`,
		"inner: &i {text: a}\npointer: *i\nlist: *i": `"list" wants a list`,
	} {
		if msg := decode(t, text, &all{}); !strings.Contains(msg, want) {
			t.Errorf("%q: %q, want %q", text, msg, want)
		}
	}
}

// What no file can fill is the program's mistake and is told before any file is read.
func TestDecodeRefusesTypes(t *testing.T) {
	for _, dst := range []any{nil, all{}, new(int), &struct{ C chan int }{}, &struct{ M map[int]string }{}, &struct{ F []func() }{}} {
		if msg := decode(t, "{}", dst); msg == "" {
			t.Errorf("%T was taken", dst)
		}
	}
}

func TestLeaves(t *testing.T) {
	v := all{}
	leaves, err := strictyaml.Leaves(&v)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{
		"name": "n", "flag": "TRUE", "int": "5", "small": "-1", "unsigned": "7", "float": "2.5", "wait": "2s",
		"addr": "::1", "inner.text": "deep", "near": "4",
	}
	for _, l := range leaves {
		path := strings.Join(l.Path, ".")
		text, ok := values[path]
		if !ok {
			t.Errorf("%s is no leaf", path)
			continue
		}
		if err := l.Set(text); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		delete(values, path)
	}
	if len(values) > 0 {
		t.Errorf("no leaf for %v", values)
	}
	if v.Inner.Text != "deep" || v.Wait != 2*time.Second || !v.Flag || v.Float != 2.5 || v.Small != -1 {
		t.Errorf("%+v", v)
	}
	for _, l := range leaves {
		if l.Path[0] == "small" {
			if err := l.Set("300"); err == nil || !strings.Contains(err.Error(), "from -128 to 127") {
				t.Errorf("err = %v", err)
			}
		}
	}
}

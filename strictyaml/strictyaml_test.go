package strictyaml_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/strictyaml"
)

func ExampleParse() {
	var errs strictyaml.Collector
	var port int
	root := strictyaml.Parse("server.yaml", []byte("port: \"80\"\nhots: example\n"), &errs)
	if root != nil {
		root.Fields("a server", strictyaml.Fields{
			"port": func(n *strictyaml.Node) { port, _ = n.Int(1, 65535) },
			"host": func(n *strictyaml.Node) { n.Text("a host") },
		})
	}
	fmt.Println(port)
	fmt.Println(errs.Err())
	// Output:
	// 0
	// server.yaml:1:7: "port" wants a whole number from 1 to 65535; found the text "80": remove the quotes
	// server.yaml:2:1: unknown key "hots"; did you mean "host"?
}

func ExampleSuggest() {
	fmt.Println("unknown service" + strictyaml.Suggest("catlog", []string{"catalog", "cart", "orders"}))
	fmt.Println("unknown service" + strictyaml.SuggestOrList("zzz", []string{"orders", "cart"}, "services"))
	// Output:
	// unknown service; did you mean "catalog"?
	// unknown service; the services are cart, orders
}

func TestSuggest(t *testing.T) {
	keys := []string{"replicas", "route", "run", "ready", "on", "env", "port", "watch", "weight"}
	for _, test := range []struct{ word, want string }{
		{"replica", `; did you mean "replicas"?`},
		{"Replicas", `; did you mean "replicas"?`},
		{"rpelicas", `; did you mean "replicas"?`},
		{"rout", `; did you mean "route"?`},
		{"rnu", `; did you mean "run"?`},
		{"no", `; did you mean "on"?`},
		{"prot", `; did you mean "port"?`},
		{"zzzzzz", ""},
		{"", ""},
		{strings.Repeat("replicas", 100), ""},
	} {
		if got := strictyaml.Suggest(test.word, keys); got != test.want {
			t.Errorf("%q: %q, want %q", test.word, got, test.want)
		}
	}
	if got := strictyaml.Suggest("aa", []string{"ab", "ac"}); got != `; did you mean "ab" or "ac"?` {
		t.Error(got)
	}
	if got := strictyaml.Suggest("aa", []string{"ab", "ac", "ad", "ae"}); got != "" {
		t.Errorf("four guesses are none: %s", got)
	}
	if got := strictyaml.SuggestOrList("x", nil, "owners"); got != "; there are no owners" {
		t.Error(got)
	}
	many := strings.Fields("m01 m02 m03 m04 m05 m06 m07 m08 m09 m10")
	if got := strictyaml.SuggestOrList("something", many, "services"); got != "; the services are m01, m02, m03, m04, m05, m06, m07, m08, …" {
		t.Error(got)
	}
}

// TestReaders calls each reader on each kind of value.
func TestReaders(t *testing.T) {
	read := map[string]func(*strictyaml.Node) string{
		"text": func(n *strictyaml.Node) string { v, ok := n.Text("a text"); return fmt.Sprintf("%v %v", v, ok) },
		"word": func(n *strictyaml.Node) string { v, ok := n.Word("a word"); return fmt.Sprintf("%v %v", v, ok) },
		"int":  func(n *strictyaml.Node) string { v, ok := n.Int(-5, 5); return fmt.Sprintf("%v %v", v, ok) },
		"bool": func(n *strictyaml.Node) string { v, ok := n.Bool(); return fmt.Sprintf("%v %v", v, ok) },
		"time": func(n *strictyaml.Node) string { v, ok := n.Duration(0, time.Hour); return fmt.Sprintf("%v %v", v, ok) },
		"each": func(n *strictyaml.Node) string { return fmt.Sprint(len(n.Each("a to b"))) },
		"more": func(n *strictyaml.Node) string { return fmt.Sprint(len(n.OneOrMore())) },
	}
	for _, test := range []struct{ reader, value, want string }{
		{"text", "a b", "a b true"},
		{"text", "'5'", "5 true"},
		{"text", "2024-01-01", "2024-01-01 true"},
		{"text", "<<", "<< true"},
		{"text", "!!str 5", "5 true"},
		{"text", "yes", "yes true"},
		{"text", "5", ` false | f:1:4: "k" wants a text; found the number 5`},
		{"text", "1.5", ` false | f:1:4: "k" wants a text; found the number 1.5`},
		{"text", "true", ` false | f:1:4: "k" wants a text; found true`},
		{"text", "", ` false | f:1:3: "k" wants a text; found nothing`},
		{"text", "null", ` false | f:1:4: "k" wants a text; found nothing`},
		{"text", "[a]", ` false | f:1:4: "k" wants a text; found a list`},
		{"text", "{a: b}", ` false | f:1:4: "k" wants a text; found a mapping`},
		{"word", "010", "010 true"},
		{"word", "1.10", "1.10 true"},
		{"word", "TRUE", "TRUE true"},
		{"word", "~", ` false | f:1:4: "k" wants a word; found nothing`},
		{"int", "5", "5 true"},
		{"int", "-5", "-5 true"},
		{"int", "6", `0 false | f:1:4: "k" wants a whole number from -5 to 5; found the number 6`},
		{"int", "0x1", `0 false | f:1:4: "k" wants a whole number from -5 to 5; found the number 0x1`},
		{"int", "01", `0 false | f:1:4: "k" wants a whole number from -5 to 5; found the number 01`},
		{"int", "1_0", `0 false | f:1:4: "k" wants a whole number from -5 to 5; found the number 1_0`},
		{"int", "99999999999999999999", `0 false | f:1:4: "k" wants a whole number from -5 to 5; found the number 99999999999999999999`},
		{"int", "'4'", `0 false | f:1:4: "k" wants a whole number from -5 to 5; found the text "4": remove the quotes`},
		{"int", "!!int abc", `0 false | f:1:4: "k" wants a whole number from -5 to 5; found the number abc`},
		{"bool", "true", "true true"},
		{"bool", "False", "false true"},
		{"bool", "yes", `false false | f:1:4: "k" wants true or false; found the text "yes"`},
		{"time", "1m30s", "1m30s true"},
		{"time", "90", `0s false | f:1:4: "k" wants a duration from 0s to 1h, such as "2s"; found the number 90`},
		{"time", "-1s", `0s false | f:1:4: "k" wants a duration from 0s to 1h, such as "2s"; found the text "-1s"`},
		{"each", "{a: 1, b: 2}", "2"},
		{"each", "[a]", `0 | f:1:4: "k" wants a mapping of a to b; found a list`},
		{"more", "a", "1"},
		{"more", "[a, b]", "2"},
		{"more", "[]", "0"},
		{"text", `"` + strings.Repeat("é", 100) + `"`, strings.Repeat("é", 100) + " true"},
		{"bool", `"` + strings.Repeat("é", 100) + `"`, `false false | f:1:4: "k" wants true or false; found the text "` + strings.Repeat("é", 60) + `…"`},
	} {
		var errs strictyaml.Collector
		root := strictyaml.Parse("f", []byte("k: "+test.value+"\n"), &errs)
		got := ""
		root.Fields("a thing", strictyaml.Fields{"k": func(n *strictyaml.Node) { got = read[test.reader](n) }})
		if err := errs.Err(); err != nil {
			got += " | " + err.Error()
		}
		if got != test.want {
			t.Errorf("%s of %.60s:\ngot  %s\nwant %s", test.reader, test.value, got, test.want)
		}
	}
}

func TestAliases(t *testing.T) {
	var errs strictyaml.Collector
	root := strictyaml.Parse("f", []byte("a: &x b\n*x : c\n<<: [{a: no, d: &y e}]\nf: *y\n"), &errs)
	if err := errs.Err(); err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, p := range root.Pairs {
		got += fmt.Sprintf("%s=%s at %d:%d, ", p.Name, p.Value.Value, p.Value.Place.Line, p.Value.Place.Column)
	}
	if want := "a=b at 1:4, b=c at 2:6, f=e at 3:17, d=e at 3:17, "; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestErrors(t *testing.T) {
	var errs strictyaml.Collector
	if errs.Err() != nil {
		t.Error("no errors are no error")
	}
	b := strictyaml.Place{File: "b", Line: 2, Column: 3}
	for range 3 {
		errs.Add(b.Errorf("twice %d", 1))
	}
	errs.Add(strictyaml.Place{File: "a"}.Errorf("a file"))
	errs.Add(strictyaml.Place{}.Errorf("no file"))
	errs.Add(strictyaml.Place{File: "b", Line: 2}.Errorf("a line"))
	const want = "no file\na: a file\nb:2: a line\nb:2:3: twice 1"
	err := errs.Err()
	if err == nil || err.Error() != want || errs.Len() != 4 {
		t.Fatalf("%v", err)
	}
	var one *strictyaml.Error
	if !errors.As(err, &one) || one.Message != "no file" {
		t.Errorf("the first is %v", one)
	}
	for i := range 40 {
		errs.Add(strictyaml.Place{File: "c", Line: i + 1}.Errorf("x"))
	}
	if lines := strings.Split(errs.Err().Error(), "\n"); len(lines) != 21 || lines[20] != "and 24 more errors" {
		t.Errorf("%q", lines)
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if data, err := strictyaml.ReadFile(path, 5); err != nil || string(data) != "12345" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := strictyaml.ReadFile(path, 4); err == nil {
		t.Error("a larger file was read")
	}
	if _, err := strictyaml.ReadFile(path+"/x", 4); err == nil || strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	if os.Getuid() == 0 {
		return // root reads everything
	}
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := strictyaml.ReadFile(path, 5); err == nil || err.Error() != "the file cannot be read: permission denied" {
		t.Errorf("%v", err)
	}
}

// FuzzParse checks that no text makes the parser panic or run away, that each
// error is one line with a place inside the text, and that nodes lie inside it.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"a: 1", "a: &x [*x]", "{<<: [{a: b}, &c {d: e}], f: *c}", "? [a]\n: b", "a: 'b\n", "- !x y\n- ~", "\ta", "a:\n - b\n  - c", "--- a\n--- b", "%YAML 3\n---\n", "a: \x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<14 {
			return
		}
		var errs strictyaml.Collector
		root := strictyaml.Parse("f", data, &errs)
		if root == nil && errs.Len() == 0 {
			t.Fatal("nothing was read and nothing is wrong")
		}
		lines := strings.Count(string(data), "\n") + strings.Count(string(data), "\r") + strings.Count(string(data), "\u0085") +
			strings.Count(string(data), "\u2028") + strings.Count(string(data), "\u2029") + 2
		if list, ok := errors.AsType[*strictyaml.Errors](errs.Err()); ok {
			for _, e := range list.List {
				if strings.ContainsAny(e.Error(), "\n\r") || e.Line > lines || e.Message == "" {
					t.Errorf("%q", e.Error())
				}
			}
		}
		count := 0
		var walk func(n *strictyaml.Node, depth int)
		walk = func(n *strictyaml.Node, depth int) {
			if count++; count > strictyaml.MaxNodes || depth > strictyaml.MaxDepth {
				t.Fatal("larger than allowed")
			}
			if n.Place.Line < 1 || n.Place.Line > lines {
				t.Fatalf("at %s", n.Place)
			}
			for _, item := range n.Items {
				walk(item, depth+1)
			}
			seen := map[string]bool{}
			for _, p := range n.Pairs {
				if seen[p.Name] {
					t.Fatalf("%q twice", p.Name)
				}
				seen[p.Name] = true
				walk(p.Value, depth+1)
			}
		}
		if root != nil {
			walk(root, 0)
		}
	})
}

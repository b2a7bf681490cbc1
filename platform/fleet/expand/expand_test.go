package expand_test

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/fleet/expand"
)

func ExampleSplit() {
	words, err := expand.Split(`node server.js --title "My Shop" --port ${PORT} '$5'`)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, w := range words {
		fmt.Println(w)
	}
	// Output:
	// node
	// server.js
	// --title
	// My Shop
	// --port
	// ${PORT}
	// $$5
}

func ExampleTemplate_Expand() {
	t, err := expand.Parse("http://${HOST:-localhost}:${PORT}/$$")
	if err != nil {
		fmt.Println(err)
		return
	}
	values := map[string]string{"PORT": "8080"}
	fmt.Println(t.Expand(func(name string) (string, bool) { v, ok := values[name]; return v, ok }))
	// Output:
	// http://localhost:8080/$ <nil>
}

func TestSplit(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"a", "a"},
		{"  a \t b\r\n", "a|b"},
		{"a\\ b c\\\nd", "a b|cd"},
		{"a \\\n b", "a|b"},
		{`'' "" a`, "||a"},
		{`"a\"b\\c\d\` + "\n" + `e"`, `a"b\c\de`},
		{`'a\b'`, `a\b`},
		{"a'b'\"c\"d", "abcd"},
		{"a#b ~x x~", "error: \"~\" needs a shell, and none is run; write ${HOME}, or quote it"},
		{"a#b x~ '~' '#'", "a#b|x~|~|#"},
		{"a=b", "error: a=… before the command needs a shell; put a under env"},
		{"prog a=b 'a'=b --x=y", "prog|a=b|a=b|--x=y"},
		{"'a'=b", "a=b"},
		{"1a=b", "1a=b"},
		{"a $ $/ $'", "error: a quote is opened and not closed; close it"},
		{"a $ $/ b$", "a|$$|$$/|b$$"},
		{"${A}${B}c", "${A}${B}c"},
		{"${A:-x y}", "${A:-x y}"},
		{`"x ${A}" '${A}' \${A}`, "x ${A}|$${A}|$${A}"},
		{"a * ? [b]", "a|*|?|[b]"},
		{"a\nb", "error: a line break separates two commands; run one, or write [sh, -c, \"…\"]"},
		{"a\n\n", "a"},
		{"é 世界", "é|世界"},
		{"a\u00a0b", "a\u00a0b"},
	} {
		words, err := expand.Split(test.line)
		got := strings.Join(words, "|")
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != test.want {
			t.Errorf("%q: %q, want %q", test.line, got, test.want)
		}
	}
}

// TestSplitLikeAShell compares with the shell of the machine, which alone knows
// how a shell splits.
func TestSplitLikeAShell(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no shell to compare with")
	}
	for _, line := range []string{
		`a b`, `a 'b c' "d e"`, `a\ b`, `"a\"b"`, `'a\'`, `"a\\b"`, `"\x"`, `\x`, `a""b`, `"" ''`, `a'b'c"d"e`, `x=y`,
		`a\'b`, `"'"`, `'"'`, `a#b`, `x~`, `{a,b}`, "a\tb", `"a` + "\n" + `b"`, "a\\\nb", `a!b`, `"a\$b"`, `'$x'`, `\$x`, `%d\n`, `a=b=c`,
	} {
		line = "p " + line
		out, err := exec.CommandContext(t.Context(), shell, "-c", `p() { for w in p "$@"; do printf '%s\000' "$w"; done; }; `+line).Output()
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		templates, err := expand.Split(line)
		if err != nil {
			t.Errorf("%q: %v", line, err)
			continue
		}
		got := ""
		for _, w := range templates {
			word, err := fill(w)
			if err != nil {
				t.Errorf("%q: %v", w, err)
			}
			got += word + "\x00"
		}
		if got != string(out) {
			t.Errorf("%q: %q, the shell says %q", line, got, out)
		}
	}
}

// fill expands a template without values.
func fill(template string) (string, error) {
	t, err := expand.Parse(template)
	if err != nil {
		return "", err
	}
	return t.Expand(func(string) (string, bool) { return "", false })
}

func TestExpand(t *testing.T) {
	values := map[string]string{"A": "1", "EMPTY": "", "services.x.url": "http://x"}
	for _, test := range []struct{ template, want string }{
		{"", ""},
		{"plain", "plain"},
		{"${A}", "1"},
		{"x${A}y${A}z", "x1y1z"},
		{"$A $ $$ $$$ $${A}", "$A $ $ $$ ${A}"},
		{"$$${A}", "$1"},
		{"${EMPTY}|${EMPTY:-d}|${NO:-d}|${NO:-}|${A:-d}", "|d|d||1"},
		{"${NO:-a:-b $x}", "a:-b $x"},
		{"${services.x.url}/y", "http://x/y"},
		{"${NO}", "error: NO is not set"},
		{"${services.y.url}", "error: services.y.url is not set"},
		{"${A", `error: "${" is opened and not closed; close it with }, or write $$ for one $`},
		{"${}", `error: "${}" is no reference; write ${NAME}, ${NAME:-default} or ${services.NAME.url}, or $$ for one $`},
		{"${A-b}", `error: "${A-b}" is no reference; write ${NAME}, ${NAME:-default} or ${services.NAME.url}, or $$ for one $`},
		{"${A:-${B}}", `error: "${A:-${B}": a default holds no other ${…}; name one variable`},
	} {
		got := ""
		tm, err := expand.Parse(test.template)
		if err == nil {
			got, err = tm.Expand(func(name string) (string, bool) { v, ok := values[name]; return v, ok })
		}
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != test.want {
			t.Errorf("%q: %q, want %q", test.template, got, test.want)
		}
	}
	var unset *expand.UnsetError
	tm, err := expand.Parse("${NO}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tm.Expand(func(string) (string, bool) { return "", false }); !errors.As(err, &unset) || unset.Name != "NO" {
		t.Errorf("%v", err)
	}
	if refs := tm.References(); len(refs) != 1 || refs[0].Name != "NO" || refs[0].Optional {
		t.Errorf("%+v", refs)
	}
}

// FuzzSplit checks that quoting is undone: any words, quoted for a shell, come
// back; and that no line makes Split or Parse panic.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"a b", "it's", "${A} $$ $", "\\\n", "~ # = | é", "\"${A:-b c}\"", ""} {
		f.Add(s, "x")
	}
	f.Fuzz(func(t *testing.T, line, word string) {
		if words, err := expand.Split(line); err == nil {
			if len(words) == 0 {
				t.Errorf("no words and no error: %q", line)
			}
			for _, w := range words {
				if _, err := expand.Parse(w); err != nil && !strings.Contains(line, "${") {
					t.Errorf("%q of %q is no template: %v", w, line, err)
				}
			}
		}
		want := []string{"p", line, word}
		quoted := make([]string, len(want))
		for i, w := range want {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words, err := expand.Split(strings.Join(quoted, " "))
		if err != nil || len(words) != len(want) {
			t.Fatalf("%q: %q, %v", quoted, words, err)
		}
		for i, w := range words {
			if got, err := fill(w); err != nil || got != want[i] {
				t.Errorf("%q came back as %q, %v", want[i], got, err)
			}
			if got, err := fill(expand.Quote(want[i])); err != nil || got != want[i] {
				t.Errorf("%q came back from Quote as %q, %v", want[i], got, err)
			}
		}
	})
}

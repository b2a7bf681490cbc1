package include

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterdev/muster/strictyaml"
)

// tree reads files from memory.
func tree(files map[string]string) (r *Reader, errs *strictyaml.Collector) {
	errs = &strictyaml.Collector{}
	return &Reader{
		Errs: errs, MaxFiles: 10, MaxDepth: 3, MaxSize: 1 << 20,
		Read: func(path string) ([]byte, error) {
			if text, ok := files[filepath.ToSlash(path)]; ok {
				return []byte(text), nil
			}
			return nil, errors.New("the file does not exist")
		},
	}, errs
}

func TestFiles(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		want  string // paths in order, then errors
	}{
		{"alone", map[string]string{"a": "x: 1"}, "a"},
		{"empty", map[string]string{"a": ""}, "a"},
		{"before its includes", map[string]string{"a": "include: [d/b, c]", "d/b": "include: e", "d/e": "", "c": ""}, "a d/b d/e c"},
		{"a third twice", map[string]string{"a": "include: [b, c]", "b": "include: d", "c": "include: d", "d": ""}, "a b d c"},
		{"named twice", map[string]string{"a": "include: [b, b, ./b]", "b": ""}, "a b"},
		{"itself", map[string]string{"a": "include: a"}, "a | a:1:10: include cycle: a -> a; remove one of these includes"},
		{
			"cycle",
			map[string]string{"a": "include: b", "b": "include: c", "c": "include: b"},
			"a b c | c:1:10: include cycle: b -> c -> b; remove one of these includes",
		},
		{"missing", map[string]string{"a": "include: [b, c]", "c": ""}, "a c | a:1:11: include b: the file does not exist"},
		{"first missing", nil, " | a: the file does not exist"},
		{"deep", map[string]string{"a": "include: b", "b": "include: c", "c": "include: d", "d": "include: e", "e": ""}, "a b c d | d:1:10: includes are nested more than 3 deep; include the file from a higher one"},
		{"no mapping", map[string]string{"a": "include: b", "b": "[x]"}, "a b | b:1:1: found a list, wanted a mapping of keys to values"},
		{"broken", map[string]string{"a": "include: b", "b": "{x"}, "a b | b:1:1: the { opened here is not closed; close it with }"},
		{"wrong types", map[string]string{"a": "include: [[b], '']"}, `a | a:1:11: "include" wants the path of another file, or a list of paths; found a list / a:1:16: the path is empty; name a file`},
		{"too large", map[string]string{"a": "include: b", "b": strings.Repeat("#", 1<<20)}, "a | a:1:10: all files together are larger than 1 MiB; include less"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, errs := tree(test.files)
			files, whole := r.Files("a")
			var paths []string
			for i, f := range files {
				if f.Index != i || !filepath.IsAbs(f.Abs) {
					t.Errorf("%+v is number %d", f, i)
				}
				paths = append(paths, filepath.ToSlash(f.Path))
			}
			got := strings.Join(paths, " ")
			if err := errs.Err(); err != nil {
				got += " | " + strings.ReplaceAll(err.Error(), "\n", " / ")
			}
			if got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			if whole != !strings.Contains(test.want, "|") {
				t.Errorf("whole is %v", whole)
			}
		})
	}
}

func TestManyFiles(t *testing.T) {
	files := map[string]string{"a": "include: ["}
	for i := range 12 {
		files["a"] += fmt.Sprintf("f%d, ", i)
		files[fmt.Sprintf("f%d", i)] = ""
	}
	files["a"] += "]"
	r, errs := tree(files)
	if list, whole := r.Files("a"); whole || len(list) != 10 || !strings.Contains(errs.Err().Error(), "there are more than 10 files") {
		t.Errorf("%d files, whole %v: %v", len(list), whole, errs.Err())
	}
}

func TestLineage(t *testing.T) {
	r, _ := tree(map[string]string{"a": "include: [b, c]", "b": "include: d", "c": "include: d", "d": ""})
	files, _ := r.Files("a")
	var got []string
	for _, f := range files[2].Lineage() {
		got = append(got, f.Path)
	}
	if strings.Join(got, " ") != "d c b a" {
		t.Errorf("lineage of d: %v", got)
	}
	if again, whole := r.Files("a"); len(again) != 4 || !whole {
		t.Error("a reader can be used again")
	}
}

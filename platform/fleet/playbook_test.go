package fleet

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// playbook reads one of its pages.
func playbook(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "playbook", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// TestPlaybook loads the examples of the playbook and compares its table of keys
// with the schema.
func TestPlaybook(t *testing.T) {
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(playbook(t, "fleet.md"), -1)
	if len(examples) < 2 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, example := range examples {
		if _, err := text(example[1]); err != nil {
			t.Errorf("%v in\n%s", err, example[1])
		}
	}

	var schema struct {
		Properties map[string]any
		Defs       map[string]struct{ Properties map[string]any } `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(playbook(t, "muster-yaml.md"), "\nNames of fleets")
	parts := regexp.MustCompile(`\| \*\*of an? \w+\*\* \| \| \|\n`).Split(table, -1)
	wants := []map[string]any{schema.Properties, schema.Defs["service"].Properties, schema.Defs["environment"].Properties}
	if len(parts) != len(wants) {
		t.Fatalf("the table has %d parts", len(parts))
	}
	word := regexp.MustCompile("`([a-z_]+)`")
	for i, part := range parts {
		var keys []string
		for line := range strings.Lines(part) {
			cells := strings.Split(line, "|")
			if len(cells) < 2 {
				continue
			}
			for _, m := range word.FindAllStringSubmatch(cells[1], -1) {
				keys = append(keys, m[1])
			}
		}
		slices.Sort(keys)
		if want := slices.Sorted(maps.Keys(wants[i])); !slices.Equal(keys, want) {
			t.Errorf("the table names %v, the schema has %v", keys, want)
		}
	}
}

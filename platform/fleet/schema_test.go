package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json") // checks it against the 2020-12 meta-schema
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// document reads YAML as an editor would hand it to the schema.
func document(text string) (any, error) {
	var v any
	if err := yaml.Load([]byte(text), &v); err != nil {
		return nil, err
	}
	return plain(v), nil
}

// plain turns what YAML knows into what JSON knows.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key := range v {
			v[key] = plain(v[key])
		}
		return v
	case map[any]any:
		out := map[string]any{}
		for key := range v {
			out[fmt.Sprint(key)] = plain(v[key])
		}
		return out
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
		return v
	case time.Time:
		return v.Format(time.DateOnly)
	case int:
		return json.Number(fmt.Sprint(v))
	}
	return v
}

// TestSchemaAgreesWithParser holds the schema against the whole corpus. A case
// marked "schema: accepts" is wrong in a way that only the whole fleet shows.
func TestSchemaAgreesWithParser(t *testing.T) {
	schema := compileSchema(t)
	verdict := func(c testCase) error {
		for _, name := range c.names {
			if name == "want" {
				continue
			}
			doc, err := document(c.files[name])
			if err == nil {
				err = schema.Validate(doc)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	}
	cases(t, "good", func(t *testing.T, c testCase) {
		if err := verdict(c); err != nil {
			t.Error(err)
		}
	})
	cases(t, "errors", func(t *testing.T, c testCase) {
		if err := verdict(c); (err == nil) != (c.options["schema"] == "accepts") {
			t.Errorf("marked %q, but the schema says: %v", c.options["schema"], err)
		}
	})
}

// TestSchemaAgreesOnParts takes each service and each environment of the corpus
// alone, so that no mistake hides behind another one.
func TestSchemaAgreesOnParts(t *testing.T) {
	schema := compileSchema(t)
	agree := func(t *testing.T, part map[string]any) {
		text, err := yaml.Dump(part)
		if err != nil {
			t.Fatal(err)
		}
		_, parserSays := testCase{names: []string{"muster.yaml"}, files: map[string]string{"muster.yaml": string(text)}}.load()
		doc, err := document(string(text))
		if err != nil {
			t.Fatal(err)
		}
		if schemaSays := schema.Validate(doc); (parserSays == nil) != (schemaSays == nil) {
			t.Errorf("they differ on\n%sparser: %v\nschema: %v", text, parserSays, schemaSays)
		}
	}
	for _, folder := range []string{"good", "errors"} {
		cases(t, folder, func(t *testing.T, c testCase) {
			alone := c.options["schema"] != "accepts"
			if folder == "good" {
				alone = slices.Contains([]string{"forms.txtar", "aliases.txtar", "routes.txtar"}, filepath.Base(c.path))
			}
			if !alone {
				t.Skip("its parts refer to each other")
			}
			doc, err := document(c.files[c.names[0]])
			top, ok := doc.(map[string]any)
			if err != nil || !ok {
				t.Skip("not one document")
			}
			for _, kind := range []string{"services", "environments", "owners"} {
				parts, _ := top[kind].(map[string]any)
				for _, name := range slices.Sorted(maps.Keys(parts)) {
					whole := map[string]any{"fleet": "shop", "services": map[string]any{"only": map[string]any{"run": "x"}}}
					whole[kind] = map[string]any{name: parts[name]}
					agree(t, whole)
				}
			}
		})
	}
}

// TestSchemaKnowsTheSameKeys asks the parser, by an unknown key, which keys there
// are, and compares them with those of the schema.
func TestSchemaKnowsTheSameKeys(t *testing.T) {
	var schema struct {
		Properties map[string]any
		Defs       map[string]struct {
			Properties map[string]any
			AnyOf      []struct{ Properties map[string]any }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	environmentServices := schema.Defs["environment"].Properties["services"].(map[string]any)["additionalProperties"].(map[string]any)["properties"].(map[string]any)
	for _, object := range []struct {
		name, text string
		keys       map[string]any
	}{
		{"fleet", "{fleet: f, qqqqq: 1}", schema.Properties},
		{"service", "{fleet: f, services: {a: {run: a, qqqqq: 1}}}", schema.Defs["service"].Properties},
		{"route", "{fleet: f, services: {a: {run: a, route: {path: /, qqqqq: 1}}}}", schema.Defs["route"].AnyOf[1].Properties},
		{"ready", "{fleet: f, services: {a: {run: a, ready: {qqqqq: 1}}}}", schema.Defs["ready"].AnyOf[1].Properties},
		{"live", "{fleet: f, services: {a: {run: a, live: {qqqqq: 1}}}}", schema.Defs["live"].AnyOf[1].Properties},
		{"owner", "{fleet: f, owners: {a: {qqqqq: 1}}}", schema.Defs["owner"].Properties},
		{"edge", "{fleet: f, edge: {qqqqq: 1}}", schema.Defs["edge"].Properties},
		{"tcp", "{fleet: f, edge: {tcp: {1: {qqqqq: 1}}}}", schema.Defs["tcp"].AnyOf[1].Properties},
		{"control", "{fleet: f, control: {qqqqq: 1}}", schema.Defs["control"].Properties},
		{"calls", "{fleet: f, services: {a: {run: a, calls: {qqqqq: 1}}}}", schema.Defs["calls"].Properties},
		{"broker", "{fleet: f, broker: {qqqqq: 1}}", schema.Defs["broker"].Properties},
		{"telemetry", "{fleet: f, telemetry: {qqqqq: 1}}", schema.Defs["telemetry"].Properties},
		{"environment", "{fleet: f, environments: {p: {qqqqq: 1}}}", schema.Defs["environment"].Properties},
		{"environment service", "{fleet: f, environments: {p: {services: {a: {qqqqq: 1}}}}}", environmentServices},
	} {
		_, err := testCase{names: []string{"m"}, files: map[string]string{"m": object.text}}.load()
		if err == nil {
			t.Fatalf("%s: an unknown key was accepted", object.name)
		}
		_, list, ok := strings.Cut(err.Error(), `unknown key "qqqqq"; `)
		list, _, _ = strings.Cut(list, "\n")
		_, list, _ = strings.Cut(list, " has ")
		if got, want := strings.Split(list, ", "), slices.Sorted(maps.Keys(object.keys)); !ok || !slices.Equal(got, want) {
			t.Errorf("%s: the parser knows %v, the schema %v", object.name, got, want)
		}
	}
}

package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

// Names of the two readings of a document: what is only read must not be asked of who writes,
// nor the other way round.
const (
	asked    = "mem:///request.json"
	answered = "mem:///answer.json"
)

// document is a contract as it was written, with its schemas to be compiled.
type document struct {
	root    map[string]any
	schemas *jsonschema.Compiler
}

// noLoader keeps a contract from reading files and addresses.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("%s is outside of the document: bundle it into one file", url)
}

// load reads JSON or YAML.
func load(data []byte) (*document, error) {
	if len(data) > maxDocument {
		return nil, fmt.Errorf("the contract is larger than %d bytes", maxDocument)
	}
	if trimmed := bytes.TrimSpace(data); len(trimmed) == 0 || trimmed[0] != '{' {
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			return nil, fmt.Errorf("it is neither JSON nor YAML: %w", err)
		}
		var err error
		if data, err = json.Marshal(v); err != nil {
			return nil, fmt.Errorf("it has what JSON has not: %w", err)
		}
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	root, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("it is not an object")
	}
	version, _ := root["openapi"].(string)
	if !strings.HasPrefix(version, "3.") {
		return nil, errors.New("it is no OpenAPI document of version 3: convert one of version 2 (Swagger) first")
	}
	d := &document{root: root, schemas: jsonschema.NewCompiler()}
	d.schemas.DefaultDraft(jsonschema.Draft2020)
	d.schemas.AssertFormat()
	d.schemas.UseLoader(noLoader{})
	for url, left := range map[string]string{asked: "readOnly", answered: "writeOnly"} {
		reading, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		translate(reading, strings.HasPrefix(version, "3.0"), left, 0)
		if err := d.schemas.AddResource(url, reading); err != nil {
			return nil, err
		}
	}
	return d, nil
}

const maxDepth = 200

// translate makes the schemas of a document those of JSON Schema 2020-12, in place, and does not
// require what the other side has to say.
func translate(v any, old bool, left string, depth int) {
	if depth > maxDepth {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			translate(item, old, left, depth+1)
		}
	case map[string]any:
		if old {
			modern(v)
		}
		release(v, left)
		for name, item := range v {
			if name != "example" && name != "examples" && name != "default" && name != "enum" && name != "const" {
				translate(item, old, left, depth+1)
			}
		}
	}
}

// modern says in the words of 3.1 what a schema of 3.0 says in its own.
func modern(s map[string]any) {
	if kind, ok := s["type"].(string); ok && s["nullable"] == true {
		s["type"] = []any{kind, "null"}
		if values, ok := s["enum"].([]any); ok && !slices.Contains(values, nil) {
			s["enum"] = append(slices.Clone(values), nil)
		}
	}
	for bound, strict := range map[string]string{"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"} {
		only, ok := s[strict].(bool)
		if !ok {
			continue
		}
		delete(s, strict)
		if n, there := s[bound].(json.Number); only && there {
			s[strict] = n
			delete(s, bound)
		}
	}
}

// release takes the properties marked by left out of what an object must have.
func release(s map[string]any, left string) {
	properties, ok := s["properties"].(map[string]any)
	required, must := s["required"].([]any)
	if !ok || !must {
		return
	}
	kept := slices.DeleteFunc(slices.Clone(required), func(name any) bool {
		text, _ := name.(string)
		property, _ := properties[text].(map[string]any)
		return property[left] == true
	})
	if len(kept) == 0 {
		delete(s, "required")
		return
	}
	s["required"] = kept
}

// at returns the object at a pointer, and the pointer where it really is: references are
// followed.
func (d *document) at(pointer string) (map[string]any, string, error) {
	for range 16 {
		v, err := d.lookup(pointer)
		if err != nil {
			return nil, "", err
		}
		object, ok := v.(map[string]any)
		if !ok {
			return nil, "", fmt.Errorf("%s is no object", pointer)
		}
		ref, ok := object["$ref"].(string)
		if !ok {
			return object, pointer, nil
		}
		fragment, ok := strings.CutPrefix(ref, "#")
		if !ok {
			return nil, "", fmt.Errorf("%s refers to %.200q outside of the document: bundle it into one file", pointer, ref)
		}
		if pointer, err = url.PathUnescape(fragment); err != nil {
			return nil, "", fmt.Errorf("%.200q is no reference: %w", ref, err)
		}
	}
	return nil, "", fmt.Errorf("%s is a reference to a reference, 16 times", pointer)
}

func (d *document) lookup(pointer string) (any, error) {
	var v any = d.root
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		token = strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		switch in := v.(type) {
		case map[string]any:
			next, ok := in[token]
			if !ok {
				return nil, fmt.Errorf("there is no %.200s", pointer)
			}
			v = next
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(in) {
				return nil, fmt.Errorf("there is no %.200s", pointer)
			}
			v = in[i]
		default:
			return nil, fmt.Errorf("there is no %.200s", pointer)
		}
	}
	return v, nil
}

// schema compiles the schema at a pointer in one of the two readings.
func (d *document) schema(reading, pointer string) (*jsonschema.Schema, error) {
	s, err := d.schemas.Compile(reading + "#" + (&url.URL{Fragment: pointer}).EscapedFragment())
	if err != nil {
		return nil, fmt.Errorf("the schema at %s: %w", pointer, err)
	}
	return s, nil
}

// below is a pointer to a member.
func below(pointer, member string) string {
	return pointer + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(member)
}

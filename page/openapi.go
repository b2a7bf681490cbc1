package page

import (
	"strconv"
	"strings"
)

// Parameter is one query parameter of a list, for whoever documents an API; package
// rest makes OpenAPI of it.
type Parameter struct {
	Name    string
	Doc     string
	Type    string // of JSON Schema: string, integer, number or boolean
	Format  string // of JSON Schema: date-time, uuid, int32, int64 or double; empty for none
	Enum    []string
	List    bool // comma-separated values of Type
	Minimum int  // of an integer; with Maximum 0 there are no bounds
	Maximum int
	Default string
}

// Parameters returns what Parse takes under s, in the order to document it.
func (s Spec) Parameters() []Parameter {
	all := []Parameter{
		{Name: limitParam, Doc: "The most rows to answer.", Type: "integer", Minimum: 1, Maximum: s.maxLimit(), Default: strconv.Itoa(s.defaultLimit())},
		{Name: cursorParam, Doc: "The next of the page before, with sort and filters unchanged.", Type: "string"},
		{
			Name: sortParam, Type: "string", Default: s.DefaultSort,
			Doc: "The order: fields separated by commas, with - before one for descending. Fields: " + strings.Join(s.sortable(), ", ") + ".",
		},
	}
	for _, f := range s.Fields {
		for _, o := range operators() {
			if f.Filter&o.op == 0 {
				continue
			}
			p := Parameter{Name: o.param(f.Name), Doc: "Only rows whose " + f.Name + " " + o.words + " this.", List: o.op == In}
			if f.Doc != "" && o.op == Eq {
				p.Doc += " " + f.Doc
			}
			if p.Type, p.Format = f.Kind.schema(); o.op != Prefix {
				p.Enum = f.Enum
			}
			all = append(all, p)
		}
	}
	return all
}

// schema returns the kind's type and format in JSON Schema.
func (k Kind) schema() (name, format string) {
	switch k {
	case Int:
		return "integer", "int64"
	case Int32:
		return "integer", "int32"
	case Float:
		return "number", "double"
	case Bool:
		return "boolean", ""
	case Time:
		return "string", "date-time"
	case UUID:
		return "string", "uuid"
	default:
		return "string", ""
	}
}

package page

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Spec says what a list offers. It is a plain value, usually a package-level one
// that nobody changes; [Spec.Check] tells at start whether it is sound.
type Spec struct {
	Fields       []Field
	Key          string // name of the field that is unique and never NULL; it ends every order, so that no two rows are equal in it
	DefaultSort  string // in the form of the sort parameter; empty means Key
	DefaultLimit int    // rows a page when the caller names no limit; 0 means 20
	MaxLimit     int    // most rows a page; 0 means 100. A larger limit is refused, not cut
	Secret       []byte // with it nobody else can forge a cursor; every replica needs the same. Without it a cursor is only checked for damage
}

// Field is something a list can be filtered or sorted by.
type Field struct {
	Name   string // in the query, and in the JSON of a row: letters, digits and _
	Column string // SQL column or expression; empty means Name. It is trusted: never build it from a request
	Kind   Kind
	Filter Op       // operators allowed, such as Eq|In or Range; 0 means it cannot be filtered by
	Sort   bool     // may be sorted by; the column must then never be NULL (use COALESCE in Column where it is)
	Enum   []string // of a String: the only values there are; empty means any
	Doc    string   // one sentence for the API's documentation
}

// Op is a filter operator, or a set of them joined with |.
type Op uint8

// The operators. Rows whose column is NULL match none of them.
const (
	Eq     Op = 1 << iota // field=value
	Ne                    // field.ne=value
	Lt                    // field.lt=value
	Lte                   // field.lte=value
	Gt                    // field.gt=value
	Gte                   // field.gte=value
	In                    // field.in=a,b,c: one of at most 100; a comma within a value is written \, and a backslash \\
	Prefix                // field.prefix=text: begins with exactly that, upper and lower case kept apart
)

// Sets of operators that go together.
const (
	Equality = Eq | Ne | In
	Range    = Equality | Lt | Lte | Gt | Gte
	Text     = Equality | Prefix
)

// Defaults of Spec's limits.
const (
	DefaultLimit = 20
	MaxLimit     = 100
)

const (
	limitParam  = "limit"
	cursorParam = "cursor"
	sortParam   = "sort"
)

// operators returns every operator with its suffix in the query and its SQL.
func operators() [8]operator {
	return [...]operator{
		{Eq, "", "=", "equals"},
		{Ne, "ne", "<>", "differs from"},
		{Lt, "lt", "<", "is less than"},
		{Lte, "lte", "<=", "is at most"},
		{Gt, "gt", ">", "is greater than"},
		{Gte, "gte", ">=", "is at least"},
		{In, "in", "IN", "is one of the comma-separated values of"},
		{Prefix, "prefix", "", "begins with"},
	}
}

type operator struct {
	op     Op
	suffix string
	sql    string
	words  string
}

// param returns the operator's parameter for a field.
func (o operator) param(field string) string {
	if o.suffix == "" {
		return field
	}
	return field + "." + o.suffix
}

// operator returns the operator with a suffix, if the field may be filtered by it.
func (f Field) operator(suffix string) (Op, bool) {
	for _, o := range operators() {
		if o.suffix == suffix {
			return o.op, f.Filter&o.op != 0
		}
	}
	return 0, false
}

// String returns the operators' suffixes in the query, "eq" for Eq.
func (o Op) String() string {
	var names []string
	for _, x := range operators() {
		if o&x.op != 0 {
			names = append(names, cmp.Or(x.suffix, "eq"))
		}
	}
	return strings.Join(names, "|")
}

func (s Spec) defaultLimit() int {
	if s.DefaultLimit > 0 {
		return s.DefaultLimit
	}
	return min(DefaultLimit, s.maxLimit())
}

func (s Spec) maxLimit() int {
	if s.MaxLimit > 0 {
		return s.MaxLimit
	}
	return MaxLimit
}

func (s Spec) field(name string) (Field, bool) {
	i := slices.IndexFunc(s.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return s.Fields[i], true
}

func (f Field) column() string {
	if f.Column != "" {
		return f.Column
	}
	return f.Name
}

// Check returns what is wrong with the Spec itself, nil when it is sound. Call it
// where the service starts; package rest does so for the lists it serves.
func (s Spec) Check() error {
	if s.DefaultLimit < 0 || s.MaxLimit < 0 {
		return fmt.Errorf("page: DefaultLimit %d and MaxLimit %d: each must be positive, or 0 for %d and %d", s.DefaultLimit, s.MaxLimit, DefaultLimit, MaxLimit)
	}
	if s.defaultLimit() > s.maxLimit() {
		return fmt.Errorf("page: DefaultLimit %d is more than MaxLimit, which is %d", s.defaultLimit(), s.maxLimit())
	}
	seen := map[string]bool{limitParam: true, cursorParam: true, sortParam: true}
	for _, f := range s.Fields {
		if err := f.check(); err != nil {
			return err
		}
		if seen[f.Name] {
			return fmt.Errorf("page: field %q: the name is taken by another field or a parameter of every list", f.Name)
		}
		seen[f.Name] = true
	}
	if _, ok := s.field(s.Key); !ok {
		return fmt.Errorf("page: Key %q is not the name of a field; name the unique one", s.Key)
	}
	if _, err := s.order(s.DefaultSort); err != nil {
		return fmt.Errorf("page: DefaultSort: %w", err)
	}
	return nil
}

// wellNamed allows no dot, which parts a name from its operator, and nothing that
// would need quoting as an SQL column.
func wellNamed(s string) bool {
	for i, c := range s {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func (f Field) check() error {
	switch {
	case !wellNamed(f.Name):
		return fmt.Errorf("page: field %q: the name must be letters, digits and _, not beginning with a digit", f.Name)
	case f.Kind > kindLast:
		return fmt.Errorf("page: field %q: there is no kind %d", f.Name, f.Kind)
	case f.Filter&Prefix != 0 && f.Kind != String:
		return fmt.Errorf("page: field %q: Prefix is for String, not for %s", f.Name, f.Kind)
	case f.Filter&(Lt|Lte|Gt|Gte) != 0 && f.Kind == Bool:
		return fmt.Errorf("page: field %q: a Bool has no order to filter by", f.Name)
	case len(f.Enum) > 0 && f.Kind != String:
		return fmt.Errorf("page: field %q: Enum is for String, not for %s", f.Name, f.Kind)
	}
	return nil
}

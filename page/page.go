package page

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/musterdev/muster/problem"
)

// Page is one page of a list, as it is answered in JSON.
type Page[T any] struct {
	Items []T    `json:"items" nullable:"false" doc:"The rows of this page."`
	Next  string `json:"next,omitempty" doc:"The cursor of the next page; absent on the last one."`
}

// Of makes a page of the rows that a query with q's Where, OrderBy and Limit found:
// it leaves out the row too many and makes the next page's cursor from the last row
// shown. T is a struct, or a pointer to one, that has the fields sorted by under
// their names in JSON. Errors are internal ones and the author's to mend.
func Of[T any](q Query, rows []T) (Page[T], error) {
	t := reflect.TypeFor[T]()
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	index := make(map[string][]int, len(q.order))
	for _, o := range q.order {
		at, ok := jsonField(t, o.Field)
		if !ok {
			return Page[T]{}, fault(fmt.Errorf("page: %s has no field %q in its JSON; name it so, or use page.OfFunc", t, o.Field))
		}
		index[o.Field] = at
	}
	return OfFunc(q, rows, func(row T, field string) any {
		v := reflect.ValueOf(row)
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if !v.IsValid() { // the row is a nil pointer
			return nil
		}
		if f, err := v.FieldByIndexErr(index[field]); err == nil {
			return f.Interface()
		}
		return nil
	})
}

// OfFunc is [Of] for rows that need a function to tell the value of a field. Without
// rows, and for the zero Query, which asks for none, the page is empty and the last.
func OfFunc[T any](q Query, rows []T, value func(row T, field string) any) (Page[T], error) {
	if q.size <= 0 || rows == nil { // a page of none would have itself as the next one
		return Page[T]{Items: []T{}}, nil // in JSON [], not null
	}
	if len(rows) <= q.size {
		return Page[T]{Items: rows}, nil
	}
	if value == nil {
		return Page[T]{}, fault(errors.New("page: OfFunc is given no function"))
	}
	rows = rows[:q.size:q.size]
	values := make([]any, len(q.order))
	for i, o := range q.order {
		field, _ := q.spec.field(o.Field)
		var err error
		if values[i], err = field.Kind.of(value(rows[len(rows)-1], o.Field)); err != nil {
			return Page[T]{}, fault(fmt.Errorf("page: field %q: %w", o.Field, err))
		}
	}
	next, err := q.makeCursor(values)
	if err != nil {
		return Page[T]{}, fault(err)
	}
	return Page[T]{Items: rows, Next: next}, nil
}

// fault keeps the author's mistake for the log and from the caller.
func fault(err error) error {
	return problem.Wrap(err, problem.Internal, "the page could not be made")
}

// jsonField finds the field that encoding/json writes under name.
func jsonField(t reflect.Type, name string) ([]int, bool) {
	if t.Kind() != reflect.Struct {
		return nil, false
	}
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.IsExported() && !f.Anonymous && (tag == name || tag == "" && f.Name == name) {
			return f.Index, true
		}
	}
	return nil, false
}

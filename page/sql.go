package page

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Where returns the query's filters and the cursor's position as one SQL condition,
// without the word WHERE and fit to be joined with AND, and args followed by its
// own: args are those of the statement so far, and $n counts on from them. A query
// without either gives "1 = 1". The columns are the Spec's; everything from the
// caller is an argument.
//
//	cond, args := q.Where(shop)
//	rows, err := db.QueryContext(ctx, "SELECT id, name FROM products WHERE shop = $1 AND "+cond+q.OrderBy()+q.Limit(), args...)
func (q Query) Where(args ...any) (string, []any) {
	w := where{args: append([]any(nil), args...)}
	for _, f := range q.filters {
		field, _ := q.spec.field(f.Field)
		w.filter(field.column(), f)
	}
	if q.after != nil {
		w.after(q)
	}
	if len(w.conds) == 0 {
		return "1 = 1", w.args
	}
	return strings.Join(w.conds, " AND "), w.args
}

// OrderBy returns " ORDER BY …", with the space before it, the Spec's Key last.
func (q Query) OrderBy() string {
	terms := make([]string, 0, len(q.order))
	for _, o := range q.order {
		field, _ := q.spec.field(o.Field)
		term := field.column()
		if o.Desc {
			term += " DESC"
		}
		terms = append(terms, term)
	}
	if len(terms) == 0 {
		return ""
	}
	return " ORDER BY " + strings.Join(terms, ", ")
}

// Limit returns " LIMIT n", with the space before it. n is one more than Size: the
// row too many tells [Of] that there is a next page.
func (q Query) Limit() string { return " LIMIT " + strconv.Itoa(q.size+1) }

type where struct {
	conds []string
	args  []any
}

// arg adds an argument and returns its placeholder.
func (w *where) arg(v any) string {
	w.args = append(w.args, v)
	return "$" + strconv.Itoa(len(w.args))
}

func (w *where) filter(column string, f Filter) {
	switch f.Op {
	case In:
		marks := make([]string, len(f.Values))
		for i, v := range f.Values {
			marks[i] = w.arg(v)
		}
		w.conds = append(w.conds, fmt.Sprintf("%s IN (%s)", column, strings.Join(marks, ", ")))
	case Prefix:
		// LIKE ignores case on SQLite and not on PostgreSQL, and a range of texts
		// depends on the collation. This means the same on both.
		text, _ := f.Values[0].(string)
		n := w.arg(int64(utf8.RuneCountInString(text)))
		w.conds = append(w.conds, fmt.Sprintf("substr(%s, 1, %s) = %s", column, n, w.arg(text)))
	default:
		for _, o := range operators() {
			if o.op == f.Op {
				w.conds = append(w.conds, fmt.Sprintf("%s %s %s", column, o.sql, w.arg(f.Values[0])))
			}
		}
	}
}

// after adds the condition for rows behind the cursor's. Terms of one direction
// compare as one row value, which an index answers directly; mixed ones unfold to
// a < x OR (a = x AND (b > y OR …)), with a <= x before it for the index.
func (w *where) after(q Query) {
	columns := make([]string, len(q.order))
	marks := make([]string, len(q.order))
	mixed := false
	for i, o := range q.order {
		field, _ := q.spec.field(o.Field)
		columns[i], marks[i] = field.column(), w.arg(q.after[i])
		mixed = mixed || o.Desc != q.order[0].Desc
	}
	sign := func(i int) string {
		if q.order[i].Desc {
			return "<"
		}
		return ">"
	}
	if !mixed {
		left, right := strings.Join(columns, ", "), strings.Join(marks, ", ")
		if len(columns) > 1 {
			left, right = "("+left+")", "("+right+")"
		}
		w.conds = append(w.conds, left+" "+sign(0)+" "+right)
		return
	}
	last := len(columns) - 1
	cond := fmt.Sprintf("%s %s %s", columns[last], sign(last), marks[last])
	for i := last - 1; i >= 0; i-- {
		cond = fmt.Sprintf("(%s %s %s OR (%s = %s AND %s))", columns[i], sign(i), marks[i], columns[i], marks[i], cond)
	}
	w.conds = append(w.conds, fmt.Sprintf("%s %s= %s", columns[0], sign(0), marks[0]), cond)
}

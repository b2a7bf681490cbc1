// Package sqltrace makes the spans of statements for drivers of database/sql, after
// OpenTelemetry's semantic conventions for databases: the statement without its arguments,
// what it does and to what.
package sqltrace

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// scope names this package as what made a span.
const scope = "github.com/musterdev/muster/observe/sqltrace"

// maxText is the most bytes of a statement that are kept.
const maxText = 2048

// Database says whose statements they are.
type Database struct {
	System    string // db.system.name: "sqlite", "postgresql"
	Namespace string // db.namespace: the database's name
	Address   string // server.address; "" for a file
}

// ended does nothing.
func ended(error) {}

// Start begins the span of a statement below the span of ctx, where that is recorded;
// otherwise it does nothing and costs nothing. end is called once, when the statement's
// result was read, with its error or nil. Statements that a service makes on its own, such
// as to look for work, are in no span and have none.
func (d Database) Start(ctx context.Context, statement string) (_ context.Context, end func(error)) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, ended
	}
	operation, target := Summary(statement)
	name := operation
	if target != "" {
		name += " " + target
	}
	attrs := append(make([]attribute.KeyValue, 0, 8),
		attribute.String("db.system.name", d.System), attribute.String("db.operation.name", operation), attribute.String("db.query.text", cut(statement)))
	for key, value := range map[attribute.Key]string{"db.namespace": d.Namespace, "server.address": d.Address, "db.collection.name": target} {
		if value != "" {
			attrs = append(attrs, key.String(value))
		}
	}
	ctx, span := parent.TracerProvider().Tracer(scope).Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attrs...)) //nolint:spancheck // end does
	end = func(err error) {
		if err != nil && !errors.Is(err, sql.ErrNoRows) && !errors.Is(err, driver.ErrSkip) {
			span.SetStatus(codes.Error, err.Error())
			if coded, ok := errors.AsType[interface {
				error
				SQLState() string
			}](err); ok {
				span.SetAttributes(attribute.String("db.response.status_code", coded.SQLState()))
			}
		}
		span.End()
	}
	return ctx, end //nolint:spancheck // as above
}

func cut(statement string) string {
	if len(statement) > maxText {
		return strings.ToValidUTF8(statement[:maxText], "") + "…"
	}
	return statement
}

// Summary returns what a statement does, in capital letters, and to which table; "" where
// that is not plain to see. It reads the statement's first words and judges nothing.
func Summary(statement string) (operation, target string) {
	rest := statement
	operation = strings.ToUpper(word(&rest))
	if len(operation) > 20 {
		return "SQL", ""
	}
	switch operation {
	case "":
		return "SQL", ""
	case "SELECT", "DELETE":
		for w := word(&rest); w != ""; w = word(&rest) {
			if strings.EqualFold(w, "from") {
				return operation, name(word(&rest))
			}
		}
	case "INSERT", "REPLACE":
		for w := word(&rest); w != ""; w = word(&rest) {
			if strings.EqualFold(w, "into") {
				return operation, name(word(&rest))
			}
		}
	case "UPDATE":
		return operation, name(word(&rest))
	}
	return operation, ""
}

// word takes the next word off a statement: what blanks, brackets, commas and semicolons
// set apart.
func word(rest *string) string {
	const apart = " \t\r\n(),;"
	s := strings.TrimLeft(*rest, apart)
	i := strings.IndexAny(s, apart)
	if i < 0 {
		i = len(s)
	}
	*rest = s[i:]
	return s[:i]
}

// name returns a table's name without quotes, "" where it is none.
func name(w string) string {
	w = strings.Trim(w, `"`)
	if len(w) > 63 {
		return ""
	}
	for i := range len(w) {
		c := w[i]
		if c != '_' && c != '.' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return ""
		}
	}
	return w
}

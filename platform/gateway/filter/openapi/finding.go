package openapi

import (
	"errors"
	"fmt"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/musterdev/muster/problem"
)

// Bounds of what one refusal says.
const (
	maxFindings = 20
	maxReason   = 200
)

// findings are what is wrong with a message.
type findings struct{ details []problem.Detail }

func (f *findings) add(field, format string, args ...any) {
	if len(f.details) < maxFindings {
		f.details = append(f.details, problem.Detail{Field: field, Reason: cut(fmt.Sprintf(format, args...))})
	}
}

func cut(s string) string {
	if len(s) <= maxReason {
		return s
	}
	return strings.ToValidUTF8(s[:maxReason], "") + "…"
}

// validate notes what is wrong with a value, each with its place in it.
func (f *findings) validate(s *jsonschema.Schema, v any, field string) {
	if s == nil {
		return
	}
	var invalid *jsonschema.ValidationError
	if err := s.Validate(v); errors.As(err, &invalid) {
		f.collect(invalid, field)
	} else if err != nil {
		f.add(field, "%s", err)
	}
}

// collect adds the errors that have no cause of their own.
func (f *findings) collect(e *jsonschema.ValidationError, field string) {
	for _, cause := range e.Causes {
		f.collect(cause, field)
	}
	if len(e.Causes) > 0 || len(f.details) >= maxFindings {
		return
	}
	for _, token := range e.InstanceLocation {
		field += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
	}
	reason := e.BasicOutput().Error
	if reason == nil {
		f.add(cut(field), "is not as the contract says")
		return
	}
	f.add(cut(field), "%s", reason.String())
}

// Package method knows of gRPC methods what their descriptors declare.
package method

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/musterdev/muster/call/internal/snap"
)

// Table remembers what was looked up once. The zero value is ready; safe for concurrent
// use.
type Table struct{ known snap.Map[string, bool] }

// Idempotent reports whether a method, such as "/shop.stock.v1.Stock/Reserve", declares
// an idempotency_level. One that this program has no descriptor of declares nothing.
func (t *Table) Idempotent(name string) bool {
	if declared, ok := t.known.Get(name); ok {
		return declared
	}
	full := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(name, "/"), "/", "."))
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(full)
	if err != nil {
		return false // not remembered: the names of strangers have no end
	}
	opts, ok := d.Options().(*descriptorpb.MethodOptions)
	return t.known.Made(name, func() bool {
		return ok && opts.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
	})
}

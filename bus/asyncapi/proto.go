package asyncapi

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// definition writes the .proto file that a message is of, without services and options: what a
// reader of the data needs. Files that it imports are named, not written.
func definition(d protoreflect.MessageDescriptor) string {
	f := d.ParentFile()
	var w writer
	w.line("syntax = %q;", f.Syntax().String())
	if f.Package() != "" {
		w.line("package %s;", f.Package())
	}
	for i := range f.Imports().Len() {
		w.line("import %q;", f.Imports().Get(i).Path())
	}
	w.enums(f.Enums())
	w.messages(f.Messages())
	return w.text.String()
}

type writer struct {
	text  strings.Builder
	depth int
}

func (w *writer) line(format string, args ...any) {
	w.text.WriteString(strings.Repeat("  ", w.depth))
	fmt.Fprintf(&w.text, format, args...)
	w.text.WriteByte('\n')
}

// block writes what is inside of braces.
func (w *writer) block(kind string, name protoreflect.Name, inside func()) {
	w.line("%s %s {", kind, name)
	w.depth++
	inside()
	w.depth--
	w.line("}")
}

func (w *writer) enums(all protoreflect.EnumDescriptors) {
	for i := range all.Len() {
		e := all.Get(i)
		w.block("enum", e.Name(), func() {
			for j := range e.Values().Len() {
				w.line("%s = %d;", e.Values().Get(j).Name(), e.Values().Get(j).Number())
			}
		})
	}
}

func (w *writer) messages(all protoreflect.MessageDescriptors) {
	for i := range all.Len() {
		m := all.Get(i)
		if m.IsMapEntry() { // its field says map
			continue
		}
		w.block("message", m.Name(), func() {
			w.enums(m.Enums())
			w.messages(m.Messages())
			for j := range m.Fields().Len() {
				f := m.Fields().Get(j)
				switch one := f.ContainingOneof(); {
				case one == nil || one.IsSynthetic():
					w.line("%s%s %s = %d;", label(f), kind(f), f.Name(), f.Number())
				case one.Fields().Get(0) == f: // with the others of it
					w.block("oneof", one.Name(), func() {
						for k := range one.Fields().Len() {
							o := one.Fields().Get(k)
							w.line("%s %s = %d;", kind(o), o.Name(), o.Number())
						}
					})
				}
			}
		})
	}
}

func label(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return ""
	case f.IsList():
		return "repeated "
	case f.Cardinality() == protoreflect.Required:
		return "required "
	case f.HasOptionalKeyword():
		return "optional "
	}
	return ""
}

func kind(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return "map<" + kind(f.MapKey()) + ", " + kind(f.MapValue()) + ">"
	case f.Message() != nil:
		return "." + string(f.Message().FullName())
	case f.Enum() != nil:
		return "." + string(f.Enum().FullName())
	}
	return f.Kind().String()
}

package relay

import (
	"unsafe"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/http1/grammar"
)

// fields are those of a head that was read, as filters see them: without the ones of the
// connection, and without those that were dropped, which are marked alike.
type fields struct{ list *[]grammar.Field }

var _ filter.Fields = fields{}

// view returns bytes as text, good as long as they are.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) } //nolint:gosec // as strings.Builder does

// bytesOf returns a text's bytes, which are not written to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) } //nolint:gosec // as above

func hidden(f *grammar.Field) bool { return f.Hop || f.Kind == grammar.Host }

func equal(name string, b []byte) bool {
	if len(name) != len(b) {
		return false
	}
	for i := range len(name) {
		x, y := name[i], b[i]
		if x == y {
			continue
		}
		if x |= 0x20; x != y|0x20 || x < 'a' || x > 'z' {
			return false
		}
	}
	return true
}

// Get returns the first value of a field, "" when there is none.
func (f fields) Get(name string) string {
	for i := range *f.list {
		if l := &(*f.list)[i]; equal(name, l.Name) && !hidden(l) {
			return view(l.Value)
		}
	}
	return ""
}

// Values returns all values of a field, in their order.
func (f fields) Values(name string) (values []string) {
	for i := range *f.list {
		if l := &(*f.list)[i]; equal(name, l.Name) && !hidden(l) {
			values = append(values, view(l.Value))
		}
	}
	return values
}

// Set puts one value in the place of all.
func (f fields) Set(name, value string) {
	f.Del(name)
	f.Add(name, value)
}

// Add adds a value. What could not be written as one line is cut off before that.
func (f fields) Add(name, value string) {
	*f.list = append(*f.list, grammar.Field{Name: bytesOf(name), Value: bytesOf(inLine(value))})
}

// Del deletes a field.
func (f fields) Del(name string) {
	for i := range *f.list {
		if l := &(*f.list)[i]; equal(name, l.Name) && l.Kind != grammar.Host {
			l.Hop = true
		}
	}
}

// Each calls do with each field line, until it returns false.
func (f fields) Each(do func(name, value string) bool) {
	for i := range *f.list {
		if l := &(*f.list)[i]; !hidden(l) && !do(view(l.Name), view(l.Value)) {
			return
		}
	}
}

// inLine returns a value up to what would end its line.
func inLine(value string) string {
	for i := range len(value) {
		if c := value[i]; c == '\r' || c == '\n' || c == 0 {
			return value[:i]
		}
	}
	return value
}

// believe notes for whom a trusted proxy asks.
func (s *session) believe() {
	var forwarded []string
	proto := ""
	for i := range s.turn.Head.Fields {
		switch f := &s.turn.Head.Fields[i]; {
		case f.Is("x-forwarded-for"):
			forwarded = append(forwarded, view(f.Value))
		case f.Is("x-forwarded-proto"):
			proto = view(f.Value)
		}
	}
	s.relay.cfg.Gateway.Believe(&s.x, forwarded, proto)
}

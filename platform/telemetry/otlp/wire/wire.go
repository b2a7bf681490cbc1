// Package wire reads OTLP's protobuf into the types of package signal without the
// objects of a protobuf library between them: about a sixth of their cost. It reads what
// the protobuf library reads and refuses what it refuses, but for messages that hold
// nothing wanted here, which it only passes over.
package wire

import (
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// The signals as OTLP's paths name them.
const (
	Traces  = "traces"
	Metrics = "metrics"
	Logs    = "logs"
)

// Limits bound what one item may hold; all must be set.
type Limits struct {
	Value int // bytes of a text; of a whole resource
	List  int // attributes of anything, events and links of a span
}

// maxName bounds names, keys and scopes, in bytes; maxState a tracestate, which W3C
// Trace Context wants to hold 512 characters at least.
const (
	maxName  = 1024
	maxState = 4096
)

// Repair is what had to be made right in an item: a set of bits.
type Repair uint16

// The repairs.
const (
	CutText  Repair = 1 << iota // a text was cut, and marked so
	CutList                     // attributes, events or links beyond the limit were left out
	BadText                     // bytes that are no UTF-8 were replaced by U+FFFD
	Deep                        // values nested too deep were left out
	EndFirst                    // the span ended before it began: its duration is 0
	BadLink                     // a link, or a record's trace or span, had no valid id and was left out
)

// Repairs is how many repairs there are.
const Repairs = 6

// String names one repair.
func (r Repair) String() string {
	switch r {
	case CutText:
		return "text cut"
	case CutList:
		return "attributes, events or links left out"
	case BadText:
		return "bad UTF-8 replaced"
	case Deep:
		return "nested value left out"
	case EndFirst:
		return "end before start"
	case BadLink:
		return "invalid id left out"
	}
	return ""
}

// Meta is what is known of an item besides what is kept of it.
type Meta struct {
	Size    int    // bytes that it takes, without its resource
	Parts   int    // attributes, events and links
	Repairs Repair // those of its resource among them
	BadID   bool   // of a span: its trace, its own or its parent's id is missing or no id
	End     int64  // of a span, ns since 1970, as it was sent
}

// Unknown is the service of a resource that names none, as OpenTelemetry's conventions
// want it.
const Unknown = "unknown_service"

// decoder is one walk over one body.
type decoder struct {
	lim     Limits
	stack   []signal.Attribute // attributes of what is being read; nested, so a stack
	slab    []signal.Attribute // where attributes of finished items are cut from
	grow    int                // attributes of the next slab
	names   map[string]string  // names already copied, so that none keeps the body alive
	scratch []byte
	size    int
	parts   int
	repairs Repair
}

func newDecoder(body string, lim Limits) *decoder {
	// An attribute takes some 40 bytes on the wire. A slab is not larger than a thousand of
	// them, for it stays in memory as long as one item that was cut from it.
	return &decoder{lim: lim, grow: min(len(body)/40+8, 1024), names: map[string]string{}}
}

// resource is what the items of a resource share.
type resource struct {
	service    string
	attributes signal.Attributes
	repairs    Repair
}

// resources walks over the resources of a request (field 1 of all three signals) and the
// scopes of each (its field 2). In protobuf a field may stand before those it is about,
// so that each level is walked over twice, the second time for what is in it.
func (d *decoder) resources(body string, scope func(res *resource, s string) error) error {
	c := over(body)
	for c.next() {
		if c.key != 1<<3|delimited {
			c.skip()
			continue
		}
		rs := c.text()
		if c.bad {
			break
		}
		res, err := d.resource(rs)
		if err != nil {
			return err
		}
		in := over(rs)
		for in.next() {
			if in.key != 2<<3|delimited {
				in.skip()
				continue
			}
			if s := in.text(); !in.bad {
				if err := scope(&res, s); err != nil {
					return err
				}
			}
		}
		if err := in.err("a resource"); err != nil {
			return err
		}
	}
	return c.err("the request")
}

// resource reads the Resource (field 1) of a ResourceSpans, ResourceLogs or ResourceMetrics.
func (d *decoder) resource(rs string) (resource, error) {
	res := resource{service: Unknown}
	d.begin()
	base := len(d.stack)
	c := over(rs)
	for c.next() {
		if c.key != 1<<3|delimited {
			c.skip()
			continue
		}
		in := over(c.text())
		for in.next() {
			if in.key != 1<<3|delimited {
				in.skip()
				continue
			}
			if err := d.attribute(in.text(), base); err != nil {
				return res, err
			}
		}
		if err := in.err("resource"); err != nil {
			return res, err
		}
	}
	if err := c.err("a resource"); err != nil {
		return res, err
	}
	// The name of the service goes into every item; and a resource is stored with each of
	// its items, so that it may not be larger than a value is.
	kept, size, named := d.stack[base:base], 0, false
	for _, a := range d.stack[base:] {
		if a.Key == "service.name" {
			if name := a.Value.String(); !named && name != "" {
				res.service, named = d.name(name), true
			}
			continue
		}
		size += weight(&a)
		if size > d.lim.Value {
			d.repairs |= CutList
			break
		}
		kept = append(kept, a)
	}
	d.stack = d.stack[:base+len(kept)]
	res.attributes = d.cut(base)
	res.repairs = d.repairs
	return res, nil
}

// scope reads the scope's name (field 1 of ScopeSpans and ScopeLogs, its field 1).
func (d *decoder) scope(s string) (string, error) {
	name := ""
	c := over(s)
	for c.next() {
		if c.key != 1<<3|delimited {
			c.skip()
			continue
		}
		in := over(c.text())
		for in.next() {
			if in.key == 1<<3|delimited {
				name = d.name(in.text())
			} else {
				in.skip()
			}
		}
		if err := in.err("scope"); err != nil {
			return "", err
		}
	}
	return name, c.err("a scope")
}

// begin starts an item.
func (d *decoder) begin() { d.size, d.parts, d.repairs = 0, 0, 0 }

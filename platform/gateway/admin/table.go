package admin

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/l4"
)

// WritePorts writes how the ports of connections stand, for people; nothing when the edge
// has none.
func WritePorts(out io.Writer, list []Port) error {
	if len(list) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\nCONNECTIONS AT\tTO\tOPEN\tACCEPTED\tENDED BADLY")
	for _, p := range list {
		to := destinations(p.Routes)
		if p.Closed {
			to = "(closed)"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", p.Listen, to, p.Open, p.Accepted, badEnds(p.Ends))
	}
	return w.Flush()
}

// destinations says which services get connections: that of a port, and those by name.
func destinations(r l4.Routes) string {
	name := func(t l4.Target) string {
		if t.Endpoint == discovery.GRPC {
			return t.Service + ".grpc"
		}
		return t.Service
	}
	var all []string
	if r.Default != (l4.Target{}) {
		all = append(all, name(r.Default))
	}
	for _, n := range slices.Sorted(maps.Keys(r.Names)) {
		all = append(all, n+"="+name(r.Names[n]))
	}
	return strings.Join(all, " ")
}

// badEnds counts the connections that ended in another way than by themselves.
func badEnds(ends map[string]int64) string {
	var all []string
	for _, end := range slices.Sorted(maps.Keys(ends)) {
		if end != l4.Ended.String() {
			all = append(all, fmt.Sprintf("%d %s", ends[end], end))
		}
	}
	return cmp.Or(strings.Join(all, ", "), "-")
}

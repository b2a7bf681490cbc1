package dns

import (
	"encoding/hex"
	"maps"
	"math"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/musterdev/muster/call/discovery"
)

// node is a name that was asked for, of a service or the zone itself.
type node struct {
	asked   dns.Question
	zone    string
	service string
	ready   []discovery.Instance
	turn    int // which record comes first
}

func (n node) header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: ttl}
}

// wants reports whether records of a type are asked for.
func (n node) wants(kind uint16) bool { return n.asked.Qtype == kind }

// any answers a question for records of all types with a record that says nothing, for
// there is no use for it but to have servers send much (RFC 8482).
func (n node) any(a *dns.Msg) bool {
	if !n.wants(dns.TypeANY) {
		return false
	}
	a.Answer = []dns.RR{&dns.HINFO{Hdr: n.header(n.asked.Name, dns.TypeHINFO), Cpu: "RFC8482"}}
	return true
}

func (n node) soa(name string) dns.RR {
	return &dns.SOA{
		Hdr: n.header(name, dns.TypeSOA), Ns: "ns." + n.zone, Mbox: "hostmaster." + n.zone,
		Serial: 1, Refresh: 60, Retry: 60, Expire: 60, Minttl: ttl,
	}
}

func (n node) apex(a *dns.Msg) {
	if !n.any(a) && n.wants(dns.TypeSOA) {
		a.Answer = []dns.RR{n.soa(n.asked.Name)}
	}
}

// addresses answers with the addresses of the service's instances, each once.
func (n node) addresses(a *dns.Msg) {
	if n.any(a) {
		return
	}
	var list []netip.Addr
	for _, in := range n.ready {
		for _, endpoint := range slices.Sorted(maps.Keys(in.Endpoints)) {
			host, _, _ := net.SplitHostPort(in.Endpoints[endpoint]) // the registry checked it
			list = append(list, hostAddrs(host)...)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	var records []dns.RR
	for _, addr := range slices.Compact(list) {
		if rr := n.address(n.asked.Name, addr); n.wants(rr.Header().Rrtype) {
			records = append(records, rr)
		}
	}
	a.Answer = turned(records, n.turn)
}

// address is the record of an address.
func (n node) address(name string, addr netip.Addr) dns.RR {
	if addr.Is4() {
		return &dns.A{Hdr: n.header(name, dns.TypeA), A: addr.AsSlice()}
	}
	return &dns.AAAA{Hdr: n.header(name, dns.TypeAAAA), AAAA: addr.AsSlice()}
}

// hostAddrs returns the addresses that a host of an endpoint stands for: none for a name
// that somebody else resolves.
func hostAddrs(host string) []netip.Addr {
	if strings.EqualFold(host, "localhost") { // RFC 6761, 6.3
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" { // a zone means something on one host only
		return nil
	}
	return []netip.Addr{addr.Unmap()}
}

// services answers with host and port of each instance's endpoint; list has the
// instances that are not ready too, by which it is known which endpoints there are. The
// usual ones have a name at every service, as who may offer one tomorrow has none to be
// told today that the name does not exist.
func (n node) services(endpoint string, list []discovery.Instance, a *dns.Msg) int {
	offered := len(list) == 0 || endpoint == discovery.HTTP || endpoint == discovery.GRPC
	for _, in := range list {
		offered = offered || in.Endpoints[endpoint] != ""
	}
	if !offered {
		return dns.RcodeNameError
	}
	if n.any(a) || !n.wants(dns.TypeSRV) {
		return dns.RcodeSuccess
	}
	var records, extra []dns.RR
	told := map[string]bool{}
	for _, in := range n.ready {
		host, port, err := net.SplitHostPort(in.Endpoints[endpoint])
		if err != nil {
			continue // it does not offer this endpoint
		}
		number, _ := strconv.ParseUint(port, 10, 16) // the registry checked it
		srv := &dns.SRV{Hdr: n.header(n.asked.Name, dns.TypeSRV), Port: uint16(number), Weight: weight(in), Target: dns.Fqdn(host)}
		if addrs := hostAddrs(host); len(addrs) > 0 {
			srv.Target = hex.EncodeToString(addrs[0].AsSlice()) + "." + n.service + "." + n.zone
			if !told[srv.Target] {
				told[srv.Target] = true
				extra = append(extra, n.address(srv.Target, addrs[0]))
			}
		}
		if _, ok := dns.IsDomainName(srv.Target); ok {
			records = append(records, srv)
		}
	}
	a.Answer, a.Extra = turned(records, n.turn), turned(extra, n.turn)
	return dns.RcodeSuccess
}

// weight is the instance's, as SRV has it: 0 there means hardly ever.
func weight(in discovery.Instance) uint16 {
	if in.Weight == 0 {
		return discovery.DefaultWeight
	}
	return uint16(min(max(in.Weight, 0), math.MaxUint16))
}

// target answers for the name that stands for an address in a SRV record: only addresses
// of the service's ready instances have one.
func (n node) target(label string, a *dns.Msg) int {
	raw, err := hex.DecodeString(label)
	addr, ok := netip.AddrFromSlice(raw)
	if err != nil || !ok || !slices.ContainsFunc(n.ready, func(in discovery.Instance) bool {
		for _, address := range in.Endpoints {
			if host, _, _ := net.SplitHostPort(address); slices.Contains(hostAddrs(host), addr) {
				return true
			}
		}
		return false
	}) {
		return dns.RcodeNameError
	}
	if rr := n.address(n.asked.Name, addr); !n.any(a) && n.wants(rr.Header().Rrtype) {
		a.Answer = []dns.RR{rr}
	}
	return dns.RcodeSuccess
}

// turned returns the records with another one first each time, so that callers which
// take the first are spread.
func turned(records []dns.RR, turn int) []dns.RR {
	if len(records) == 0 {
		return nil
	}
	at := turn % len(records)
	return slices.Concat(records[at:], records[:at])
}

package dns

import (
	"fmt"
	"math"
	"strings"

	"github.com/miekg/dns"

	"github.com/musterdev/muster/call/discovery"
)

const (
	// ttl is how long an answer may be kept, in seconds.
	ttl = 1
	// udpSize is what the server takes and sends over UDP at most: it passes everywhere
	// in one piece (DNS flag day 2020).
	udpSize    = 1232
	headerSize = 12
)

// transport is how a question came.
type transport bool

const (
	overUDP transport = false
	overTCP transport = true
)

// parseZone returns the zone in the form names are compared in.
func parseZone(zone string) (string, error) {
	if zone == "" {
		zone = defaultZone
	}
	canonical := dns.CanonicalName(zone)
	if _, ok := dns.IsDomainName(canonical); !ok || canonical == "." || len(canonical) > 128 {
		return "", fmt.Errorf("DNS zone %q: must be a domain such as %q, of at most 128 bytes", zone, defaultZone)
	}
	return canonical, nil
}

// answer returns the answer to a message as it came, nil when it deserves none: answers
// are not answered, nor is what is no message.
func (s *Server) answer(zone string, question []byte, over transport) []byte {
	if len(question) < headerSize || question[2]&0x80 != 0 {
		return nil
	}
	var q, a dns.Msg
	if q.Unpack(question) != nil {
		a.Id = uint16(question[0])<<8 | uint16(question[1])
		a.Response, a.Rcode = true, dns.RcodeFormatError
		return pack(&a)
	}
	a.SetReply(&q)
	a.Authoritative, a.Compress = true, true
	size := dns.MinMsgSize
	rcode := s.fill(zone, &q, &a)
	if opt := q.IsEdns0(); opt != nil {
		size = min(max(int(opt.UDPSize()), dns.MinMsgSize), udpSize)
		a.SetEdns0(udpSize, false)
		if opt.Version() != 0 {
			a.Answer, a.Ns, rcode = nil, nil, dns.RcodeBadVers
		}
	}
	if rcode == dns.RcodeRefused {
		a.Authoritative = false
	}
	a.Rcode = rcode
	if over == overTCP {
		size = dns.MaxMsgSize
	}
	a.Truncate(size)
	return pack(&a)
}

func pack(m *dns.Msg) []byte {
	b, err := m.Pack()
	if err != nil || len(b) > dns.MaxMsgSize {
		return nil // nothing of ours is that large
	}
	return b
}

// fill writes the records and returns the code of the answer.
func (s *Server) fill(zone string, q, a *dns.Msg) int {
	switch {
	case q.Opcode != dns.OpcodeQuery:
		return dns.RcodeNotImplemented
	case len(q.Question) != 1:
		return dns.RcodeFormatError
	}
	asked := q.Question[0]
	name := dns.CanonicalName(asked.Name)
	if asked.Qclass != dns.ClassINET || !dns.IsSubDomain(zone, name) {
		return dns.RcodeRefused
	}
	n := node{asked: asked, zone: zone, turn: int(s.turn.Add(1) & math.MaxInt32)}
	rcode := dns.RcodeSuccess
	switch labels := strings.TrimSuffix(strings.TrimSuffix(name, zone), "."); {
	case labels == "":
		n.apex(a)
	default:
		rcode = s.service(n, strings.Split(labels, "."), a)
	}
	if len(a.Answer) == 0 { // RFC 2308: says for how long to believe it
		a.Ns = []dns.RR{n.soa(zone)}
	}
	return rcode
}

// service answers for the name of a service or one below it; labels are what stands
// before the zone.
func (s *Server) service(n node, labels []string, a *dns.Msg) int {
	name := labels[len(labels)-1]
	if !discovery.ValidName(name) {
		return dns.RcodeNameError
	}
	list, seen := s.Lookup(name)
	if !seen {
		return dns.RcodeNameError
	}
	n.service, n.ready = name, ready(list)
	switch below := labels[:len(labels)-1]; {
	case len(below) == 0:
		n.addresses(a)
	case len(below) == 1 && below[0] == "_tcp": // has no records, but names below it
	case len(below) == 1:
		return n.target(below[0], a)
	case len(below) == 2 && below[1] == "_tcp" && strings.HasPrefix(below[0], "_"):
		return n.services(below[0][1:], list, a)
	default:
		return dns.RcodeNameError
	}
	return dns.RcodeSuccess
}

// ready returns those that may be called.
func ready(list []discovery.Instance) []discovery.Instance {
	var out []discovery.Instance
	for _, in := range list {
		if in.State == discovery.Ready {
			out = append(out, in)
		}
	}
	return out
}

package dns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/musterdev/muster/call/discovery"
)

func instance(id string, state discovery.State, weight int, endpoints ...string) discovery.Instance {
	in := discovery.Instance{ID: id, State: state, Weight: weight, Endpoints: map[string]string{}}
	for _, e := range endpoints {
		name, address, _ := strings.Cut(e, "=")
		in.Endpoints[name] = address
	}
	return in
}

// fleet is what the registry of these tests knows.
func fleet(service string) ([]discovery.Instance, bool) {
	many := make([]discovery.Instance, 300)
	for i := range many {
		many[i] = instance(fmt.Sprintf("m%d", i), discovery.Ready, 0, fmt.Sprintf("http=10.0.%d.%d:80", i/250, i%250))
	}
	list, seen := map[string][]discovery.Instance{
		"cart": {
			instance("c1", discovery.Ready, 0, "http=127.0.0.1:9001", "grpc=127.0.0.1:9101"),
			instance("c2", discovery.Ready, 50, "http=127.0.0.2:9002"),
			instance("c3", discovery.Ready, 0, "http=[::1]:9003"),
			instance("c4", discovery.Draining, 0, "http=127.0.0.4:9004"),
			instance("c5", discovery.Starting, 0, "http=127.0.0.5:9005", "admin=127.0.0.5:9105"),
		},
		"named":  {instance("n1", discovery.Ready, 0, "http=Stock.Internal:80"), instance("n2", discovery.Ready, 0, "http=localhost:81")},
		"worker": {instance("w1", discovery.Ready, 0)},
		"empty":  {},
		"many":   many,
	}[service]
	return list, seen
}

// serve serves the fleet and returns its address, the same for UDP and TCP.
func serve(t *testing.T, s *Server) string {
	t.Helper()
	var udp net.PacketConn
	var tcp net.Listener
	for range 20 { // the port that UDP got may be taken for TCP
		var err error
		if udp, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if tcp, err = net.Listen("tcp", udp.LocalAddr().String()); err == nil {
			break
		}
		_ = udp.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, udp, tcp) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return udp.LocalAddr().String()
}

// say writes records without what each has: "A 127.0.0.1".
func say(records []dns.RR) string {
	var words []string
	for _, rr := range records {
		f := strings.Fields(rr.String())
		if rr.Header().Rrtype == dns.TypeOPT {
			continue
		}
		words = append(words, strings.Join(f[3:], " "))
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}

func TestAnswers(t *testing.T) {
	addr := serve(t, &Server{Lookup: fleet})
	for _, tc := range []struct {
		name   string
		kind   uint16
		rcode  int
		answer string
	}{
		{"cart.muster.", dns.TypeA, dns.RcodeSuccess, "A 127.0.0.1, A 127.0.0.2"},
		{"CaRt.MUSTER.", dns.TypeA, dns.RcodeSuccess, "A 127.0.0.1, A 127.0.0.2"},
		{"cart.muster.", dns.TypeAAAA, dns.RcodeSuccess, "AAAA ::1"},
		{"cart.muster.", dns.TypeANY, dns.RcodeSuccess, `HINFO "RFC8482" ""`},
		{"cart.muster.", dns.TypeTXT, dns.RcodeSuccess, ""},
		{
			"_http._tcp.cart.muster.", dns.TypeSRV, dns.RcodeSuccess,
			"SRV 0 100 9001 7f000001.cart.muster., SRV 0 100 9003 00000000000000000000000000000001.cart.muster., SRV 0 50 9002 7f000002.cart.muster.",
		},
		{"_grpc._tcp.cart.muster.", dns.TypeSRV, dns.RcodeSuccess, "SRV 0 100 9101 7f000001.cart.muster."},
		{"_grpc._tcp.cart.muster.", dns.TypeA, dns.RcodeSuccess, ""},
		{"_admin._tcp.cart.muster.", dns.TypeSRV, dns.RcodeSuccess, ""}, // of one that starts
		{"_ftp._tcp.cart.muster.", dns.TypeSRV, dns.RcodeNameError, ""},
		{"_http._udp.cart.muster.", dns.TypeSRV, dns.RcodeNameError, ""},
		{"_tcp.cart.muster.", dns.TypeSRV, dns.RcodeSuccess, ""},
		{"x._http._tcp.cart.muster.", dns.TypeSRV, dns.RcodeNameError, ""},
		{"7f000001.cart.muster.", dns.TypeA, dns.RcodeSuccess, "A 127.0.0.1"},
		{"7f000001.cart.muster.", dns.TypeAAAA, dns.RcodeSuccess, ""},
		{"00000000000000000000000000000001.cart.muster.", dns.TypeAAAA, dns.RcodeSuccess, "AAAA ::1"},
		{"7f000004.cart.muster.", dns.TypeA, dns.RcodeNameError, ""}, // of one that drains
		{"08080808.cart.muster.", dns.TypeA, dns.RcodeNameError, ""}, // of a stranger
		{"7f0001.cart.muster.", dns.TypeA, dns.RcodeNameError, ""},
		{"named.muster.", dns.TypeA, dns.RcodeSuccess, "A 127.0.0.1"},
		{"_http._tcp.named.muster.", dns.TypeSRV, dns.RcodeSuccess, "SRV 0 100 80 Stock.Internal., SRV 0 100 81 7f000001.named.muster."},
		{"worker.muster.", dns.TypeA, dns.RcodeSuccess, ""},
		{"_http._tcp.worker.muster.", dns.TypeSRV, dns.RcodeSuccess, ""}, // known, and offers nothing
		{"_grpc._tcp.named.muster.", dns.TypeSRV, dns.RcodeSuccess, ""},
		{"_tcp._tcp.named.muster.", dns.TypeSRV, dns.RcodeNameError, ""},
		{"empty.muster.", dns.TypeA, dns.RcodeSuccess, ""},
		{"_http._tcp.empty.muster.", dns.TypeSRV, dns.RcodeSuccess, ""},
		{"crat.muster.", dns.TypeA, dns.RcodeNameError, ""},
		{"_http._tcp.crat.muster.", dns.TypeSRV, dns.RcodeNameError, ""},
		{"not_a_label.muster.", dns.TypeA, dns.RcodeNameError, ""},
		{"muster.", dns.TypeA, dns.RcodeSuccess, ""},
		{"muster.", dns.TypeSOA, dns.RcodeSuccess, "SOA ns.muster. hostmaster.muster. 1 60 60 60 1"},
		{"example.com.", dns.TypeA, dns.RcodeRefused, ""},
		{"notmuster.", dns.TypeA, dns.RcodeRefused, ""},
		{".", dns.TypeNS, dns.RcodeRefused, ""},
	} {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(tc.name+" "+dns.TypeToString[tc.kind]+" "+network, func(t *testing.T) {
				q := new(dns.Msg).SetQuestion(tc.name, tc.kind)
				a, _, err := (&dns.Client{Net: network}).Exchange(q, addr)
				if err != nil {
					t.Fatal(err)
				}
				if a.Rcode != tc.rcode || say(a.Answer) != tc.answer {
					t.Errorf("got %s %q\nwant %s %q", dns.RcodeToString[a.Rcode], say(a.Answer), dns.RcodeToString[tc.rcode], tc.answer)
				}
				if a.Authoritative != (tc.rcode != dns.RcodeRefused) || a.RecursionAvailable || a.Truncated {
					t.Errorf("authoritative %v, recursion %v, truncated %v", a.Authoritative, a.RecursionAvailable, a.Truncated)
				}
				if wantSOA := tc.answer == "" && tc.rcode != dns.RcodeRefused; wantSOA != strings.HasPrefix(say(a.Ns), "SOA") {
					t.Errorf("authority: %q", say(a.Ns))
				}
				for _, rr := range slices.Concat(a.Answer, a.Ns, a.Extra) {
					if rr.Header().Ttl > 1 {
						t.Errorf("may be kept for %d s: %s", rr.Header().Ttl, rr)
					}
				}
				for _, rr := range a.Answer {
					if rr.Header().Name != tc.name {
						t.Errorf("the owner is %q, want it as asked", rr.Header().Name)
					}
				}
			})
		}
	}
}

func TestSRVBringsTheAddresses(t *testing.T) {
	addr := serve(t, &Server{Lookup: fleet})
	a, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion("_http._tcp.cart.muster.", dns.TypeSRV), addr)
	if err != nil || say(a.Extra) != "A 127.0.0.1, A 127.0.0.2, AAAA ::1" {
		t.Errorf("got %v, %v", a, err)
	}
}

func TestSize(t *testing.T) {
	addr := serve(t, &Server{Lookup: fleet})
	ask := func(network string, size uint16) (*dns.Msg, int) {
		q := new(dns.Msg).SetQuestion("many.muster.", dns.TypeA)
		if size > 0 {
			q.SetEdns0(size, false)
		}
		a, _, err := (&dns.Client{Net: network, UDPSize: 65535}).Exchange(q, addr)
		if err != nil {
			t.Fatal(err)
		}
		a.Compress = true // as it came
		return a, a.Len()
	}
	for _, tc := range []struct {
		network string
		edns    uint16
		most    int
		whole   bool
	}{
		{"udp", 0, 512, false}, {"udp", 100, 512, false}, {"udp", 800, 800, false}, {"udp", 65535, 1232, false}, {"tcp", 0, 65535, true}, {"tcp", 512, 65535, true},
	} {
		a, n := ask(tc.network, tc.edns)
		if n > tc.most || a.Truncated == tc.whole || (len(a.Answer) == 300) != tc.whole || len(a.Answer) == 0 {
			t.Errorf("%s, EDNS %d: %d bytes with %d records, truncated %v", tc.network, tc.edns, n, len(a.Answer), a.Truncated)
		}
		if opt := a.IsEdns0(); (opt != nil) != (tc.edns > 0) || opt != nil && opt.UDPSize() != 1232 {
			t.Errorf("%s, EDNS %d: answered with %v", tc.network, tc.edns, opt)
		}
	}
}

func TestAnswersTurn(t *testing.T) {
	s := &Server{Lookup: fleet}
	addr := serve(t, s)
	first := map[string]int{}
	for range 20 {
		a, _, err := new(dns.Client).Exchange(new(dns.Msg).SetQuestion("cart.muster.", dns.TypeA), addr)
		if err != nil {
			t.Fatal(err)
		}
		first[say(a.Answer[:1])]++
	}
	if first["A 127.0.0.1"] != 10 || first["A 127.0.0.2"] != 10 {
		t.Errorf("first were %v, want each ten times", first)
	}
}

func TestStrangeQuestions(t *testing.T) {
	addr := serve(t, &Server{Lookup: fleet})
	question := func(change func(*dns.Msg)) *dns.Msg {
		q := new(dns.Msg).SetQuestion("cart.muster.", dns.TypeA)
		change(q)
		return q
	}
	for name, tc := range map[string]struct {
		q     *dns.Msg
		rcode int
	}{
		"another class":  {question(func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassCHAOS }), dns.RcodeRefused},
		"two questions":  {question(func(q *dns.Msg) { q.Question = append(q.Question, q.Question[0]) }), dns.RcodeFormatError},
		"no question":    {question(func(q *dns.Msg) { q.Question = nil }), dns.RcodeFormatError},
		"an update":      {question(func(q *dns.Msg) { q.Opcode = dns.OpcodeUpdate }), dns.RcodeNotImplemented},
		"a transfer":     {question(func(q *dns.Msg) { q.Question[0].Qtype = dns.TypeAXFR }), dns.RcodeSuccess},
		"a future EDNS":  {question(func(q *dns.Msg) { q.SetEdns0(1232, false); q.IsEdns0().SetVersion(1) }), dns.RcodeBadVers},
		"with a cookie":  {question(func(q *dns.Msg) { q.SetEdns0(1232, true) }), dns.RcodeSuccess},
		"with recursion": {question(func(q *dns.Msg) { q.RecursionDesired = true }), dns.RcodeSuccess},
	} {
		a, _, err := new(dns.Client).Exchange(tc.q, addr)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if a.Rcode != tc.rcode {
			t.Errorf("%s: %s, want %s", name, dns.RcodeToString[a.Rcode], dns.RcodeToString[tc.rcode])
		}
	}
}

// What is no question is not answered: two servers would answer one another for ever.
func TestWhatIsNoQuestion(t *testing.T) {
	s := &Server{Lookup: fleet}
	reply := new(dns.Msg).SetQuestion("cart.muster.", dns.TypeA)
	reply.Response = true
	b, err := reply.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string][]byte{"nothing": nil, "a byte": {1}, "an answer": b} {
		if a := s.answer("muster.", m, overUDP); a != nil {
			t.Errorf("%s was answered: %x", name, a)
		}
	}
	broken := append([]byte{0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 0xff)
	a := s.answer("muster.", broken, overUDP)
	var m dns.Msg
	if err := m.Unpack(a); err != nil || m.Id != 0xabcd || m.Rcode != dns.RcodeFormatError || !m.Response {
		t.Errorf("broken: got %v, %v", m, err)
	}
}

// The resolver of Go itself, as programs use it.
func TestGoResolver(t *testing.T) {
	addr := serve(t, &Server{Zone: "fleet.test", Lookup: fleet})
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	ctx := t.Context()
	addrs, err := r.LookupHost(ctx, "cart.fleet.test.")
	slices.Sort(addrs)
	if err != nil || !slices.Equal(addrs, []string{"127.0.0.1", "127.0.0.2", "::1"}) {
		t.Errorf("got %v, %v", addrs, err)
	}
	_, records, err := r.LookupSRV(ctx, "http", "tcp", "cart.fleet.test.")
	if err != nil || len(records) != 3 {
		t.Fatalf("got %v, %v", records, err)
	}
	for _, srv := range records {
		if found, err := r.LookupHost(ctx, srv.Target); err != nil || len(found) != 1 {
			t.Errorf("the target %s is %v, %v", srv.Target, found, err)
		}
	}
	if many, err := r.LookupIP(ctx, "ip4", "many.fleet.test."); err != nil || len(many) != 300 { // by TCP, after a truncated answer
		t.Errorf("got %d addresses, %v", len(many), err)
	}
	for _, name := range []string{"crat.fleet.test.", "empty.fleet.test."} {
		var none *net.DNSError
		if _, err := r.LookupHost(ctx, name); !errors.As(err, &none) || !none.IsNotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDig(t *testing.T) {
	dig, err := exec.LookPath("dig")
	if err != nil {
		t.Skip("dig is not installed")
	}
	addr := serve(t, &Server{Lookup: fleet})
	_, port, _ := net.SplitHostPort(addr)
	for _, args := range [][]string{{"+notcp"}, {"+tcp"}} {
		out, err := exec.CommandContext(t.Context(), dig, append(args, "+short", "@127.0.0.1", "-p", port, "_grpc._tcp.cart.muster", "SRV")...).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "0 100 9101 7f000001.cart.muster." {
			t.Errorf("got %s, %v", out, err)
		}
	}
}

// Connections are bounded; one that is silent, or asks too much, does not hold up others.
func TestConnections(t *testing.T) {
	addr := serve(t, &Server{Lookup: fleet})
	for range maxConns - 1 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
	}
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	co := &dns.Conn{Conn: conn}
	for i := range 100 { // many questions on one connection
		if err := co.WriteMsg(new(dns.Msg).SetQuestion("cart.muster.", dns.TypeA)); err != nil {
			t.Fatal(err)
		}
		if a, err := co.ReadMsg(); err != nil || len(a.Answer) != 2 {
			t.Fatalf("question %d: %v, %v", i, a, err)
		}
	}
	if _, err := conn.Write([]byte{0xff, 0xff}); err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, conn); n > 0 || err != nil {
		t.Errorf("after a question of 64 KiB: %d bytes, %v", n, err)
	}
}

func TestServeRefusesABadZone(t *testing.T) {
	for _, zone := range []string{".", "a..b", strings.Repeat("x", 64) + "."} {
		if err := (&Server{Zone: zone, Lookup: fleet}).Serve(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "DNS zone") {
			t.Errorf("%q: %v", zone, err)
		}
	}
}

func TestServeEndsWithItsSocket(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = udp.Close()
	if err := (&Server{Lookup: fleet}).Serve(t.Context(), udp, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// Whatever comes, an answer is well-formed, bounded and to that question.
func FuzzAnswer(f *testing.F) {
	for _, name := range []string{"cart.muster.", "_http._tcp.cart.muster.", "many.muster.", "7f000001.cart.muster.", "example.com.", "muster."} {
		for _, kind := range []uint16{dns.TypeA, dns.TypeSRV, dns.TypeANY, dns.TypeAAAA, dns.TypeSOA} {
			q := new(dns.Msg).SetQuestion(name, kind)
			q.SetEdns0(1400, true)
			b, err := q.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b, kind%2 == 0)
		}
	}
	s := &Server{Lookup: fleet}
	f.Fuzz(func(t *testing.T, question []byte, tcp bool) {
		a := s.answer("muster.", question, transport(tcp))
		if a == nil {
			return
		}
		if len(a) > dns.MaxMsgSize || !tcp && len(a) > udpSize {
			t.Fatalf("%d bytes", len(a))
		}
		var m dns.Msg
		if err := m.Unpack(a); err != nil {
			t.Fatalf("%x: %v", a, err)
		}
		if !m.Response || m.Id != uint16(question[0])<<8|uint16(question[1]) || m.RecursionAvailable {
			t.Fatalf("%v", m)
		}
	})
}

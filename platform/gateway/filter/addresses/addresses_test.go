package addresses_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/addresses"
	"github.com/musterdev/muster/problem"
)

func set(t testing.TB, texts ...string) *addresses.Set {
	t.Helper()
	list, err := addresses.ParseList([]byte(strings.Join(texts, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return addresses.NewSet(list...)
}

// A set has what one of its prefixes has, as the plainest of all sets would say.
func TestSetIsItsPrefixes(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 7))
		addr := func() netip.Addr {
			if random.IntN(2) == 0 {
				return netip.AddrFrom4([4]byte{10, byte(random.IntN(2)), byte(random.IntN(4)), byte(random.IntN(256))})
			}
			return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(random.IntN(4)), 15: byte(random.IntN(256))})
		}
		var list []netip.Prefix
		for range random.IntN(12) {
			a := addr()
			p, err := a.Prefix(a.BitLen() - random.IntN(12))
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, p)
		}
		s := addresses.NewSet(slices.Clone(list)...)
		if s.Empty() != (len(list) == 0) {
			t.Fatalf("seed %d: empty is %v", seed, s.Empty())
		}
		for range 500 {
			a := addr()
			want := slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
			if s.Has(a) != want {
				t.Fatalf("seed %d: %s in %v: %v", seed, a, list, !want)
			}
		}
	}
}

func TestSetEdges(t *testing.T) {
	s := set(t, "10.0.0.0/8 # private", "", "# nothing", "::ffff:192.0.2.0/120", "2001:db8::/32", "255.255.255.255", "fe80::1")
	for text, want := range map[string]bool{
		"10.0.0.0": true, "10.255.255.255": true, "11.0.0.0": false, "9.255.255.255": false, "::ffff:10.1.2.3": true,
		"192.0.2.9": true, "192.0.3.0": false, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff": true, "2001:db9::": false,
		"255.255.255.255": true, "::": false, "fe80::1%eth0": true, "0.0.0.0": false,
	} {
		if got := s.Has(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if s.Has(netip.Addr{}) || (*addresses.Set)(nil).Has(netip.MustParseAddr("10.0.0.1")) || !(*addresses.Set)(nil).Empty() {
		t.Error("what is no address, or no set, has one")
	}
	all := set(t, "0.0.0.0/0")
	if !all.Has(netip.MustParseAddr("1.2.3.4")) || all.Has(netip.MustParseAddr("::1")) {
		t.Error("all of IPv4 is not that")
	}
	for _, bad := range []string{"10.0.0.1/8", "x", "10.0.0.0/33", "fe80::1%eth0", "10.0.0.0/", "/8"} {
		if _, err := addresses.ParsePrefix(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
	if _, err := addresses.ParseList([]byte("10.0.0.0/8\nx\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("got %v", err)
	}
}

func TestClient(t *testing.T) {
	trusted := set(t, "10.0.0.0/8", "2001:db8::/64")
	for _, c := range []struct {
		peer      string
		forwarded []string
		want      string
	}{
		{"192.0.2.1", []string{"198.51.100.1"}, "192.0.2.1"}, // who connects is nobody's proxy: what it says is not believed
		{"10.0.0.1", nil, "10.0.0.1"},
		{"10.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"::ffff:10.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1", []string{"1.1.1.1, 198.51.100.1"}, "198.51.100.1"}, // 1.1.1.1 is what the client made up
		{"10.0.0.1", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"10.0.0.1", []string{"1.1.1.1", "198.51.100.1,10.0.0.3", "10.0.0.2"}, "198.51.100.1"},
		{"10.0.0.1", []string{"10.0.0.9, 10.0.0.2"}, "10.0.0.9"}, // from inside
		{"10.0.0.1", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"10.0.0.1", []string{"[2001:db8:1::1]:4711"}, "2001:db8:1::1"},
		{"10.0.0.1", []string{"[2001:db8:1::1]"}, "2001:db8:1::1"},
		{"10.0.0.1", []string{"198.51.100.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"10.0.0.1", []string{""}, "10.0.0.1"},
		{"10.0.0.1", []string{"198.51.100.1,"}, "10.0.0.1"},
		{"2001:db8::1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1", []string{strings.Repeat("10.0.0.2,", 1000) + "10.0.0.2"}, "10.0.0.2"},
	} {
		if got := addresses.Client(netip.MustParseAddr(c.peer), c.forwarded, trusted); got != netip.MustParseAddr(c.want) {
			t.Errorf("%s with %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}

// Whatever a client puts in front of what the proxies add, it stays who it is.
func FuzzClient(f *testing.F) {
	f.Add("1.1.1.1, unknown")
	f.Add("10.0.0.7,[::1]:1,")
	trusted := set(f, "10.0.0.0/8")
	client := netip.MustParseAddr("198.51.100.1")
	f.Fuzz(func(t *testing.T, said string) {
		for _, forwarded := range [][]string{{said + ", 198.51.100.1"}, {said, "198.51.100.1, 10.0.0.2"}, {said, "198.51.100.1", "10.0.0.2"}} {
			if got := addresses.Client(netip.MustParseAddr("10.0.0.1"), forwarded, trusted); got != client {
				t.Errorf("%q makes it %s", forwarded, got)
			}
		}
	})
}

func FuzzParseList(f *testing.F) {
	f.Add([]byte("10.0.0.0/8\n# x\n::/0\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		list, err := addresses.ParseList(content)
		if err != nil {
			return
		}
		s := addresses.NewSet(list...)
		for _, p := range list {
			if !s.Has(p.Addr()) {
				t.Errorf("%s is not in the set it makes", p)
			}
		}
	})
}

func build(t testing.TB, env filter.Env, with string) (filter.Filter, error) {
	t.Helper()
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	f, err := addresses.Make(t.Context(), env, json.RawMessage(with))
	if closer, ok := f.(filter.Closer); ok && err == nil {
		t.Cleanup(func() { _ = closer.Close() })
	}
	return f, err
}

func in(t testing.TB, f filter.Filter, addr string) bool {
	t.Helper()
	err := f.Request(t.Context(), &filter.Request{Client: netip.MustParseAddr(addr)})
	if err != nil && problem.CodeOf(err) != problem.PermissionDenied {
		t.Errorf("%s: %v", addr, err)
	}
	return err == nil
}

func TestFilter(t *testing.T) {
	for with, want := range map[string]map[string]bool{
		`{"allow":["10.0.0.0/8"]}`:                         {"10.1.2.3": true, "192.0.2.1": false},
		`{"deny":["10.0.0.0/8"]}`:                          {"10.1.2.3": false, "192.0.2.1": true},
		`{"allow":["10.0.0.0/8"],"deny":["10.0.0.0/24"]}`:  {"10.0.0.1": false, "10.0.1.1": true, "192.0.2.1": false},
		`{"allow":["2001:db8::/32"],"deny":["127.0.0.1"]}`: {"2001:db8::1": true, "127.0.0.1": false, "192.0.2.1": false},
	} {
		f, err := build(t, filter.Env{}, with)
		if err != nil {
			t.Fatal(err)
		}
		for addr, let := range want {
			if in(t, f, addr) != let {
				t.Errorf("%s: %s is let in: %v", with, addr, !let)
			}
		}
	}
	for with, field := range map[string]string{
		`{}`: "", `{"allow":["x"]}`: "allow[0]", `{"deny":["1.1.1.1","10.0.0.1/8"]}`: "deny[1]", `{"deny_files":[""]}`: "deny_files[0]",
		`{"deny_files":["/not/there"]}`: "deny_files[0]",
	} {
		_, err := build(t, filter.Env{}, with)
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Code != problem.InvalidArgument || len(p.Details) != 1 || p.Details[0].Field != field {
			t.Errorf("%s: %+v", with, err)
		}
	}
	if _, err := build(t, filter.Env{Check: true}, `{"deny_files":["/not/there"]}`); err == nil {
		t.Error("a check does not find that there is no file, and an edge would not start")
	}
}

func TestAFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deny")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("10.0.0.1\n")
	f, err := build(t, filter.Env{}, fmt.Sprintf(`{"deny":["10.9.9.9"],"deny_files":[%q]}`, path))
	if err != nil {
		t.Fatal(err)
	}
	if in(t, f, "10.0.0.1") || !in(t, f, "10.0.0.2") || in(t, f, "10.9.9.9") {
		t.Fatal("the file does not count")
	}
	write("10.0.0.2\n")
	for end := time.Now().Add(10 * time.Second); in(t, f, "10.0.0.2") || !in(t, f, "10.0.0.1"); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the change does not count")
		}
	}
	if in(t, f, "10.9.9.9") {
		t.Error("what was told is forgotten")
	}
}

func TestNothingIsAllocated(t *testing.T) {
	f, err := build(t, filter.Env{}, `{"allow":["10.0.0.0/8","2001:db8::/32"],"deny":["10.0.0.0/24"]}`)
	if err != nil {
		t.Fatal(err)
	}
	r := &filter.Request{Client: netip.MustParseAddr("10.1.2.3")}
	if n := testing.AllocsPerRun(100, func() { _ = f.Request(t.Context(), r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHas(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 1))
	addr := func() netip.Addr {
		return netip.AddrFrom4([4]byte{byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256)), byte(random.IntN(256))})
	}
	list := make([]netip.Prefix, 0, 500_000)
	for range cap(list) {
		list = append(list, netip.PrefixFrom(addr(), 32))
	}
	s, asked := addresses.NewSet(list...), make([]netip.Addr, 1024)
	for i := range asked {
		asked[i] = addr()
	}
	i := 0
	for b.Loop() {
		s.Has(asked[i%len(asked)])
		i++
	}
}

package addresses

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Set is a set of addresses. The zero value and nil are empty. It does not change.
type Set struct{ ranges []addressRange } // apart from each other, in order

type addressRange struct{ first, last netip.Addr }

// NewSet returns the set of the addresses that prefixes have. IPv4 in IPv6 (::ffff:0:0/96)
// is IPv4.
func NewSet(prefixes ...netip.Prefix) *Set {
	ranges := make([]addressRange, 0, len(prefixes))
	for _, p := range prefixes {
		if p.IsValid() {
			ranges = append(ranges, rangeOf(p))
		}
	}
	slices.SortFunc(ranges, func(a, b addressRange) int {
		return cmp.Or(a.first.Compare(b.first), a.last.Compare(b.last))
	})
	merged := ranges[:0]
	for _, r := range ranges {
		if n := len(merged); n > 0 && r.first.Compare(merged[n-1].last) <= 0 {
			if merged[n-1].last.Less(r.last) {
				merged[n-1].last = r.last
			}
			continue
		}
		merged = append(merged, r)
	}
	return &Set{slices.Clip(merged)}
}

func rangeOf(p netip.Prefix) addressRange {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	first := p.Masked().Addr().WithZone("")
	if first.Is4() {
		b := first.As4()
		fill(b[:], p.Bits())
		return addressRange{first, netip.AddrFrom4(b)}
	}
	b := first.As16()
	fill(b[:], p.Bits())
	return addressRange{first, netip.AddrFrom16(b)}
}

// fill sets all bits from one on.
func fill(b []byte, from int) {
	for i := from; i < 8*len(b); i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
}

// Has reports whether the set has an address; a zone does not count. An address that is
// none is in no set.
func (s *Set) Has(a netip.Addr) bool {
	if s == nil || !a.IsValid() {
		return false
	}
	a = a.Unmap().WithZone("")
	i, found := slices.BinarySearchFunc(s.ranges, a, func(r addressRange, a netip.Addr) int { return r.first.Compare(a) })
	return found || i > 0 && a.Compare(s.ranges[i-1].last) <= 0
}

// Empty reports whether nothing is in the set.
func (s *Set) Empty() bool { return s == nil || len(s.ranges) == 0 }

// ParsePrefix reads an address, or a prefix such as 192.0.2.0/24. Bits after the prefix are
// a mistake, for one of both is not what was meant.
func ParsePrefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%.60q is not an address: write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32", text)
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%.60q is not a prefix: write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32", text)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("%s has bits after the prefix: write %s, or %s for the one address", text, p.Masked(), p.Addr())
	}
	return p, nil
}

// ParseList reads a file of prefixes: one a line; what follows a # is a comment.
func ParseList(content []byte) ([]netip.Prefix, error) {
	var list []netip.Prefix
	number := 0
	for line := range bytes.Lines(content) {
		number++
		text, _, _ := strings.Cut(string(line), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		p, err := ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		list = append(list, p)
	}
	return list, nil
}

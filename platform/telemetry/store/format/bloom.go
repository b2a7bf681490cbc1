package format

// A bloom filter tells that a value is in no row, or may be: of each value four bits are set
// within one line of 64 bytes, so that asking reads one line. With five bits a value it
// says "may be" of one absent value in eleven.
const (
	BloomLine = 64
	bloomBits = 5
)

// BloomLines returns how many lines a filter of so many values has.
func BloomLines(values int) int { return (values*bloomBits + 8*BloomLine - 1) / (8 * BloomLine) }

// BloomAt returns the line of a hash.
func BloomAt(hash uint64, lines int) int { return int((hash >> 32) * uint64(lines) >> 32) }

// BloomAdd sets a hash's bits in its line.
func BloomAdd(line []byte, hash uint64) {
	for range 4 {
		bit := hash & 511
		line[bit>>3] |= 1 << (bit & 7)
		hash >>= 8 // the parts overlap by a bit, which does no harm
	}
}

// BloomHas reports whether all bits of a hash are set in its line.
func BloomHas(line []byte, hash uint64) bool {
	for range 4 {
		bit := hash & 511
		if line[bit>>3]>>(bit&7)&1 == 0 {
			return false
		}
		hash >>= 8
	}
	return true
}

// Mix makes a hash of a number (the finalizer of SplitMix64).
func Mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

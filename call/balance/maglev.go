package balance

// tableSize is a prime so much larger than the number of endpoints that their shares
// differ by less than one per cent up to 600 of them.
const tableSize = 65537

// maglev is the look-up table of Eisenbud et al.: Maglev (NSDI 2016, 3.4).
type maglev struct{ entries []uint16 }

// newMaglev returns nil for a list that a table has no use or no room for.
func newMaglev(list []choice) *maglev {
	const empty = 1<<16 - 1
	if len(list) == 0 || len(list) >= empty {
		return nil
	}
	type turn struct{ next, skip uint64 }
	turns := make([]turn, len(list))
	heaviest := int64(1)
	for i, e := range list {
		turns[i] = turn{next: mix(e.id+1) % tableSize, skip: mix(e.id+2)%(tableSize-1) + 1}
		heaviest = max(heaviest, e.weight.Load())
	}
	table := make([]uint16, tableSize)
	for i := range table {
		table[i] = empty
	}
	credit := make([]int64, len(list))
	for filled := 0; ; {
		for i, e := range list {
			// an endpoint takes a place each time its weight has added up to the heaviest
			if credit[i] += e.weight.Load(); credit[i] < heaviest {
				continue
			}
			credit[i] -= heaviest
			t := &turns[i]
			for table[t.next] != empty {
				t.next = (t.next + t.skip) % tableSize
			}
			table[t.next] = uint16(i)
			if filled++; filled == tableSize {
				return &maglev{table}
			}
		}
	}
}

// pick looks the call's key up; a key whose endpoint is not well looks again elsewhere.
func (m *maglev) pick(list []choice, now int64, c *Call) (index, rank int) {
	if m == nil {
		return rendezvous(list, now, c)
	}
	key := c.Hash
	if key == 0 {
		key = c.Turn + 1
	}
	for range 8 {
		key = mix(key)
		if i := int(m.entries[key%tableSize]); list[i].rank(now, c) == well {
			return i, well
		}
	}
	return rendezvous(list, now, c)
}

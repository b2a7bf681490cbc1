package compare

// differences merges two lists that are in the order of their keys.
func differences(ours, theirs []Row) (found []Difference) {
	for len(ours) > 0 || len(theirs) > 0 {
		switch {
		case len(theirs) == 0 || len(ours) > 0 && ours[0].Key < theirs[0].Key:
			found = append(found, Difference{ours[0].Key, Missing})
			ours = ours[1:]
		case len(ours) == 0 || theirs[0].Key < ours[0].Key:
			found = append(found, Difference{theirs[0].Key, Extra})
			theirs = theirs[1:]
		default:
			if ours[0].Sum != theirs[0].Sum {
				found = append(found, Difference{ours[0].Key, Differs})
			}
			ours, theirs = ours[1:], theirs[1:]
		}
	}
	return found
}

// stood keeps of the first differences those that are differences still although the source's row has stood
// still: what changed meanwhile may be on its way again.
func stood(first []Difference, before, now map[string]uint64, second []Difference) (standing []Difference) {
	again := make(map[string]Kind, len(second))
	for _, d := range second {
		again[d.Key] = d.Kind
	}
	for _, d := range first {
		kind, differs := again[d.Key]
		was, had := before[d.Key]
		is, has := now[d.Key]
		if differs && had == has && was == is {
			standing = append(standing, Difference{d.Key, kind})
		}
	}
	return standing
}

func sums(rows []Row) map[string]uint64 {
	m := make(map[string]uint64, len(rows))
	for _, r := range rows {
		m[r.Key] = r.Sum
	}
	return m
}

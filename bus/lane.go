package bus

import "hash/fnv"

// Lane returns which of a number of lanes, at least 1, a message goes through: the
// same for all of one key, and evenly spread over keys. Messages without a key are
// spread by their ID. It is FNV-1a of 64 bits, folded to 32, and stays as it is for
// ever: brokers keep messages by it.
func Lane(m Msg, lanes int) int {
	key := m.Key
	if key == "" {
		key = m.ID
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(key)) // never fails
	sum := h.Sum64()
	return int(uint32(sum^sum>>32) % uint32(max(lanes, 1))) //nolint:gosec // lanes are few
}

package forward

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// header is the bytes of a frame before its body: the body's length, a checksum of all
// that follows it, and the number of items.
const header = 12

// entry is a request taken from the queue.
type entry struct {
	items int64
	body  []byte
}

var errFrame = errors.New("no whole frame")

// read reads the frame at an offset of a file of some size.
func read(f io.ReaderAt, at, size int64) (entry, error) {
	var h [header]byte
	if at+header > size {
		return entry{}, io.EOF
	}
	if _, err := f.ReadAt(h[:], at); err != nil {
		return entry{}, err
	}
	n := int64(binary.LittleEndian.Uint32(h[:]))
	if n == 0 || n > size-at-header {
		return entry{}, errFrame
	}
	e := entry{items: int64(binary.LittleEndian.Uint32(h[8:])), body: make([]byte, n)}
	if _, err := f.ReadAt(e.body, at+header); err != nil {
		return entry{}, err
	}
	if checksum(h[8:], e.body) != binary.LittleEndian.Uint32(h[4:]) {
		return entry{}, errFrame
	}
	return e, nil
}

func checksum(items, body []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(items, table), table, body)
}

// Package block reads blocks: it finds the rows that a filter wants and puts them together
// again. Package format has their layout.
package block

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store/format"
)

// Files opens blocks. It bounds how many of them have their files open while nobody reads.
type Files struct {
	dec  *zstd.Decoder
	open atomic.Int64
}

// maxOpen is how many files stay open for the next reader.
const maxOpen = 256

// NewFiles makes a Files.
func NewFiles() (*Files, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(4), zstd.WithDecoderMaxMemory(format.MaxChunk))
	if err != nil {
		return nil, fmt.Errorf("start the zstd decoder: %w", err)
	}
	return &Files{dec: dec}, nil
}

// File is a block on the disk. Its methods may be called concurrently.
type File struct {
	format.Footer

	Path  string
	Bytes int64
	Whole bool // the store's: it is too large in memory to be joined with others

	files *Files

	mu      sync.Mutex
	file    *os.File
	pins    int
	removed bool
	closed  bool
}

// Open reads the footer of a block. It fails with [format.ErrCorrupt] when that is damaged.
func (fs *Files) Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	b := &File{Path: path, Bytes: info.Size(), files: fs}
	tail := make([]byte, format.TailBytes)
	if b.Bytes < int64(len(format.Magic)+format.TailBytes) {
		return nil, b.corrupt("it is too short")
	}
	if _, err := f.ReadAt(tail, b.Bytes-int64(format.TailBytes)); err != nil {
		return nil, err
	}
	size := int64(binary.LittleEndian.Uint32(tail))
	if string(tail[8:]) != format.Magic || size > b.Bytes-int64(len(format.Magic)+format.TailBytes) {
		return nil, b.corrupt("its end is not that of a block")
	}
	foot := make([]byte, size)
	if _, err := f.ReadAt(foot, b.Bytes-int64(format.TailBytes)-size); err != nil {
		return nil, err
	}
	if format.Sum(foot) != binary.LittleEndian.Uint32(tail[4:]) {
		return nil, b.corrupt("its footer has another checksum")
	}
	image := format.NewReader(foot, fs.dec).Bytes()
	r := format.NewReader(image, fs.dec)
	if b.Footer = r.Footer(); r.Bad() {
		return nil, b.corrupt("its footer makes no sense")
	}
	return b, nil
}

func (b *File) corrupt(why string) error {
	return fmt.Errorf("%s: %w: %s", b.Path, format.ErrCorrupt, why)
}

// Pin keeps the block readable until Unpin. It returns false when it was removed.
func (b *File) Pin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.removed {
		return false
	}
	b.pins++
	return true
}

// Unpin ends what Pin began.
func (b *File) Unpin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pins--
	if b.pins > 0 {
		return
	}
	if b.removed {
		_ = b.unlink()
	} else if b.closed || b.files.open.Load() > maxOpen {
		b.close()
	}
}

// Remove removes the file, now or when its last reader is done.
func (b *File) Remove() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.removed {
		return nil
	}
	b.removed = true
	if b.pins > 0 {
		return nil
	}
	return b.unlink()
}

// SetAside renames the file, so that it is not read again and can be looked at. Nobody
// may have it pinned any more afterwards but those who have now.
func (b *File) SetAside() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.removed {
		return nil
	}
	b.removed = true
	return os.Rename(b.Path, b.Path+".corrupt")
}

// Close closes the file, now or when its last reader is done.
func (b *File) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed = true; b.pins == 0 {
		b.close()
	}
}

func (b *File) close() {
	if b.file != nil {
		_ = b.file.Close()
		b.file = nil
		b.files.open.Add(-1)
	}
}

func (b *File) unlink() error {
	b.close()
	if err := os.Remove(b.Path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (b *File) opened() (*os.File, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file == nil {
		f, err := os.Open(b.Path)
		if err != nil {
			return nil, err
		}
		b.file = f
		b.files.open.Add(1)
	}
	return b.file, nil
}

// raw reads a part of the file as it is.
func (b *File) raw(off, size uint64) ([]byte, error) {
	if off > uint64(b.Bytes) || size > uint64(b.Bytes)-off {
		return nil, b.corrupt("its footer points beyond its end")
	}
	f, err := b.opened()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, size)
	if _, err := f.ReadAt(buf, int64(off)); err != nil {
		return nil, fmt.Errorf("%s: %w", b.Path, err)
	}
	return buf, nil
}

// read reads a piece.
func (b *File) read(r format.Ref) (*format.Reader, error) {
	buf, err := b.raw(r.Off, uint64(r.Size))
	if err != nil {
		return nil, err
	}
	if r.Size > 0 && format.Sum(buf) != r.CRC {
		return nil, b.corrupt("a piece of it has another checksum")
	}
	return format.NewReader(buf, b.files.dec), nil
}

// done turns what a reader found missing into an error.
func (b *File) done(r *format.Reader) error {
	if r.Bad() {
		return b.corrupt("a piece of it makes no sense")
	}
	return nil
}

// traceIDs reads a group of trace ids.
func (b *File) traceIDs(g int) ([]byte, error) {
	n := min(format.TraceGroup, b.Traces-g*format.TraceGroup)
	ids, err := b.raw(b.TraceOff+uint64(g)*format.TraceGroup*16, uint64(n)*16)
	if err == nil && format.Sum(ids) != b.Groups[g].CRC {
		err = b.corrupt("its trace ids have another checksum")
	}
	return ids, err
}

// trace returns the place of an id among the block's, -1 when it has none of it.
func (b *File) trace(id signal.TraceID) (int, error) {
	first := binary.BigEndian.Uint64(id[:])
	for g := b.group(first); g < len(b.Groups) && b.Groups[g].First <= first; g++ {
		ids, err := b.traceIDs(g)
		if err != nil {
			return -1, err
		}
		n := len(ids) / 16
		low, high := 0, n
		for low < high {
			mid := (low + high) / 2
			if bytes.Compare(ids[mid*16:mid*16+16], id[:]) < 0 {
				low = mid + 1
			} else {
				high = mid
			}
		}
		if low < n && bytes.Equal(ids[low*16:low*16+16], id[:]) {
			return g*format.TraceGroup + low, nil
		}
	}
	return -1, nil
}

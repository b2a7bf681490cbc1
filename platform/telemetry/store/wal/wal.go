// Package wal is a log of records on disk, kept in segments: what was appended is there
// after the process was killed at any moment, and is thrown away a segment at a time.
// Nothing is synced to the disk: after a power cut the last seconds may be missing.
package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A record is a header and the payload. The header is
//
//	magic u32, bytes of the payload u32, number u64, crc of the payload u32, crc of the header u32
//
// with the header's own sum, so that a damaged payload costs only itself, and what comes
// after a damaged header is found again by its magic.
const (
	headerBytes  = 24
	magic        = 0x4c415754 // "TWAL"
	segmentBytes = 16 << 20

	// MaxRecord is how many bytes a payload may have.
	MaxRecord = 256 << 20
)

// file is what a segment is written to; tests have some that fail.
type file interface {
	io.Writer
	Truncate(size int64) error
	Sync() error
	Close() error
}

// Log is a log. It is not for concurrent use, but for Bytes.
type Log struct {
	dir      string
	log      *slog.Logger
	create   func(path string) (file, error)
	segments []segment // by number; the last is being written to, when current is there
	current  file
	next     uint64
}

type segment struct {
	path        string
	first, last uint64 // numbers of records; last < first: none
	size        int64
}

// Lost is what was found damaged when a log was opened.
type Lost struct {
	Places int   // runs of bytes that are no records
	Bytes  int64 // of them
}

// Open reads the log in a folder and calls f with each record, in the order in which they
// were appended. What is damaged is left out and counted; a torn end is cut off. An error
// of f ends it. The payload is valid during the call only.
func Open(dir string, log *slog.Logger, f func(number uint64, payload []byte) error) (*Log, Lost, error) {
	l := &Log{dir: dir, log: log, create: createFile, next: 1}
	var lost Lost
	names, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	if err != nil {
		return nil, lost, fmt.Errorf("list %s: %w", dir, err)
	}
	slices.Sort(names)
	for _, path := range names {
		first, err := strconv.ParseUint(strings.TrimSuffix(filepath.Base(path), ".wal"), 16, 64)
		if err != nil {
			continue // not ours
		}
		seg := segment{path: path, first: first, last: first - 1}
		if err := l.read(&seg, &lost, f); err != nil {
			return nil, lost, err
		}
		if seg.last < seg.first {
			if err := os.Remove(path); err != nil {
				return nil, lost, err
			}
			continue
		}
		l.segments = append(l.segments, seg)
		l.next = seg.last + 1
	}
	return l, lost, nil
}

func (l *Log) read(seg *segment, lost *Lost, f func(uint64, []byte) error) error {
	b, err := os.ReadFile(seg.path)
	if err != nil {
		return err
	}
	good := 0 // end of the last record
	for at := 0; at < len(b); {
		number, payload, ok := record(b[at:])
		if !ok {
			at += next(b[at:])
			continue
		}
		if at > good {
			l.damaged(seg, lost, good, at)
		}
		if number >= l.next {
			l.next = number + 1
			seg.last = number
			if err := f(number, payload); err != nil {
				return err
			}
		}
		at += headerBytes + len(payload)
		good = at
	}
	seg.size = int64(good)
	if good == len(b) {
		return nil
	}
	l.damaged(seg, lost, good, len(b))
	return os.Truncate(seg.path, int64(good))
}

func (l *Log) damaged(seg *segment, lost *Lost, from, until int) {
	lost.Places++
	lost.Bytes += int64(until - from)
	l.log.Warn("telemetry: a piece of the log of what came in is damaged or was not written to its end; it is left out",
		"file", seg.path, "from", from, "bytes", until-from)
}

// record takes the record at the beginning of b apart.
func record(b []byte) (number uint64, payload []byte, ok bool) {
	if len(b) < headerBytes || !header(b) {
		return 0, nil, false
	}
	le := binary.LittleEndian
	size := int64(le.Uint32(b[4:]))
	if size > int64(len(b)-headerBytes) {
		return 0, nil, false
	}
	payload = b[headerBytes : headerBytes+size]
	return le.Uint64(b[8:]), payload, le.Uint32(b[16:]) == sum(payload)
}

func header(b []byte) bool {
	le := binary.LittleEndian
	return le.Uint32(b) == magic && le.Uint32(b[20:]) == sum(b[:20])
}

// next returns how far it is to what may be a record, from a place where none is. In a
// payload that is damaged, or torn, nothing is looked for: others could put records there.
func next(b []byte) int {
	if len(b) < headerBytes || !header(b) {
		return skip(b)
	}
	return int(min(headerBytes+int64(binary.LittleEndian.Uint32(b[4:])), int64(len(b))))
}

// skip returns how far it is from the damaged beginning of b to what may be a record.
func skip(b []byte) int {
	for at := 1; at+headerBytes <= len(b); at++ {
		i := slices.Index(b[at:], byte(magic&0xff))
		if i < 0 || at+i+headerBytes > len(b) {
			break
		}
		if at += i; header(b[at:]) {
			return at
		}
	}
	return len(b)
}

func sum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func createFile(path string) (file, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
}

// Header is room at the beginning of what Append is given.
const Header = headerBytes

// Append writes a record with a single write. The first [Header] bytes of b are room for
// its header, the rest is the payload. It returns the record's number, each larger than
// those before. When it fails nothing was kept.
func (l *Log) Append(b []byte) (uint64, error) {
	if len(b)-headerBytes > MaxRecord {
		return 0, fmt.Errorf("a batch of %d bytes is too large: send at most %d at once", len(b)-headerBytes, MaxRecord)
	}
	if err := l.roll(); err != nil {
		return 0, err
	}
	number, le := l.next, binary.LittleEndian
	le.PutUint32(b, magic)
	le.PutUint32(b[4:], uint32(len(b)-headerBytes))
	le.PutUint64(b[8:], number)
	le.PutUint32(b[16:], sum(b[headerBytes:]))
	le.PutUint32(b[20:], sum(b[:20]))
	seg := &l.segments[len(l.segments)-1]
	if n, err := l.current.Write(b); err != nil {
		if n > 0 {
			err = l.undo(seg, err)
		}
		return 0, err
	}
	seg.size += int64(len(b))
	seg.last = number
	l.next++
	return number, nil
}

// undo cuts off what was written in part, or leaves the segment: the part is no record.
func (l *Log) undo(seg *segment, cause error) error {
	err := l.current.Truncate(seg.size)
	if err == nil {
		return cause
	}
	err = errors.Join(cause, err, l.current.Close())
	l.current = nil
	return err
}

// roll sees to it that there is a segment to write to.
func (l *Log) roll() error {
	if n := len(l.segments); l.current != nil && l.segments[n-1].size < segmentBytes {
		return nil
	}
	path := filepath.Join(l.dir, fmt.Sprintf("%016x.wal", l.next))
	f, err := l.create(path)
	if errors.Is(err, fs.ErrExist) { // a segment of nothing but a part of a record
		if err = os.Remove(path); err == nil {
			f, err = l.create(path)
		}
	}
	if err != nil {
		return err
	}
	if l.current != nil {
		if err := l.current.Close(); err != nil {
			l.log.Warn("telemetry: close a segment of the log", "error", err)
		}
	}
	l.drop(path)
	l.current = f
	l.segments = append(l.segments, segment{path: path, first: l.next, last: l.next - 1})
	return nil
}

// drop forgets a segment.
func (l *Log) drop(path string) {
	l.segments = slices.DeleteFunc(l.segments, func(s segment) bool { return s.path == path })
}

// Skip makes the next record's number at least n.
func (l *Log) Skip(n uint64) { l.next = max(l.next, n) }

// Release removes the segments of which no record has the number or a larger one; the one
// that is being written to stays.
func (l *Log) Release(number uint64) error {
	for len(l.segments) > 0 && (len(l.segments) > 1 || l.current == nil) && l.segments[0].last < number {
		if err := os.Remove(l.segments[0].path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		l.segments = l.segments[1:]
	}
	return nil
}

// Bytes returns how much the log takes on the disk.
func (l *Log) Bytes() (n int64) {
	for _, s := range l.segments {
		n += s.size
	}
	return n
}

// First returns the last number in the oldest segment: what must be released for the log
// to become smaller. It is 0 where there is only the segment that is being written to.
func (l *Log) First() uint64 {
	if len(l.segments) < 2 {
		return 0
	}
	return l.segments[0].last
}

// Close syncs and closes the segment that is being written to.
func (l *Log) Close() error {
	if l.current == nil {
		return nil
	}
	err := errors.Join(l.current.Sync(), l.current.Close())
	l.current = nil
	return err
}

package wal

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

var quiet = slog.New(slog.DiscardHandler)

func open(t *testing.T, dir string) (l *Log, got map[uint64]string, lost Lost) {
	t.Helper()
	got = map[uint64]string{}
	l, lost, err := Open(dir, quiet, func(n uint64, b []byte) error {
		got[n] = string(b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l, got, lost
}

func payload(s string) []byte { return append(make([]byte, Header), s...) }

func put(t *testing.T, l *Log, s string) uint64 {
	t.Helper()
	n, err := l.Append(payload(s))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSegments(t *testing.T) {
	dir := t.TempDir()
	l, _, _ := open(t, dir)
	large := string(bytes.Repeat([]byte("x"), segmentBytes/2+1))
	for range 6 {
		put(t, l, large)
	}
	if n := len(l.segments); n != 3 {
		t.Fatalf("%d segments for 6 records of half of one", n)
	}
	if first := l.First(); first != 2 {
		t.Errorf("the oldest segment ends with record %d, want 2", first)
	}
	if err := l.Release(4); err != nil {
		t.Fatal(err)
	}
	if n := len(l.segments); n != 2 {
		t.Errorf("%d segments after releasing those before record 4, want 2", n)
	}
	if err := l.Release(100); err != nil || len(l.segments) != 1 {
		t.Errorf("%d segments after releasing all, want that which is written to (%v)", len(l.segments), err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, got, lost := open(t, dir)
	if len(got) != 2 || got[6] != large || lost != (Lost{}) {
		t.Errorf("read %d records, lost %+v", len(got), lost)
	}
	if n := put(t, l, "next"); n != 7 {
		t.Errorf("the next record has number %d, want 7", n)
	}
}

// failing is a disk that takes so many bytes more.
type failing struct {
	*os.File

	room      *int
	truncates bool
}

func (f failing) Write(b []byte) (int, error) {
	if len(b) <= *f.room {
		*f.room -= len(b)
		return f.File.Write(b)
	}
	n, _ := f.File.Write(b[:*f.room])
	*f.room = 0
	return n, syscall.ENOSPC
}

func (f failing) Truncate(size int64) error {
	if !f.truncates {
		return syscall.EIO
	}
	return f.File.Truncate(size)
}

// A write that fails half-way leaves nothing, be it cut off or found out later.
func TestNoRoom(t *testing.T) {
	for _, truncates := range []bool{true, false} {
		t.Run(fmt.Sprintf("truncates %v", truncates), func(t *testing.T) {
			dir, room := t.TempDir(), 100
			l, _, _ := open(t, dir)
			l.create = func(path string) (file, error) {
				f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
				return failing{f, &room, truncates}, err
			}
			put(t, l, "one")
			for range 3 {
				if _, err := l.Append(payload("this does not fit into what is left of a hundred bytes, does it?")); !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("append: %v", err)
				}
			}
			room = 1000
			if n := put(t, l, "two"); n != 2 {
				t.Errorf("the record after those that failed has number %d, want 2", n)
			}
			_, got, _ := open(t, dir)
			if len(got) != 2 || got[1] != "one" || got[2] != "two" {
				t.Errorf("read %v", got)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	l, _, _ := open(t, t.TempDir())
	if _, err := l.Append(make([]byte, MaxRecord+Header+1)); err == nil {
		t.Error("a record that is too large was appended")
	}
}

// What others sent is in the payloads: a record within one that is damaged or torn is none.
func TestNoRecordWithinARecord(t *testing.T) {
	dir := t.TempDir()
	l, _, _ := open(t, dir)
	l.Skip(1 << 60)
	forged := payload("forged")
	if _, err := l.Append(forged); err != nil {
		t.Fatal(err)
	}
	for name, hurt := range map[string]func(b []byte) []byte{
		"damaged": func(b []byte) []byte { b[Header] ^= 1; return b },
		"torn":    func(b []byte) []byte { return b[:len(b)-1] },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l, _, _ := open(t, dir)
			n := put(t, l, "some"+string(forged)+"thing")
			path := filepath.Join(dir, "0000000000000001.wal")
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, hurt(b), 0o644); err != nil {
				t.Fatal(err)
			}
			l, got, lost := open(t, dir)
			if len(got) != 0 || lost.Places != 1 {
				t.Errorf("read %v, lost %+v", got, lost)
			}
			if again := put(t, l, "after"); again != n {
				t.Errorf("the next record has number %d, want %d", again, n)
			}
		})
	}
}

// FuzzOpen reads anything: it neither panics nor invents records, and what is appended
// afterwards is read again.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	l, _, err := Open(dir, quiet, nil)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", "one", "three"} {
		if _, err := l.Append(payload(s)); err != nil {
			f.Fatal(err)
		}
	}
	whole, err := os.ReadFile(filepath.Join(dir, "0000000000000001.wal"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)-1])
	f.Add(whole[3:])
	f.Add(append([]byte("TWAL"), whole...))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "0000000000000001.wal"), b, 0o644); err != nil {
			t.Fatal(err)
		}
		l, got, _ := open(t, dir)
		total := 0
		for _, s := range got {
			total += len(s) + headerBytes
		}
		if total > len(b) {
			t.Fatalf("%d bytes of records in %d", total, len(b))
		}
		n := put(t, l, "after")
		_, again, _ := open(t, dir)
		if len(again) != len(got)+1 || again[n] != "after" {
			t.Fatalf("read %d records, then %d", len(got), len(again))
		}
	})
}

package block_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store/block"
	"github.com/musterdev/muster/platform/telemetry/store/format"
	"github.com/musterdev/muster/platform/telemetry/store/row"
	"github.com/musterdev/muster/platform/telemetry/store/seal"
)

// image returns a block of n spans.
func image(tb testing.TB, n int) []byte {
	tb.Helper()
	var enc row.Encoder
	sec, _, err := row.Next(enc.Append(nil, row.Spans, "orders", n, func(i int) *signal.Span {
		s := &signal.Span{Service: "orders", Name: "work", Start: int64(i * 1000), Duration: int64(i), Kind: signal.Server}
		binary.BigEndian.PutUint32(s.Trace[4:], uint32(i/2)) // the first bytes of all are the same
		binary.BigEndian.PutUint64(s.ID[:], uint64(i+1))
		if i%2 == 1 {
			binary.BigEndian.PutUint64(s.Parent[:], uint64(i))
		}
		s.Attributes = signal.Attributes{
			{Key: "number", Value: signal.IntValue(int64(i))},
			{Key: "text", Value: signal.StringValue(string(rune('a' + i%20)))},
			{Key: "id", Value: signal.StringValue(s.ID.String())},
		}
		return s
	}))
	if err != nil {
		tb.Fatal(err)
	}
	var rows row.Rows
	if err := rows.Add(sec, 0); err != nil {
		tb.Fatal(err)
	}
	w, err := seal.NewWriter()
	if err != nil {
		tb.Fatal(err)
	}
	return w.Build(nil, &rows, 0, n, format.Meta{Service: "orders", Upto: format.Mark{Record: 7, Rows: n}, Replaces: []string{"x"}})
}

func opened(tb testing.TB, b []byte) (*block.File, error) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "block")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		tb.Fatal(err)
	}
	files, err := block.NewFiles()
	if err != nil {
		tb.Fatal(err)
	}
	return files.Open(path)
}

// scan returns what a filter finds.
func scan(f *block.File, filter row.Filter) (spans []signal.Span, err error) {
	f.Pin()
	defer f.Unpin()
	s, err := f.Scan(&filter)
	for err == nil && s != nil {
		if _, more := s.Bound(); !more {
			break
		}
		spans, err = s.Page(spans)
	}
	return spans, err
}

func TestScan(t *testing.T) {
	const n = 5000
	f, err := opened(t, image(t, n))
	if err != nil {
		t.Fatal(err)
	}
	if f.Rows != n || f.Service != "orders" || f.Upto.Record != 7 || f.First != 0 || f.Last != (n-1)*1000 || len(f.Pages) != 3 {
		t.Errorf("footer: %+v", f.Footer)
	}
	all, err := scan(f, row.OfSpans(signal.SpanQuery{}))
	if err != nil || len(all) != n {
		t.Fatalf("%d spans, %v", len(all), err)
	}
	for i, s := range all {
		if at := n - 1 - i; s.Start != int64(at*1000) || binary.BigEndian.Uint64(s.ID[:]) != uint64(at+1) || at%2 == 1 && binary.BigEndian.Uint64(s.Parent[:]) != uint64(at) {
			t.Fatalf("span %d is %+v", i, s)
		}
	}
	// Every trace is found, though its id begins as all others do.
	for i := 2; i < n; i += 501 {
		filter := row.OfSpans(signal.SpanQuery{})
		filter.Trace = all[n-1-i].Trace
		if got, err := scan(f, filter); err != nil || len(got) != 2 || got[1].Trace != filter.Trace {
			t.Fatalf("trace %s: %d spans, %v", filter.Trace, len(got), err)
		}
	}
	filter := row.OfSpans(signal.SpanQuery{})
	filter.Trace = signal.TraceID{0: 1}
	if got, err := scan(f, filter); err != nil || len(got) > 0 {
		t.Errorf("a trace that is not there has %d spans, %v", len(got), err)
	}
}

// Whatever bytes a block has, it is read without a panic; and where only its pieces are
// damaged, the damage is noticed.
func FuzzBlock(f *testing.F) {
	whole := image(f, 300)
	for at := 1; at < len(whole); at += 97 {
		f.Add(at, byte(0xff), len(whole))
	}
	f.Add(0, byte(0), len(whole)-1)
	f.Fuzz(func(t *testing.T, at int, flip byte, size int) {
		b := append([]byte(nil), whole[:min(max(size, 0), len(whole))]...)
		if at >= 0 && at < len(b) {
			b[at] ^= flip
		}
		file, err := opened(t, b)
		if err != nil {
			if !errors.Is(err, format.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		for _, q := range []signal.SpanQuery{{}, {Match: []signal.Match{{Key: "id", Value: "0000000000000007"}}}, {Bare: true, Name: "work", Min: 3}} {
			got, err := scan(file, row.OfSpans(q))
			if err != nil && !errors.Is(err, format.ErrCorrupt) {
				t.Fatal(err)
			}
			for _, s := range got {
				if i := int(s.Start / 1000); binary.BigEndian.Uint64(s.ID[:]) != uint64(i+1) || s.Duration != int64(i) {
					t.Fatalf("a damaged block has %+v", s)
				}
			}
		}
	})
}

// FuzzFooter reads footers that have the right checksum and make no sense.
func FuzzFooter(f *testing.F) {
	footer := format.Footer{Meta: format.Meta{Service: "a"}, Rows: 1, Pages: []format.Page{{Rows: 1}}, Columns: make([]format.Column, format.ColAttributes)}
	for i := range footer.Columns {
		footer.Columns[i].Chunks, footer.Columns[i].Counts = make([]format.Ref, 1), []int{1}
	}
	f.Add(footer.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		foot := append(binary.AppendUvarint(nil, uint64(len(b))<<1), b...)
		all := append([]byte(format.Magic), foot...)
		all = binary.LittleEndian.AppendUint32(all, uint32(len(foot)))
		all = binary.LittleEndian.AppendUint32(all, format.Sum(foot))
		file, err := opened(t, append(all, format.Magic...))
		if err != nil {
			return
		}
		_, _ = scan(file, row.OfSpans(signal.SpanQuery{Match: []signal.Match{{Key: "a", Value: "b"}}}))
	})
}

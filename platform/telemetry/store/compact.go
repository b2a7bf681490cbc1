package store

import (
	"cmp"
	"context"
	"math/bits"
	"path/filepath"
	"slices"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store/block"
	"github.com/musterdev/muster/platform/telemetry/store/format"
	"github.com/musterdev/muster/platform/telemetry/store/row"
)

// A quiet service has a small block written each time it falls silent. So that it does
// not have thousands of them, as many as compactBlocks of about one size become one.
const compactBlocks = 8

// compact joins small blocks.
func (s *Store) compact(ctx context.Context) error {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	for {
		small := s.small()
		if len(small) == 0 || ctx.Err() != nil {
			return ctx.Err()
		}
		err := s.join(small)
		for _, b := range small {
			b.Unpin()
		}
		if err != nil {
			return err
		}
	}
}

// small returns blocks that are to be one, pinned.
func (s *Store) small() []*block.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	for _, list := range s.blocks {
		sizes := map[int][]*block.File{} // by the logarithm of the rows to the base 8
		for _, b := range list {
			if c := bits.Len(uint(b.Rows)) / 3; !b.Whole && compactBlocks*b.Rows <= s.cfg.BlockRows && b.Bytes < maxHeadBytes/compactBlocks {
				sizes[c] = append(sizes[c], b)
			}
		}
		for _, alike := range sizes {
			if len(alike) < compactBlocks {
				continue
			}
			slices.SortFunc(alike, func(a, b *block.File) int { return cmp.Compare(a.Last, b.Last) })
			alike = alike[:compactBlocks]
			for _, b := range alike {
				b.Pin()
			}
			return alike
		}
	}
	return nil
}

// join replaces blocks of a service by one, or the first few of them: those whose rows are
// no more bytes than a head may have, about, for all are in memory at once.
func (s *Store) join(small []*block.File) error {
	meta := format.Meta{Signal: small[0].Signal, Service: small[0].Service}
	var rows row.Rows
	for i, b := range small {
		if err := add(&rows, b); err != nil {
			return s.setAside(b, err)
		}
		if b.Upto.After(meta.Upto) {
			meta.Upto = b.Upto
		}
		meta.Replaces = append(meta.Replaces, filepath.Base(b.Path))
		if rows.Memory() >= maxHeadBytes {
			small = small[:i+1]
			break
		}
	}
	whole := rows.Memory() >= maxHeadBytes
	if len(small) == 1 {
		s.mu.Lock()
		small[0].Whole = whole
		s.mu.Unlock()
		return nil
	}
	s.image = s.writer.Build(s.image[:0], &rows, 0, len(rows.Fixed), meta)
	b, err := s.write(s.image)
	if err != nil {
		return err
	}
	k := key{meta.Signal, meta.Service}
	s.mu.Lock()
	b.Whole = whole
	s.blocks[k] = append(slices.DeleteFunc(s.blocks[k], func(b *block.File) bool { return slices.Contains(small, b) }), b)
	s.mu.Unlock()
	for _, b := range small {
		if err := b.Remove(); err != nil {
			return err
		}
	}
	return nil
}

// add adds all rows of a block.
func add(rows *row.Rows, b *block.File) error {
	spans, err := everything(b)
	if err != nil {
		return err
	}
	var enc row.Encoder
	sec, _, err := row.Next(enc.Append(nil, b.Signal, b.Service, len(spans), func(i int) *signal.Span { return &spans[i] }))
	if err != nil {
		return err
	}
	return rows.Add(sec, 0)
}

// everything returns all rows of a block.
func everything(b *block.File) (spans []signal.Span, err error) {
	filter := row.OfSpans(signal.SpanQuery{})
	scan, err := b.Scan(&filter)
	for err == nil && scan != nil {
		if _, more := scan.Bound(); !more {
			break
		}
		spans, err = scan.Page(spans)
	}
	return spans, err
}

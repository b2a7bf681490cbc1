package jwt

import (
	"context"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// views is a header as an engine has it: to read a field costs no allocation.
type views struct {
	filter.Header

	authorization []string
}

func (v *views) Values(name string) []string {
	if name == "Authorization" {
		return v.authorization
	}
	return v.Header.Values(name)
}

func BenchmarkRemembered(b *testing.B) {
	p := newPair(b, "k1", jose.RS256)
	f := inline(b, nil, p)
	token := p.token(b, at, says{"scope": "orders.read orders.write"})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		fields := &views{authorization: []string{"Bearer " + token}}
		fields.Header = make(filter.Header, 0, 16)
		r := &filter.Request{Fields: fields, Began: time.Now()}
		for pb.Next() {
			fields.Header = fields.Header[:0]
			if err := f.Request(context.Background(), r); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkFresh(b *testing.B) {
	for _, alg := range []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA} {
		b.Run(string(alg), func(b *testing.B) {
			p := newPair(b, "k1", alg)
			f := inline(b, nil, p)
			token, now := p.token(b, at, nil), time.Now()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.verify(context.Background(), token, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestARememberedTokenCostsNoMemory is about the filter alone: what setting fields costs is up
// to the engine.
func TestARememberedTokenCostsNoMemory(t *testing.T) {
	p := newPair(t, "k1", jose.ES256)
	f := inline(t, nil, p)
	fields := &views{authorization: []string{"Bearer " + p.token(t, at, nil)}}
	r := &filter.Request{Fields: fields, Began: time.Now()}
	n := testing.AllocsPerRun(100, func() {
		fields.Header = fields.Header[:0]
		if err := f.Request(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	})
	if n > 0 {
		t.Errorf("%v allocations a request, want none", n)
	}
}

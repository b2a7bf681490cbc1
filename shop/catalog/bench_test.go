package catalog

import (
	"testing"
	"time"

	"github.com/musterdev/muster/shop/internal/engines"
)

// BenchmarkProduct is one product of the thousand looked up, from the database and with
// a memory of a minute before it.
func BenchmarkProduct(b *testing.B) {
	for name, ttl := range map[string]time.Duration{"database": 0, "memory": time.Minute} {
		b.Run(name, func(b *testing.B) {
			db := engines.SQLite(b, migrations)
			if err := Seed(b.Context(), db); err != nil {
				b.Fatal(err)
			}
			p, err := newProducts(store{db}, ttl)
			if err != nil {
				b.Fatal(err)
			}
			ids := Generate()
			n := 0
			for b.Loop() {
				n++
				if _, err := p.get(b.Context(), ids[n%len(ids)].ID); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

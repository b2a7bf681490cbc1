package desync_test

import (
	"math/rand/v2"
	"testing"

	"github.com/musterdev/muster/platform/gateway/http1/desync"
)

// The same of what can be made of the corpus. Other seeds are tried by
//
//	go test -fuzz FuzzEdge -fuzztime 10m ./platform/gateway/http1/desync
func TestMutantsAreNotSmuggled(t *testing.T) {
	corpus := short(desync.Requests())
	for i, behind := range behinds {
		t.Run(behind.name, func(t *testing.T) {
			r := record(t)
			g := start(t, behind.start(t, r.addr), r)
			random := rand.New(rand.NewPCG(1, uint64(i)))
			for range 1000 {
				mutant := desync.Mutate(random, []byte(corpus[random.IntN(len(corpus))].Bytes), corpus)
				if what := g.try(mutant); what != "" {
					t.Fatalf("%q: %s", mutant, what)
				}
			}
			t.Logf("%d answers, %d requests passed on", g.answers, g.passed)
		})
	}
}

// short leaves out what takes long to send and differs in its size only.
func short(messages []desync.Message) (few []desync.Message) {
	for _, m := range messages {
		if len(m.Bytes) < 2<<10 {
			few = append(few, m)
		}
	}
	return few
}

func FuzzEdge(f *testing.F) {
	corpus := short(desync.Requests())
	for i, m := range corpus {
		if i%10 == 0 { // Mutate finds the others' ends
			f.Add([]byte(m.Bytes), uint64(i))
		}
	}
	r := record(f)
	g := start(f, r.addr, r)
	f.Fuzz(func(t *testing.T, message []byte, seed uint64) {
		if len(message) > 16<<10 {
			return
		}
		if seed%4 != 0 {
			message = desync.Mutate(rand.New(rand.NewPCG(seed, 0)), message, corpus)
		}
		if what := g.try(message); what != "" {
			t.Fatalf("%q: %s", message, what)
		}
	})
}

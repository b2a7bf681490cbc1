package memo_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/gateway/filter/memo"
)

func key(n int) memo.Key { return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n))) }

// TestMemoSaysNothingWrong compares with a map: what is remembered was put last and is not over.
func TestMemoSaysNothingWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, now := memo.New[int](rapid.IntRange(1, 40).Draw(t, "entries"), 500), time.Unix(1e9, 0)
		type entry struct {
			value int
			until time.Time
		}
		put := map[memo.Key]entry{}
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			k := key(rapid.IntRange(0, 30).Draw(t, "key"))
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2, 3:
				size, until := int64(rapid.IntRange(0, 100).Draw(t, "size")), now.Add(time.Duration(rapid.IntRange(1, 9).Draw(t, "for"))*time.Second)
				m.Put(&k, i, size, now, until)
				put[k] = entry{i, until}
				if v, found := m.Get(&k, now); !found || v != i {
					t.Fatalf("just put, and it is %v %v", v, found)
				}
			case 4:
				m.Drop(&k)
				delete(put, k)
			case 5:
				now = now.Add(time.Second)
			default:
				e, known := put[k]
				if v, found := m.Get(&k, now); found && (!known || v != e.value || !now.Before(e.until)) {
					t.Fatalf("remembers %d, put was %+v %v", v, e, known)
				}
			}
		}
		m.Clear()
		for k := range put {
			if _, found := m.Get(&k, now); found || m.Len() != 0 {
				t.Fatal("it was cleared, and remembers")
			}
		}
	})
}

func TestMemoIsBounded(t *testing.T) {
	now := time.Now()
	m := memo.New[int](1024, 0)
	for i := range 100_000 {
		k := key(i)
		m.Put(&k, i, 1, now, now.Add(time.Hour))
	}
	if m.Len() > 1024 || m.Len() < 1000 {
		t.Errorf("%d entries, want about 1024", m.Len())
	}
	m = memo.New[int](1024, 10_000)
	held := 0
	for i := range 5000 {
		k := key(i)
		m.Put(&k, i, 100, now, now.Add(time.Hour))
	}
	for i := range 5000 {
		if k := key(i); found(m, k, now) {
			held++
		}
	}
	if held > 100 || held < 50 || m.Len() != held {
		t.Errorf("%d entries of 100 bytes in 10,000", held)
	}
	k := key(-1)
	m.Put(&k, 1, 10_001, now, now.Add(time.Hour))
	if found(m, k, now) {
		t.Error("what takes more than all is remembered")
	}
}

func found(m *memo.Memo[int], k memo.Key, now time.Time) bool {
	_, found := m.Get(&k, now)
	return found
}

// TestWhatIsReadStays: 500 that are asked for again and again outlive 20,000 that are not.
func TestWhatIsReadStays(t *testing.T) {
	now := time.Now()
	m := memo.New[int](4096, 0)
	for i := range 20_500 {
		k := key(i)
		m.Put(&k, i, 1, now, now.Add(time.Hour))
		for j := range 5 {
			k := key((i*5 + j) % 500)
			m.Get(&k, now)
		}
	}
	kept := 0
	for i := range 500 {
		if found(m, key(i), now) {
			kept++
		}
	}
	if kept < 450 {
		t.Errorf("%d of 500 that are read are still there", kept)
	}
}

func TestOneFindsOutForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := memo.New[int](8, 0)
		var asked atomic.Int64
		finish := make(chan struct{})
		for range 10 {
			go func() {
				v, err := m.Do(t.Context(), key(1), func(context.Context) (int, error) {
					asked.Add(1)
					<-finish
					return 7, nil
				})
				if v != 7 || err != nil {
					t.Error(v, err)
				}
			}()
		}
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := m.Do(ctx, key(1), nil); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(finish)
		synctest.Wait()
		if asked.Load() != 1 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
}

// TestTheOneThatFindsOutMayGoAway: its end is not the others'.
func TestTheOneThatFindsOutMayGoAway(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := memo.New[int](8, 0).Do(ctx, key(1), func(ctx context.Context) (int, error) { return 0, ctx.Err() }); err != nil {
		t.Error(err)
	}
}

func TestReadersAndWritersTogether(t *testing.T) {
	m, now := memo.New[int](64, 1000), time.Now()
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 5000 {
				k := key(i * (g + 1) % 200)
				if v, found := m.Get(&k, now); found && v != i*(g+1)%200 {
					t.Errorf("%d remembered as %d", i*(g+1)%200, v)
				}
				m.Put(&k, i*(g+1)%200, 20, now, now.Add(time.Hour))
				if i%1000 == 0 {
					m.Clear()
				}
			}
		})
	}
	all.Wait()
}

func BenchmarkGet(b *testing.B) {
	m, now := memo.New[int](32768, 0), time.Now()
	for i := range 10_000 {
		k := key(i)
		m.Put(&k, i, 1, now, now.Add(time.Hour))
	}
	k := key(77)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, found := m.Get(&k, now); !found {
				b.Fatal("not there")
			}
		}
	})
}

func Example() {
	tokens := memo.New[string](1000, 1<<20)
	now := time.Now()
	key := sha256.Sum256([]byte("a token"))
	tokens.Put(&key, "alice", 100, now, now.Add(time.Minute))
	who, found := tokens.Get(&key, now)
	fmt.Println(who, found)
	_, found = tokens.Get(&key, now.Add(time.Hour))
	fmt.Println(found)
	// Output:
	// alice true
	// false
}

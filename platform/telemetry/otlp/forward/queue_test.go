package forward

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever is pushed, taken, dropped and reopened, with or without a torn end: what waits
// is what was pushed and neither done nor dropped, in its order.
func TestQueueKeepsWhatItTook(t *testing.T) {
	root, runs := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		dir := filepath.Join(root, fmt.Sprint(runs))
		q, err := openQueue(dir, 200)
		if err != nil {
			rt.Fatal(err)
		}
		var want []string
		pushed := 0
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 5).Draw(rt, "step") {
			case 0, 1, 2:
				pushed++
				body := fmt.Sprintf("%d %s", pushed, rapid.StringN(0, 100, -1).Draw(rt, "body"))
				if err := q.push([]byte(body), int64(pushed)); err != nil {
					rt.Fatal(err)
				}
				want = append(want, body)
			case 3:
				b, err := q.take(rapid.Int64Range(1, 300).Draw(rt, "most"))
				if err != nil {
					rt.Fatal(err)
				}
				for i, e := range b.entries {
					if i >= len(want) || string(e.body) != want[i] {
						rt.Fatalf("took %q as number %d of %q", e.body, i, want)
					}
				}
				if (len(b.entries) == 0) != (len(want) == 0) {
					rt.Fatalf("took nothing of %d", len(want))
				}
				if len(b.entries) > 0 && rapid.Bool().Draw(rt, "done") {
					if !q.done(&b) || q.done(&b) {
						rt.Fatal("done once, and only once")
					}
					want = want[len(b.entries):]
				}
			case 4:
				n := q.dropOldest()
				for n > 0 {
					var number int64
					if _, err := fmt.Sscan(want[0], &number); err != nil {
						rt.Fatal(err)
					}
					n -= number
					want = want[1:]
				}
				if n != 0 {
					rt.Fatalf("dropped %d too many", -n)
				}
			case 5:
				if err := q.close(); err != nil {
					rt.Fatal(err)
				}
				files, err := filepath.Glob(filepath.Join(dir, "*.otlp"))
				if err != nil {
					rt.Fatal(err)
				}
				if torn := rapid.SliceOfN(rapid.Byte(), 0, 30).Draw(rt, "torn"); len(files) > 0 {
					f, err := os.OpenFile(slices.Max(files), os.O_APPEND|os.O_WRONLY, 0)
					if err != nil {
						rt.Fatal(err)
					}
					if _, err := f.Write(torn); err != nil {
						rt.Fatal(err)
					}
					if err := f.Close(); err != nil {
						rt.Fatal(err)
					}
				}
				if q, err = openQueue(dir, 200); err != nil {
					rt.Fatal(err)
				}
			}
			var bytes int64
			for _, body := range want {
				bytes += header + int64(len(body))
			}
			if q.bytes() != bytes {
				rt.Fatalf("%d bytes wait, want %d", q.bytes(), bytes)
			}
		}
		if err := q.close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// A file of any bytes opens, and what it gives was whole.
func FuzzQueue(f *testing.F) {
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00x"), "0 5")
	f.Fuzz(func(t *testing.T, file []byte, position string) {
		dir := t.TempDir()
		if os.WriteFile(filepath.Join(dir, "0000000000000000.otlp"), file, 0o644) != nil || os.WriteFile(filepath.Join(dir, "position"), []byte(position), 0o644) != nil {
			t.Skip()
		}
		q, err := openQueue(dir, 100)
		if err != nil {
			return
		}
		for range 1000 {
			b, err := q.take(1 << 20)
			if err != nil {
				q.dropOldest()
				continue
			}
			if len(b.entries) == 0 {
				break
			}
			q.done(&b)
		}
		if q.bytes() != 0 {
			t.Errorf("%d bytes stay", q.bytes())
		}
	})
}

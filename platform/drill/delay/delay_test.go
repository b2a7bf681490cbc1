package delay

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/stage"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/load/latency"
	"github.com/musterdev/muster/platform/supervise/guard"
)

// The test's program is its own guardian and its own services.
func TestMain(m *testing.M) {
	switch strings.Join(os.Args[1:], " ") {
	case "engine guardian":
		os.Exit(guard.Main(os.Stdin, os.Stdout))
	case "delay":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := Serve(ctx, os.LookupEnv, os.Stderr, muster.With(nats.Driver))
		stop()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A short run on real processes. How long things take is the machine's on which tests
// run; what is judged here is what does not depend on it: the calls, that nothing is
// lost, and which of two ways is the faster.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs a fleet of five processes for 10 s")
	}
	command, err := stage.Itself("delay")
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Command: command, For: 6 * time.Second, Delay: 100 * time.Millisecond, Bandwidth: 100_000, Rate: 26, Seed: 1, maxLag: time.Minute}
	found, err := cfg.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := cfg.filled().judge(found)
	for _, n := range r.Notes {
		t.Log(n)
	}
	for _, row := range r.Rows {
		t.Logf("%s: %s, wanted %s", row.What, row.Measured, row.Target)
		switch row.What {
		case "pages that failed", "nothing done: 10 look-ups, in round trips", "batching: calls a page",
			"events: notes that came, of those left", "ways proven clean", "the generator kept time":
			if !row.Held {
				t.Errorf("%s: %s, wanted %s", row.What, row.Measured, row.Target)
			}
		}
	}
	for winner, other := range map[string]string{
		oneByOne: newConnections, nearCache: oneByOne, atOnce: oneByOne, batched: oneByOne, sameZone: oneByOne,
		packed: plain, event: wait, farAll: nothing, nearAll: nothing,
	} {
		if w, o := found.of(winner).Response.P50, found.of(other).Response.P50; w <= 0 || w >= o {
			t.Errorf("%s took %s, and %s %s", winner, w, other, o)
		}
	}
	if n := found.calls[nearCache]; n < lookups || n > items {
		t.Errorf("%d calls for the cache: there are %d items", n, items)
	}
}

// good is what the drill is to find with a round trip of 40 ms.
func good() finding {
	f := finding{calls: map[string]int64{}, without: 5 * time.Millisecond, proofs: make([]fault.Proof, 2)}
	for name, ms := range map[string]int{
		oneByOne: 410, newConnections: 810, nearCache: 1, atOnce: 45, batched: 46, sameZone: 8,
		plain: 145, packed: 60, wait: 41, event: 3, nothing: 600, farAll: 70, nearAll: 8,
	} {
		h := latency.New()
		h.Record(time.Duration(ms) * time.Millisecond)
		f.result.Steps = append(f.result.Steps, load.Requests{Flow: name, Requests: 1, Response: h.Times()})
		f.result.OK++
		f.result.Offered++
	}
	f.calls[oneByOne], f.calls[atOnce], f.calls[batched], f.notes = 10, 10, 2, 3
	return f
}

// The verdict follows from what was measured, and each of its rows can be no.
func TestJudge(t *testing.T) {
	cfg := Config{}.filled()
	if r := cfg.judge(good()); !r.Held() {
		t.Fatal(r.Err())
	}
	slow := func(way string, ms int) func(*finding) {
		return func(f *finding) {
			for i := range f.result.Steps {
				if f.result.Steps[i].Flow == way {
					f.result.Steps[i].Response.P50 = time.Duration(ms) * time.Millisecond
				}
			}
		}
	}
	for what, worsen := range map[string]func(*finding){
		"pages that failed":       func(f *finding) { f.result.Failed++ },
		"nothing done":            slow(oneByOne, 100),
		"pooling":                 slow(newConnections, 500),
		"caching: 10":             slow(nearCache, 41),
		"caching: calls":          func(f *finding) { f.calls[nearCache] = 2 },
		"batching: 10":            slow(batched, 82),
		"batching: calls":         func(f *finding) { f.calls[batched] = 10 },
		"compression":             slow(packed, 100),
		"events: what":            slow(event, 41),
		"events: notes":           func(f *finding) { f.notes = 2 },
		"placement":               slow(sameZone, 60),
		"all but placement":       slow(farAll, 200),
		"all: ":                   slow(nearAll, 60),
		"without the delay":       func(f *finding) { f.without = 41 * time.Millisecond },
		"ways proven clean":       func(f *finding) { f.proofs = nil },
		"the generator kept time": func(f *finding) { f.result.Void = "late" },
	} {
		f := good()
		worsen(&f)
		no := 0
		for _, row := range cfg.judge(f).Rows {
			if !row.Held && strings.HasPrefix(row.What, what) {
				no++
			}
		}
		if no != 1 {
			t.Errorf("%s holds all the same", what)
		}
	}
	for _, row := range cfg.judge(finding{}).Rows {
		if row.Held && row.What != "the generator kept time" {
			t.Errorf("nobody came, and %s holds: %s", row.What, row.Measured)
		}
	}
}

func TestValidate(t *testing.T) {
	for want, cfg := range map[string]Config{
		"":                            {},
		"the delay must be 5ms":       {Delay: time.Millisecond},
		"to 500ms each way, not 1s":   {Delay: time.Second},
		"the bandwidth must be":       {Bandwidth: 1},
		"the rate must be 13/s to":    {Rate: 1},
		"500/s, not 600/s":            {Rate: 600},
		"bytes a second, not 2000000": {Bandwidth: 20_000_000},
	} {
		if err := cfg.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", cfg, err, want)
		}
	}
}

func TestTheDocumentIsWhatItSays(t *testing.T) {
	if d := document(); len(d) != size || d[0] != '[' {
		t.Errorf("%d bytes", len(d))
	}
}

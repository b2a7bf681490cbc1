package crash_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/musterdev/muster/crash"
)

func names(p *crash.Plan) (all []string) {
	for _, b := range p.Recorded() {
		all = append(all, b.Name())
	}
	return all
}

func TestBoundariesAreNamedByTheirNumberOfAKind(t *testing.T) {
	p := crash.New(nil)
	do := func(kind crash.Kind, what string) { _ = p.Do(kind, what, func() error { return nil }) }
	do(crash.Commit, "") // before counting began
	p.Record()
	do(crash.Statement, "UPDATE a")
	do(crash.Commit, "")
	do(crash.Statement, "UPDATE b")
	do(crash.Statement, "UPDATE a")
	do(crash.Write, "call")
	p.Disarm()
	do(crash.Commit, "")
	want := []string{"statement UPDATE a #1", "commit #1", "statement UPDATE b #1", "statement UPDATE a #2", "write call #1"}
	if got := names(p); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if last := p.Recorded()[4]; last.Index != 5 {
		t.Errorf("the last is %+v", last)
	}
	p.Record()
	do(crash.Commit, "")
	if got := names(p); !slices.Equal(got, []string{"commit #1"}) {
		t.Errorf("counted anew: %q", got)
	}
}

func TestACrashLetsNothingBeginAnyMore(t *testing.T) {
	for _, side := range []crash.Side{crash.Before, crash.After} {
		for _, at := range []string{"commit #2", "3"} {
			t.Run(string(side)+" "+at, func(t *testing.T) {
				struck := 0
				p := crash.New(func() { struck++ })
				if err := p.Arm(crash.Point{At: at, Side: side}); err != nil {
					t.Fatal(err)
				}
				var done []int
				var errs []error
				for i, kind := range []crash.Kind{crash.Commit, crash.Statement, crash.Commit, crash.Commit} {
					errs = append(errs, p.Do(kind, "", func() error { done = append(done, i); return nil }))
				}
				want := []int{0, 1}
				if side == crash.After {
					want = append(want, 2)
				}
				if !slices.Equal(done, want) || struck != 1 || errs[0] != nil || errs[1] != nil {
					t.Errorf("done %v, struck %d times, %v", done, struck, errs)
				}
				for _, err := range errs[2:] {
					if !errors.Is(err, crash.ErrCut) {
						t.Errorf("%v", err)
					}
				}
				if b, ok := p.Struck(); !ok || b.Name() != "commit #2" {
					t.Errorf("struck at %v, %t", b, ok)
				}
			})
		}
	}
}

// Who was in the middle of something when another crashed never learns how that ended.
func TestWhatHadBegunEndsUnseen(t *testing.T) {
	p := crash.New(nil)
	began, further := make(chan struct{}), make(chan struct{})
	var working sync.WaitGroup
	var err error
	working.Go(func() {
		err = p.Do(crash.Statement, "slow", func() error {
			close(began)
			<-further
			return nil
		})
	})
	<-began
	p.Cut()
	settled := make(chan struct{})
	go func() { p.Settle(); close(settled) }()
	select {
	case <-settled:
		t.Error("settled while a statement ran")
	default:
	}
	close(further)
	<-settled
	working.Wait()
	if !errors.Is(err, crash.ErrCut) {
		t.Errorf("its end was told: %v", err)
	}
}

func TestOnlyOneOfManyCrashes(t *testing.T) {
	var mu sync.Mutex
	struck := 0
	p := crash.New(func() { mu.Lock(); struck++; mu.Unlock() })
	if err := p.Arm(crash.Point{At: "50", Side: crash.After}); err != nil {
		t.Fatal(err)
	}
	var working sync.WaitGroup
	for range 8 {
		working.Go(func() {
			for range 100 {
				_ = p.Do(crash.Commit, "", func() error { return nil })
			}
		})
	}
	working.Wait()
	if b, ok := p.Struck(); struck != 1 || !ok || b.Index != 50 {
		t.Errorf("struck %d times, at %v", struck, b)
	}
}

func TestANilPlanDoesNothing(t *testing.T) {
	var p *crash.Plan
	p.Record()
	p.Disarm()
	p.Cut()
	p.Settle()
	called := false
	if err := p.Do(crash.Commit, "", func() error { called = true; return nil }); err != nil || !called {
		t.Errorf("%v, %t", err, called)
	}
	if _, struck := p.Struck(); struck || p.Recorded() != nil || p.Connector(nil) != nil || p.Listener(nil, "x") != nil || p.Broker(nil) != nil || p.Conn(nil, "x") != nil {
		t.Error("it does something")
	}
}

func TestPoints(t *testing.T) {
	for text, want := range map[string]string{
		"before commit #3": "", "after 17": "", " before statement UPDATE muster_saga #2 ": "", "after write answer http #1": "", "before rollback #1": "",
		"": "begin with before or after", "commit #3": "begin with before or after", "before": "names no boundary", "before 0": "names no boundary",
		"before commit": "names no boundary", "before commit #x": "names no boundary", "before commit #0": "names no boundary",
		"after read x #1": `of the kind "read"`, "after commit x #1": "has no name",
	} {
		p, err := crash.ParsePoint(text)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want == "":
			if again, err := crash.ParsePoint(p.String()); err != nil || again != p {
				t.Errorf("%q is read as %+v, and that as %+v, %v", text, p, again, err)
			}
		case err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if err := crash.New(nil).Arm(crash.Point{At: "x", Side: crash.After}); err == nil {
		t.Error("armed at nothing")
	}
}

func FuzzParsePoint(f *testing.F) {
	f.Add("before commit #3")
	f.Add("after statement UPDATE x #1")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := crash.ParsePoint(text)
		if err != nil {
			return
		}
		if again, err := crash.ParsePoint(p.String()); err != nil || again != p {
			t.Errorf("%q is %+v, and again %+v, %v", text, p, again, err)
		}
	})
}

func ExamplePlan() {
	ledger := 0
	book := func(_ context.Context, p *crash.Plan) error {
		return p.Do(crash.Commit, "", func() error { ledger += 10; return nil })
	}
	p := crash.New(func() { fmt.Println("the process is gone") })
	p.Record()
	_ = book(context.Background(), p)
	for _, b := range p.Recorded() {
		fmt.Println(b.Name())
	}
	at, _ := crash.ParsePoint("after commit #1")
	_ = p.Arm(at)
	fmt.Println(book(context.Background(), p))
	fmt.Println(ledger) // it happened, and nobody was told
	// Output:
	// commit #1
	// the process is gone
	// crash: this process is cut off at: after commit #1
	// 20
}

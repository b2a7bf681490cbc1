package admission_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
)

// tally is what became of the calls of one priority.
type tally struct {
	asked, ok, shed, late int
	took                  []time.Duration
}

// ask asks url for rate calls a second, whatever becomes of them, each with the same
// time to be answered from when it was to be made. It also returns the 99th percentile of
// how late calls were made.
func ask(url string, rate float64, lasting, timeout time.Duration) ([resilience.Priorities]tally, time.Duration) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2000}}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	var all sync.WaitGroup
	var tallies [resilience.Priorities]tally
	var lags []time.Duration
	begin := time.Now()
	for at := begin; at.Sub(begin) < lasting; at = at.Add(time.Duration(rand.ExpFloat64() / rate * float64(time.Second))) {
		time.Sleep(time.Until(at))
		lags = append(lags, time.Since(at))
		p := resilience.Normal
		switch x := rand.Float64(); {
		case x < 0.05:
			p = resilience.Critical
		case x < 0.2:
			p = resilience.High
		case x > 0.8:
			p = resilience.Low
		}
		all.Go(func() {
			ctx, cancel := context.WithDeadline(context.Background(), at.Add(timeout))
			defer cancel()
			r, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
			r.Header.Set(resilience.PriorityHeader, p.String())
			r.Header.Set(call.DeadlineHeader, strconv.FormatInt(max(1, time.Until(at.Add(timeout)).Milliseconds()), 10))
			res, err := client.Do(r)
			took := time.Since(at)
			mu.Lock()
			defer mu.Unlock()
			t := &tallies[p]
			t.asked++
			switch {
			case err != nil:
				t.late++
				return
			case res.StatusCode == http.StatusOK:
				t.ok++
				t.took = append(t.took, took)
			case res.Header.Get(resilience.ShedHeader) != "":
				t.shed++
			default:
				t.late++
			}
			res.Body.Close()
		})
	}
	all.Wait()
	slices.Sort(lags)
	for p := range tallies {
		slices.Sort(tallies[p].took)
	}
	return tallies, lags[len(lags)*99/100]
}

func at(sorted []time.Duration, share float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[int(share*float64(len(sorted)-1))].Round(time.Millisecond)
}

// A server that can do 800 calls a second is asked for three times as many. It takes
// 20 s, and a machine that has time: PROVE=true go test -run Overload ./call/admission
func TestOverload(t *testing.T) {
	if os.Getenv("PROVE") != "true" {
		t.Skip("takes 20 s and a quiet machine; PROVE=true runs it")
	}
	c, err := admission.New(admission.Config{Off: os.Getenv("OFF") == "true"})
	if err != nil {
		t.Fatal(err)
	}
	workers := make(chan struct{}, 8)
	var expired atomic.Int64
	server := httptest.NewServer(call.ReceiveDeadline(c.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		workers <- struct{}{} // deaf to the deadline, as much code is
		defer func() { <-workers }()
		if r.Context().Err() != nil {
			expired.Add(1)
		}
		time.Sleep(10 * time.Millisecond)
	}))))
	defer server.Close()
	for _, phase := range []struct {
		name            string
		load            float64
		lasting         time.Duration
		critical, total float64 // at least: of the critical calls; of what can be done
	}{
		{"before", 0.5, 3 * time.Second, 0.999, 0.45},
		{"overload", 3, 10 * time.Second, 0.999, 0.8},
		{"just after", 0.7, 2 * time.Second, 0.99, 0.6},
		{"after", 0.7, 3 * time.Second, 0.999, 0.6},
	} {
		expired.Store(0)
		tallies, lag := ask(server.URL, phase.load*800, phase.lasting, 500*time.Millisecond)
		sum := 0
		for p, q := range tallies {
			sum += q.ok
			t.Logf("%-10s %-8s %d of %d answered (%.4f), %d shed, %d late, p50 %s, p99 %s", phase.name, resilience.Priority(p),
				q.ok, q.asked, float64(q.ok)/float64(max(1, q.asked)), q.shed, q.late, at(q.took, 0.5), at(q.took, 0.99))
		}
		done := float64(sum) / phase.lasting.Seconds() / 800
		t.Logf("%-10s goodput %.2f of what can be done, %d begun after their deadline, calls were made %s late (p99), %+v", phase.name, done, expired.Load(), lag, c.Stats())
		critical := tallies[resilience.Critical]
		switch good := float64(critical.ok) / float64(max(1, critical.asked)); {
		case lag > 20*time.Millisecond:
			t.Logf("%s: void: the machine had no time to make the calls", phase.name)
		case good < phase.critical || done < phase.total || expired.Load() > 0:
			t.Errorf("%s: %.4f of the critical calls answered, %.2f of what can be done, %d begun after their deadline", phase.name, good, done, expired.Load())
		}
	}
}

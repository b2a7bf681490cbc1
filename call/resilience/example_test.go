package resilience_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// The policies of one target around a call of an existing program.
func ExampleTarget() {
	stock := resilience.NewTarget(resilience.Settings{
		Timeout:  2 * time.Second,
		Breaker:  &resilience.BreakerSettings{},
		Bulkhead: &resilience.BulkheadSettings{Max: 50},
	})
	attempts := 0
	err := stock.Do(context.Background(), true, func(context.Context) error {
		if attempts++; attempts == 1 {
			return problem.New(problem.Unavailable, "connection refused")
		}
		return nil
	})
	fmt.Println(attempts, err)
	// Output: 2 <nil>
}

func ExampleBudget() {
	var budget resilience.Budget
	now := time.Now()
	for range 1000 { // calls, of which each fails and would be repeated
		budget.Earn(now)
		budget.Spend(now)
	}
	fmt.Println(budget.Stats(now).Spent)
	// Output: 110
}

func ExampleBreaker() {
	breaker := resilience.NewBreaker(resilience.BreakerSettings{MinCalls: 2})
	now := time.Now()
	for range 3 {
		permit, err := breaker.Allow(now)
		if err != nil {
			fmt.Println(err)
			return
		}
		permit.Done(now, true) // it failed
	}
	// Output: unavailable: the breaker is open: too many of the latest calls failed
}

func ExampleBulkhead() {
	reports := resilience.NewBulkhead(resilience.BulkheadSettings{Max: 1})
	fmt.Println(reports.Acquire(context.Background()))
	fmt.Println(errors.Is(reports.Acquire(context.Background()), resilience.ErrFull))
	reports.Release()
	// Output:
	// <nil>
	// true
}

// A read over plain net/http whose second attempt starts when the first is slower than
// usual, within the target's budget.
func ExampleRace() {
	requests := make(chan int, 2)
	requests <- 1
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-requests: // the first request hangs
			<-r.Context().Done()
		default:
			fmt.Fprint(w, "42 in stock")
		}
	}))
	defer server.Close()

	var budget resilience.Budget
	hedge := resilience.NewHedge(resilience.HedgeSettings{After: 20 * time.Millisecond})
	after, ok := hedge.Delay(true)
	if !ok {
		after = -1
	}
	budget.Earn(time.Now())
	race := resilience.Race[*http.Response]{
		After: after, Another: func() bool { return budget.Spend(time.Now()) }, Discard: func(r *http.Response) { _ = r.Body.Close() },
	}
	response, won, err := race.Do(context.Background(), func(ctx context.Context, _ bool) (*http.Response, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		if err != nil {
			return nil, err
		}
		return http.DefaultClient.Do(request)
	})
	defer won.Release()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body)
	fmt.Println(string(body), won.Second)
	// Output: 42 in stock true
}

func ExampleFallback() {
	prices := &resilience.Fallback[int]{LastGood: time.Hour}
	ask := func(price int, err error) {
		answer, err := prices.Do(context.Background(), "tea", func(context.Context) (int, error) { return price, err })
		fmt.Println(answer.Value, answer.From, answer.Degraded(), err)
	}
	ask(250, nil)
	ask(0, problem.New(problem.Unavailable, "pricing is down"))
	// Output:
	// 250 answer false <nil>
	// 250 last good true <nil>
}

package balancetest_test

import (
	"fmt"
	"time"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/balance/balancetest"
)

func Example() {
	setting := balancetest.Setting{Seed: 1, Slow: 1, For: 5 * time.Second}
	turns := balancetest.Run(setting, balancetest.Balanced(balance.Config{Policy: balance.RoundRobin}))
	ewma := balancetest.Run(setting, balancetest.Balanced(balance.Config{}))
	fmt.Println("better than taking turns:", ewma.P99 < turns.P99)
	// Output: better than taking turns: true
}

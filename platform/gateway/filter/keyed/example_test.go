package keyed_test

import (
	"fmt"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter/keyed"
)

// What is kept for each key is any type that says when it may be forgotten.
func ExampleTable() {
	table := keyed.NewTable[count](1000)
	for _, who := range []string{"a", "b", "a"} {
		part, c, _ := table.Lock([]byte(who), time.Now())
		c.n++
		part.Unlock()
	}
	for key, c := range table.Each() {
		if c.n > 1 {
			fmt.Println(key, c.n)
		}
	}
	// Output: a 2
}

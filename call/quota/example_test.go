package quota_test

import (
	"fmt"
	"time"

	"github.com/musterdev/muster/call/quota"
)

// A bucket alone, for whatever is to come no more often than so.
func ExampleBucket_Allow() {
	var mails quota.Bucket
	rate := quota.Rate{Count: 10, Per: time.Minute, Burst: 2}
	now := time.Unix(0, 0)
	for range 3 {
		fmt.Println(mails.Allow(now, rate, 1))
	}
	// Output:
	// true 0s
	// true 0s
	// false 6s
}

// A keeper at the door of a server that is told who calls.
func ExampleKeeper_Admit() {
	var door quota.Keeper
	door.Set(quota.Limits{
		Default: quota.Rate{Count: 500, Per: time.Second},
		From:    map[string]quota.Rate{"reports": {Count: 1, Per: time.Second}},
	}, 1)
	now := time.Unix(0, 0)
	fmt.Println(door.Admit(now, "orders"), door.Admit(now, "reports"))
	fmt.Println(door.Admit(now, "reports"))
	// Output:
	// <nil> <nil>
	// reports asks for more than 1/s
}

func ExampleRate_UnmarshalText() {
	var r quota.Rate
	err := r.UnmarshalText([]byte("50/s burst 100"))
	fmt.Println(r.Count, r.Per, r.Burst, err)
	// Output: 50 1s 100 <nil>
}

package guard_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/musterdev/muster/webhook/guard"
)

// A URL that a user gave is fetched without letting the user look around inside.
func Example() {
	client := &http.Client{Transport: &http.Transport{DialContext: guard.Guard{}.DialContext}}
	_, err := client.Get("http://169.254.169.254/latest/meta-data")
	fmt.Println(errors.Is(err, guard.ErrRefused))
	// Output: true
}

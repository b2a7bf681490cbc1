//go:build unix

package guard_test

import (
	"fmt"
	"os"

	"github.com/musterdev/muster/platform/supervise/guard"
	"github.com/musterdev/muster/platform/supervise/internal/testchild"
)

func ExampleStart() {
	program, err := os.Executable() // calls guard.Main when asked to be the guardian
	if err != nil {
		fmt.Println(err)
		return
	}
	g, err := guard.Start(guard.Config{Command: []string{program}, Env: testchild.Env(testchild.Guardian)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("watching:", g.PID() > 0)
	g.Close()
	// Output: watching: true
}

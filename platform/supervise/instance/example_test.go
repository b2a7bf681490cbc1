//go:build unix

package instance_test

import (
	"context"
	"fmt"
	"os"

	"github.com/musterdev/muster/platform/supervise/instance"
	"github.com/musterdev/muster/platform/supervise/logs"
	"github.com/musterdev/muster/platform/supervise/probe"
	"github.com/musterdev/muster/platform/supervise/process"
)

// nobody guards nothing; outside of examples there is a *guard.Guard.
type nobody struct{}

func (nobody) Add(int)    {}
func (nobody) Remove(int) {}

func ExampleStart() {
	dir, err := os.MkdirTemp("", "logs")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	book, err := logs.NewBook(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	log, err := book.Open("worker", "worker-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	starter := process.NewStarter(nobody{})
	defer starter.Close()
	i := instance.Start(instance.Config{
		ID: "worker-1", Service: "worker", Trial: true, Starter: starter, Log: log,
		Spec:  process.Spec{Argv: []string{"sh", "-c", "echo cannot reach the queue; exit 3"}},
		Ready: instance.Probe{Target: probe.Target{Kind: probe.TCP, Address: "127.0.0.1:1"}},
	})
	err = i.Await(context.Background())
	if failure, ok := err.(*instance.Failure); ok { //nolint:errorlint // an example of what it is
		fmt.Println(failure.Service, failure.What)
		fmt.Println(failure.Details())
	}
	<-i.Done()
	// Output:
	// worker exited with code 3 before it was ready
	// [cannot reach the queue]
}

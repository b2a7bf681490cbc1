//go:build unix

package supervise

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/supervise/event"
	"github.com/musterdev/muster/platform/supervise/internal/testchild"
)

func ExampleSupervisor() {
	dir, err := os.MkdirTemp("", "fleet")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "muster.yaml")
	text := "fleet: example\nservices:\n  worker: {run: sleep 1000, ready: none, replicas: 2}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	f, err := fleet.Load(file, fleet.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := New(Config{
		Fleet: f, Guardian: []string{executable()}, Env: testchild.Env(testchild.Guardian), // in muster: its hidden verb
		Events: func(e event.Event) {
			if e.Kind == event.FleetReady {
				fmt.Println(e.Kind)
				cancel() // as Ctrl-C does
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Run(ctx); err != nil {
		fmt.Println(event.Explain(err))
	}
	fmt.Println(s.Status().Phase)
	// Output:
	// fleet ready
	// stopping
}

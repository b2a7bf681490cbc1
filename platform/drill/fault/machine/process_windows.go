package machine

import "github.com/musterdev/muster/platform/drill/fault"

func (p process) watch() (end func(), err error) { return nil, p.none() }

func (p process) stop() error   { return p.none() }
func (p process) resume() error { return p.none() }
func (p process) kill() error   { return p.none() }

func (p process) none() error {
	return &fault.NotRun{Fault: "process fault", Reason: "this system has no signals; run the drill on Linux"}
}

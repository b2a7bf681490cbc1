package instance

import (
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/supervise/event"
)

// Status is what there is to know of an instance at one moment.
type Status struct {
	ID       string    `json:"id"`
	Service  string    `json:"service"`
	Phase    Phase     `json:"phase"`
	Since    time.Time `json:"since"`              // when the phase began
	PID      int       `json:"pid,omitempty"`      // of the living process
	Port     int       `json:"port,omitempty"`     // HTTP, or what the service speaks over TCP
	TCP      bool      `json:"tcp,omitempty"`      // it speaks no HTTP at Port
	GRPCPort int       `json:"grpcPort,omitempty"` // gRPC
	Version  string    `json:"version,omitempty"`
	Zone     string    `json:"zone,omitempty"`
	Restarts int       `json:"restarts"`             // lives after the first
	LastExit string    `json:"lastExit,omitempty"`   // how the life before ended
	Probe    string    `json:"probe,omitempty"`      // what the last probe brought
	Lease    string    `json:"lease,omitempty"`      // who renews it: "self" or "supervisor"
	LeaseErr string    `json:"leaseError,omitempty"` // why it cannot be renewed
	Log      string    `json:"log"`                  // file
	Uptime   Seconds   `json:"uptime"`               // of the present life
}

// Seconds is a duration that is written in JSON as a number of seconds.
type Seconds float64

// Holders of a lease.
const (
	heldByProgram    = discovery.HolderSelf
	heldBySupervisor = discovery.HolderSupervisor
)

// Status returns the instance's status.
func (i *Instance) Status() Status {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := Status{
		ID: i.cfg.ID, Service: i.cfg.Service, Phase: i.state.Phase, Since: i.state.Since,
		Port: mainPort(i.cfg.Record), GRPCPort: portOf(i.cfg.Record, discovery.GRPC),
		TCP:     i.cfg.Record.Endpoints[discovery.TCP] != "",
		Version: i.cfg.Record.Version, Zone: i.cfg.Record.Zone,
		Restarts: max(0, i.state.Life-1), LastExit: brief(i.lastExit), Probe: i.probe,
		LeaseErr: i.leaseErr, Log: i.cfg.Log.Path(),
	}
	if i.proc != nil && s.Phase != Backoff && !s.Phase.Final() {
		s.PID, s.Uptime = i.proc.PID(), Seconds(time.Since(i.state.Began).Seconds())
	}
	if !i.state.ReadyAt.IsZero() && i.registered() {
		s.Lease = heldBySupervisor
		if i.lease {
			s.Lease = heldByProgram
		}
	}
	return s
}

func (i *Instance) registered() bool { return i.cfg.Registry != nil && !i.cfg.Engine }

// mainPort returns PORT, whatever is spoken there.
func mainPort(in discovery.Instance) int {
	return cmp.Or(portOf(in, discovery.HTTP), portOf(in, discovery.TCP))
}

func portOf(in discovery.Instance, endpoint string) int {
	_, port, _ := net.SplitHostPort(in.Endpoints[endpoint]) // no such endpoint: 0
	n, _ := strconv.Atoi(port)
	return n
}

// Failure says why an instance did not come to life. Its Error is one line.
type Failure struct {
	Kind     string   // "service" or "engine"
	Service  string   // its name
	Instance string   // its id
	What     string   // completes the sentence: "exited with code 3 before it was ready"
	Probe    string   // what the last probe brought; "" if none was answered
	Lines    []string // the last it printed, at most 50
}

// Error says in one line who failed, how, and what the last probe brought.
func (f *Failure) Error() string {
	text := fmt.Sprintf("%s %q (%s) %s", f.Kind, f.Service, f.Instance, f.What)
	if f.Probe != "" {
		text += "; last probe: " + f.Probe
	}
	return text
}

// Details returns what the program printed last.
func (f *Failure) Details() []string {
	if len(f.Lines) == 0 {
		return []string{"(it printed nothing)"}
	}
	return f.Lines
}

// failed describes the death that ended the trial.
func (i *Instance) failed(before State) *Failure {
	f := &Failure{Kind: "service", Service: i.cfg.Service, Instance: i.cfg.ID, Probe: i.probe, Lines: i.cfg.Log.Last()}
	if i.cfg.Engine {
		f.Kind = "engine"
	}
	f.What = i.lastExit
	switch {
	case i.proc == nil: // never started: it speaks for itself
	case !before.ReadyAt.IsZero():
		f.What += fmt.Sprintf(" after it had been ready for %v", time.Since(before.ReadyAt).Round(time.Millisecond))
		f.Probe = ""
	case before.Overdue == "":
		f.What += " before it was ready"
	}
	return f
}

// unregistered describes an instance that is ready but that nobody can find.
func (i *Instance) unregistered() *Failure {
	i.mu.Lock()
	defer i.mu.Unlock()
	f := &Failure{Kind: "service", Service: i.cfg.Service, Instance: i.cfg.ID, Lines: i.cfg.Log.Last()}
	f.What = fmt.Sprintf("is ready, but was not registered within %v: %s", i.cfg.Timing.Register, i.leaseErr)
	return f
}

// brief turns the end of a sentence, "was killed by a signal", into what stands by
// itself, "killed by a signal".
func brief(what string) string { return strings.TrimPrefix(what, "was ") }

// wake tells those who wait that something changed; the lock is held.
func (i *Instance) wake() {
	close(i.changed)
	i.changed = make(chan struct{})
}

// become takes on a new state and tells the world what is new about it.
func (i *Instance) become(before, after State) {
	i.mu.Lock()
	i.state = after
	if after.Phase == Failed {
		i.failure = i.failed(before)
	}
	i.wake()
	lastExit, lastProbe := i.lastExit, i.probe
	i.mu.Unlock()

	if before.Phase == after.Phase && before.Life == after.Life {
		return
	}
	lived := !before.Phase.Final() && before.Phase != Backoff
	if lived && (after.Phase == Backoff || after.Phase == Failed || after.Life != before.Life) {
		i.emit(event.Event{Kind: event.Died, Detail: brief(lastExit)})
	}
	switch after.Phase {
	case Ready:
		e := event.Event{Kind: event.Ready}
		if before.Phase == Starting {
			e.After = after.ReadyAt.Sub(after.Began)
		}
		i.emit(e)
	case Unready:
		i.emit(event.Event{Kind: event.Unready, Detail: lastProbe})
	case Backoff:
		i.emit(event.Event{Kind: event.Backoff, After: after.Wake.Sub(after.Since)})
	case Draining:
		i.emit(event.Event{Kind: event.Draining})
	case Stopped:
		e := event.Event{Kind: event.Stopped, Detail: before.Overdue}
		if before.Phase == Stopping {
			e.After = after.Since.Sub(before.Since)
		}
		i.emit(e)
	}
}

// emit sends an event with the instance's name on it.
func (i *Instance) emit(e event.Event) {
	if i.cfg.Events == nil {
		return
	}
	e.Time, e.Service, e.Instance = time.Now(), i.cfg.Service, i.cfg.ID
	e.Port = mainPort(i.cfg.Record)
	i.cfg.Events(e)
}

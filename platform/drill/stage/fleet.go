package stage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/call/policy"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/local"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/instance"
)

// Services are the stages of a fleet.
type Services []Spec

// Spec is one service of a fleet.
type Spec struct {
	Name     string
	Replicas int // 0 means 1
	Config   Config
	Routes   []string       // path prefixes at the edge; none: the edge does not know it
	Calls    policy.Service // how it is called
	More     map[string]any // further keys of the service in muster.yaml, such as its zone
}

// Fleet is stages that run.
type Fleet struct {
	URL     string // of the edge
	Control string // of the registry
	Dir     string // holds muster.yaml and the folder .muster

	local *local.Fleet
	end   context.CancelFunc // of its life
	http  http.Client
}

// Command is how an instance of a stage is started.
type Command struct {
	Argv   []string // a program, and what makes it call [Run]
	Single bool     // engines in this process, not by this program: see [local.Config]
	// Before stands before the registry, and wants Single: see [local.Config].
	Before func(registry http.Handler) http.Handler
}

// Itself is this program with a verb that calls [Run].
func Itself(verb string) (Command, error) {
	exe, err := os.Executable()
	return Command{Argv: []string{exe, verb}}, err
}

// Start runs services in a temporary folder and returns when all are ready. Close ends
// them. Engines listen on free ports, and the services send no telemetry: what a drill
// measures is calls.
func Start(ctx context.Context, services Services, command Command) (*Fleet, error) {
	dir, err := os.MkdirTemp("", "muster-drill-")
	if err != nil {
		return nil, err
	}
	f := &Fleet{Dir: dir}
	f.http.Transport = &http.Transport{DisableKeepAlives: true} // a kept connection holds up the end of an instance
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // what ends ctx ends the load first, the fleet then
	f.end = end
	starting := context.AfterFunc(ctx, end)
	declared, err := f.declare(services, command)
	if err == nil {
		f.local, err = local.Start(life, local.Config{Fleet: declared, Dir: dir, Single: command.Single, Before: command.Before})
	}
	if err != nil {
		end()
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if !starting() {
		return nil, errors.Join(ctx.Err(), f.Close())
	}
	f.URL, f.Control = f.local.EdgeURL, f.local.ControlURL
	return f, nil
}

// Close ends the fleet and removes its folder.
func (f *Fleet) Close() error {
	defer f.end()
	return errors.Join(f.local.Stop(), os.RemoveAll(f.Dir))
}

// declare writes muster.yaml and reads it, so that a drill's fleet is one like any other.
func (f *Fleet) declare(services Services, command Command) (*fleet.Fleet, error) {
	all := map[string]any{}
	for _, s := range services {
		env := s.Config.Environment()
		env["OTEL_SDK_DISABLED"] = "true"
		one := map[string]any{"run": command.Argv, "replicas": cmp.Or(s.Replicas, 1), "env": env}
		maps.Copy(one, s.More)
		if len(s.Routes) > 0 {
			one["route"] = s.Routes
		}
		all[s.Name] = one
	}
	text, err := json.MarshalIndent(map[string]any{"fleet": "drill", "services": all}, "", "  ") // which is YAML
	if err != nil {
		return nil, err
	}
	file := filepath.Join(f.Dir, "muster.yaml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return nil, err
	}
	declared, err := fleet.Load(file, fleet.Options{Env: anyPort})
	if err != nil {
		return nil, err
	}
	for i := range declared.Services {
		for _, s := range services {
			if s.Name == declared.Services[i].Name {
				declared.Services[i].Calls = s.Calls
			}
		}
	}
	return declared, nil
}

// anyPort is the environment, but engines whose port it does not say take a free one.
func anyPort(name string) (string, bool) {
	v, ok := os.LookupEnv(name)
	if engine := strings.HasPrefix(name, "MUSTER_") && strings.HasSuffix(name, "_PORT"); engine && !ok {
		return "0", true
	}
	return v, ok
}

// AccessLog is the file in which the edge notes each request.
func (f *Fleet) AccessLog() string {
	return filepath.Join(f.Dir, supervise.Folder, "logs", "access.log")
}

// Processes returns the engines and instances that run, with the processes they are.
func (f *Fleet) Processes() []instance.Status {
	now := f.local.Status()
	all := now.Engines
	for _, s := range now.Services {
		all = append(all, s.Instances...)
	}
	return all
}

// Addresses returns where the instances of a service serve, in the order of their start.
func (f *Fleet) Addresses(service string) []string {
	var list []string
	for _, s := range f.local.Status().Services {
		for _, i := range s.Instances {
			if s.Name == service {
				list = append(list, "127.0.0.1:"+strconv.Itoa(i.Port))
			}
		}
	}
	return list
}

// Counts returns the sum of what the instances of a service did.
func (f *Fleet) Counts(ctx context.Context, service string) (Counts, error) {
	var sum Counts
	for _, at := range f.Addresses(service) {
		one, err := f.ask(ctx, http.MethodGet, at, nil)
		if err != nil {
			return sum, fmt.Errorf("ask %s what it did: %w", service, err)
		}
		sum = one.Add(sum)
	}
	return sum, nil
}

// SetSpeed changes how fast an instance works; addr is one of [Fleet.Addresses].
func (f *Fleet) SetSpeed(ctx context.Context, addr string, speed float64) error {
	got, err := f.ask(ctx, http.MethodPost, addr, map[string]float64{"speed": speed})
	if err == nil && got.Speed != speed {
		err = fmt.Errorf("its speed is %g", got.Speed)
	}
	if err != nil {
		return fmt.Errorf("set the speed of the instance at %s to %g: %w", addr, speed, err)
	}
	return nil
}

// askWithin bounds a question: it is asked while the instance has more to do than it can.
const askWithin = 5 * time.Second

func (f *Fleet) ask(ctx context.Context, method, addr string, told any) (c Counts, err error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	body, err := json.Marshal(told)
	if err != nil {
		return c, err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+addr+Path, bytes.NewReader(body))
	if err != nil {
		return c, err
	}
	res, err := f.http.Do(r)
	if err != nil {
		return c, err
	}
	defer func() { _ = res.Body.Close() }() // it was read
	if res.StatusCode != http.StatusOK {
		return c, fmt.Errorf("it answers %s", res.Status)
	}
	return c, json.NewDecoder(io.LimitReader(res.Body, 1<<16)).Decode(&c)
}

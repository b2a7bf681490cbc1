package traces

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/musterdev/muster/bench/figures"
	"github.com/musterdev/muster/bench/host"
)

// shopping is how long shoppers come in each half of a round.
const shopping = 20 * time.Second

// Cost measures what telemetry costs the shop.
func Cost(ctx context.Context, binary string, rounds int) (*figures.Result, error) {
	r := &figures.Result{
		Name: "bench-cost", Title: "What telemetry costs the shop (`make bench-telemetry`)",
		Method: fmt.Sprintf("`muster demo --for %s --exit --shoppers 32`, with telemetry and with OTEL_SDK_DISABLED=true, in turn, each pair with one seed. "+
			"CPU is that of all its processes from start to end, by the kernel's account of those that ended: services, edge, broker, control with its store, and "+
			"the shoppers too, who are in the demo's process. Shares are of one round's pair.", shopping),
	}
	share := func(what string) *figures.Figure {
		return r.Add(&figures.Figure{What: what + ", with telemetry as a share of without", Target: ">= 0.9", Holds: func(v float64) bool { return v >= 0.9 }})
	}
	efficiency, throughput := share("requests a CPU second"), share("requests")
	var perCPU, requests, p99 [2]*figures.Figure
	halves := [2]string{"without telemetry", "with telemetry"}
	for i, name := range halves {
		perCPU[i] = r.Report("requests a CPU second, "+name, "")
		requests[i] = r.Report("requests a second, "+name, "")
		p99[i] = r.Report("p99 of a request, "+name, "ms")
	}
	for round := range rounds {
		var seen [2]shopped
		for turn := range 2 {
			half := (round + turn) % 2 // none always has the warmer machine
			var err error
			if seen[half], err = shop(ctx, binary, round+1, half == 1); err != nil {
				return nil, fmt.Errorf("%s: %w", halves[half], err)
			}
		}
		for i, s := range seen {
			perCPU[i].Put(s.perCPU())
			requests[i].Put(float64(s.Requests) / shopping.Seconds())
			p99[i].Put(s.P99)
		}
		efficiency.Put(seen[1].perCPU() / seen[0].perCPU())
		throughput.Put(float64(seen[1].Requests) / float64(seen[0].Requests))
		printCost(seen)
	}
	return r, nil
}

// shopped is what a demo says at its end, and what it used.
type shopped struct {
	Requests int     `json:"requests"`
	P99      float64 `json:"p99_ms"`
	Held     bool    `json:"held"`

	cpu  time.Duration
	each map[string]time.Duration // by process, as last seen while they ran
}

func (s shopped) perCPU() float64 { return float64(s.Requests) / s.cpu.Seconds() }

func shop(ctx context.Context, binary string, seed int, telemetry bool) (s shopped, err error) {
	cmd := exec.CommandContext(ctx, binary, "demo", "--for", shopping.String(), "--exit", "--shoppers", "32", "--seed", fmt.Sprint(seed), "--json")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	cmd.Env = append(os.Environ(), fmt.Sprint("OTEL_SDK_DISABLED=", !telemetry))
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Start(); err != nil {
		return s, err
	}
	ended, watched := make(chan struct{}), make(chan map[string]time.Duration, 1)
	go func() { watched <- watch(cmd.Process.Pid, ended) }()
	err = cmd.Wait()
	close(ended)
	s.each = <-watched
	if err != nil {
		return s, fmt.Errorf("%w\n%s", err, said.Bytes())
	}
	// what wait4(2) tells includes the children that the process has waited for
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if err := json.Unmarshal(out.Bytes(), &s); err != nil || s.Requests == 0 {
		return s, fmt.Errorf("the demo printed %q: %w", out.Bytes(), err)
	}
	return s, nil
}

// watch returns what each process below one was last seen to have used.
func watch(pid int, ended <-chan struct{}) map[string]time.Duration {
	last := map[int]host.Process{}
	for {
		select {
		case <-time.After(time.Second):
		case <-ended:
			sum := map[string]time.Duration{}
			for _, p := range last {
				sum[role(p)] += p.CPU
			}
			return sum
		}
		processes, _ := host.Tree(pid) // it may be about to end
		for _, p := range processes {
			last[p.PID] = p
		}
	}
}

// role is what a process of the demo is for.
func role(p host.Process) string {
	words := strings.Fields(p.Args)
	for i, w := range words[:max(0, len(words)-1)] {
		if w == "engine" || w == "shop" {
			return words[i+1]
		}
	}
	if len(words) > 0 && strings.HasSuffix(words[0], "node") {
		return "notify"
	}
	return "supervisor and shoppers"
}

// printCost tells, on standard error, where the CPU went.
func printCost(seen [2]shopped) {
	fmt.Fprintf(os.Stderr, "%-24s %10s %10s  CPU µs a request\n", "", "without", "with")
	micros := func(s shopped, d time.Duration) float64 { return float64(d.Microseconds()) / float64(s.Requests) }
	roles := maps.Clone(seen[0].each)
	maps.Copy(roles, seen[1].each)
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		fmt.Fprintf(os.Stderr, "%-24s %10.0f %10.0f\n", role, micros(seen[0], seen[0].each[role]), micros(seen[1], seen[1].each[role]))
	}
	fmt.Fprintf(os.Stderr, "%-24s %10.0f %10.0f\n", "all, to the end", micros(seen[0], seen[0].cpu), micros(seen[1], seen[1].cpu))
}

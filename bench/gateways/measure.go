package gateways

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/bench/figures"
)

// quiet is what other programs may use, of one processor, for figures to be believed.
const quiet = 0.05

// Rows names what [Measure] can be asked for, besides "": all of it.
func Rows() []string {
	names := []string{"memory"}
	for _, of := range settings() {
		names = append(names, of.name)
	}
	return names
}

// Measure returns what measures the rows named, separated by commas.
func Measure(rows string) func(context.Context, string, int) (*figures.Result, error) {
	return func(ctx context.Context, binary string, rounds int) (r *figures.Result, err error) {
		wanted := Rows()
		if rows != "" {
			wanted = strings.Split(rows, ",")
		}
		for _, one := range wanted {
			if !slices.Contains(Rows(), one) {
				return nil, fmt.Errorf("%q is no row: there are %s", one, strings.Join(Rows(), ", "))
			}
		}
		w := &world{}
		if w.binary, err = absolute(binary); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, w.close()) }()
		if err := w.open(ctx); err != nil {
			return nil, err
		}
		return w.measure(ctx, wanted, rounds)
	}
}

func (w *world) measure(ctx context.Context, wanted []string, rounds int) (*figures.Result, error) {
	r := &figures.Result{
		Name: "bench-gateway", Title: "The edge beside other proxies (`make bench-gateway`)",
		Method: fmt.Sprintf("One proxy at a time as one process with one thread (GOMAXPROCS=1, nbthread 1, worker_processes 1) on processor %s; wrk with %d connections "+
			"for %s and an nginx with the files as the upstream on processor %s; %d rounds, the proxies one after the other in each. CPU is user and system of the proxy's "+
			"processes, by /proc. Before each run a body is compared with its file, the X-Forwarded fields with what they must be, and bad tokens must be answered 401. "+
			"The proxies' configurations are in `bench/gateways/conf`.", proxyCore, connections, measured, loadCore, rounds),
	}
	others := &figures.Figure{
		What: "what other programs used meanwhile, of one processor: median of all runs", Unit: "", Target: fmt.Sprintf("<= %g", quiet),
		Holds: func(v float64) bool { return v <= quiet },
	}
	starts := r.Putter("")
	for _, of := range settings() {
		if !slices.Contains(wanted, of.name) {
			continue
		}
		runs, err := w.rounds(ctx, of, rounds)
		if err != nil {
			return nil, err
		}
		for _, s := range runs {
			others.Put(s.others)
		}
		ratio(r, of, runs)
		if of.name == "plain" {
			put := starts("start to the first 200", "ms", "< 50", func(v float64) bool { return v < 50 })
			for _, s := range only(runs, muster) {
				put(s.start.Seconds() * 1000)
			}
		}
		r.Beside += table(of, w.peers(of), runs) + "\n"
	}
	if slices.Contains(wanted, "memory") {
		if err := w.memory(ctx, r, rounds); err != nil {
			return nil, err
		}
	}
	if len(others.Values) > 0 {
		r.Add(others)
		if !others.Holds(others.Median()) {
			r.Title += ": the machine was not quiet"
		}
	}
	for _, m := range w.missing {
		r.Beside += m + "\n"
	}
	return r, nil
}

// rounds runs all peers of a work, one after the other, again and again.
func (w *world) rounds(ctx context.Context, of work, rounds int) (runs []seen, err error) {
	for n := range rounds {
		for _, peer := range w.peers(of) {
			s, err := w.load(ctx, peer, of)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", of.title, n+1, err)
			}
			fmt.Fprintf(os.Stderr, "%-8s %-9s %6.2f s/100k (%.2f user) %8.0f req/s p99 %-9s busy %.2f others %.2f\n",
				of.name, peer, s.cpu, s.user, s.rate, s.p99, s.busy, s.others)
			runs = append(runs, s)
		}
	}
	return runs, nil
}

// ratio adds what the edge costs of what HAProxy does, round by round.
func ratio(r *figures.Result, of work, runs []seen) {
	f := &figures.Figure{What: of.title + ": CPU of HAProxy's", Target: "reported"}
	switch most := map[string]float64{"plain": 1.15, "full": 0.40}[of.name]; most {
	case 0:
	default:
		f.Target, f.Holds = fmt.Sprintf("<= %.2f", most), func(v float64) bool { return v <= most }
	}
	ours, theirs := only(runs, muster), only(runs, haproxy)
	for i := range min(len(ours), len(theirs)) {
		f.Put(ours[i].cpu / theirs[i].cpu)
	}
	r.Add(f)
}

func only(runs []seen, peer string) (list []seen) {
	for _, s := range runs {
		if s.peer == peer {
			list = append(list, s)
		}
	}
	return list
}

// table is the peers beside each other, medians with the range of what matters most.
func table(of work, peers []string, runs []seen) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| %s | CPU s for 100k requests | of that user | requests a second | p50 | p99 | its processor busy | memory (PSS) |\n|---|---|---|---|---|---|---|---|\n", of.title)
	for _, peer := range peers {
		list := only(runs, peer)
		cpu := values(list, func(s seen) float64 { return s.cpu })
		mid := func(f func(seen) float64) float64 { return median(values(list, f)) }
		fmt.Fprintf(&b, "| %s | %.2f (%.2f - %.2f) | %.2f | %.0f | %s | %s | %.0f %% | %.1f MB |\n", peer, median(cpu), slices.Min(cpu), slices.Max(cpu),
			mid(func(s seen) float64 { return s.user }), mid(func(s seen) float64 { return s.rate }),
			time.Duration(mid(func(s seen) float64 { return float64(s.p50) })).Round(10*time.Microsecond),
			time.Duration(mid(func(s seen) float64 { return float64(s.p99) })).Round(10*time.Microsecond),
			100*mid(func(s seen) float64 { return s.busy }), mid(func(s seen) float64 { return float64(s.privateUse) / 1e6 }))
	}
	return b.String()
}

func values(list []seen, f func(seen) float64) (v []float64) {
	for _, s := range list {
		v = append(v, f(s))
	}
	return v
}

func median(v []float64) float64 { return (&figures.Figure{Values: v}).Median() }

// memory adds what idle connections and routes cost.
func (w *world) memory(ctx context.Context, r *figures.Result, rounds int) error {
	own := r.Add(&figures.Figure{
		What: fmt.Sprintf("an idle connection, of %d", idle), Unit: "KiB", Target: "<= 6", Holds: func(v float64) bool { return v <= 6 },
	})
	for range rounds {
		bytes, err := w.idleConnection(ctx, muster)
		if err != nil {
			return fmt.Errorf("%s: %w", muster, err)
		}
		own.Put(bytes / 1024)
	}
	var beside []string
	for _, peer := range w.peers(work{}) {
		if peer == muster {
			continue
		}
		bytes, err := w.idleConnection(ctx, peer)
		if err != nil {
			return fmt.Errorf("%s: %w", peer, err)
		}
		beside = append(beside, fmt.Sprintf("%s %.1f KiB", peer, bytes/1024))
	}
	r.Beside += "An idle connection at the others, once each: " + strings.Join(beside, ", ") + ".\n\n"
	more := r.Add(&figures.Figure{
		What: fmt.Sprintf("%d routes more", ways), Unit: "MB", Target: "<= 15", Holds: func(v float64) bool { return v <= 15 },
	})
	for range rounds {
		bytes, err := w.routes(ctx)
		if err != nil {
			return err
		}
		more.Put(bytes / 1e6)
	}
	return nil
}

func absolute(binary string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(binary, "/") {
		binary = dir + "/" + binary
	}
	_, err = os.Stat(binary)
	return binary, cmp.Or(err)
}

package reload

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/fleet"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/local"
)

// Config says how the drill is held. Only Command is needed.
type Config struct {
	Command []string      // what runs [Serve], and whose first word is the muster binary
	For     time.Duration // how long the edge is told other things; 0 means 60 s
	Streams int           // that are open; 0 means 2,000
	Reloads int           // 0 means 1,000 in 60 s, in proportion
	Rate    load.Rate     // of requests; 0 means 300/s
	Seed    uint64        // of documents and arrivals; 0: any
}

func (cfg Config) filled() Config {
	cfg.For = cmp.Or(cfg.For, time.Minute)
	cfg.Streams = cmp.Or(cfg.Streams, 2000)
	cfg.Reloads = cmp.Or(cfg.Reloads, max(badEvery, int(1000*cfg.For.Seconds()/60)))
	cfg.Rate = cmp.Or(cfg.Rate, 300)
	if cfg.Seed == 0 {
		cfg.Seed = rand.Uint64N(1 << 32)
	}
	return cfg
}

// upgrading is how long requests come while and after another process takes the edge's
// place: the one before lets its clients go within 3 s.
const upgrading = 5 * time.Second

// settled bounds how long the edge before may go on once the streams are closed.
const settled = 30 * time.Second

// Run holds the drill.
func Run(ctx context.Context, cfg Config) (_ *drill.Report, err error) {
	cfg = cfg.filled()
	f, err := start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	s, err := openStreams(ctx, f.addr, cfg.Streams)
	if err != nil {
		return nil, err
	}
	defer s.close()
	seen := &seen{streams: s}
	transport := &http.Transport{MaxIdleConns: 64, MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	fresh := &http.Transport{DisableKeepAlives: true}
	clients := []*http.Client{{Transport: transport}, {Transport: transport}, {Transport: transport}, {Transport: fresh}}
	coming, enough := context.WithCancel(ctx)
	defer enough()
	plan := load.Plan{
		Seed: cfg.Seed, Stages: []load.Stage{{Rate: cfg.Rate, For: 10*cfg.For + time.Hour}}, Timeout: patience,
		Flows: []load.Flow{{Name: "requests", Steps: []load.Step{{Name: "POST " + loadPath, Call: func(ctx context.Context, v *load.Visitor) (string, error) {
			err := post(ctx, clients[v.Number()%len(clients)], f.addr, fmt.Sprint("visitor ", v.Number()))
			if coming.Err() == nil { // else it was cut off by us
				seen.asked(err)
			}
			return "", err
		}}}}},
	}
	offered := make(chan error, 1)
	var result load.Result
	go func() {
		var err error
		result, err = load.Run(coming, plan, load.Config{MaxLag: time.Second})
		offered <- err
	}()
	failed := cfg.reload(ctx, f, seen)
	if failed == nil {
		failed = f.upgrade(ctx, seen)
	}
	enough()
	if err := errors.Join(failed, <-offered, ctx.Err()); err != nil {
		return nil, err
	}
	seen.result = result
	seen.after = seen.now()
	s.close()
	seen.ended = f.oldEnds(ctx)
	return cfg.judge(seen), ctx.Err()
}

// stageFleet is the service behind the edge, each a process of its own.
type stageFleet struct {
	*local.Fleet

	dir  string
	addr string // of the edge
	end  context.CancelFunc
}

func start(ctx context.Context, cfg Config) (*stageFleet, error) {
	dir, err := os.MkdirTemp("", "muster-drill-")
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(map[string]any{"fleet": "drill", "services": map[string]any{Name: map[string]any{
		"run": cfg.Command, "replicas": 2, "env": map[string]string{"OTEL_SDK_DISABLED": "true"},
		"route": []string{loadPath, socketPath, eventsPath, strings.TrimSuffix(chatPath, "Chat")},
	}}}, "", "  ") // which is YAML
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "muster.yaml")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return nil, err
	}
	declared, err := fleet.Load(file, fleet.Options{Env: anyPort})
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx)) // what ends ctx ends the load first, the fleet then
	starting := context.AfterFunc(ctx, end)
	running, err := local.Start(life, local.Config{Fleet: declared, Dir: dir, Program: cfg.Command[0]})
	if err != nil {
		end()
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	f := &stageFleet{Fleet: running, dir: dir, addr: strings.TrimPrefix(running.EdgeURL, "http://"), end: end}
	if !starting() {
		return nil, errors.Join(ctx.Err(), f.close())
	}
	return f, nil
}

func (f *stageFleet) close() error {
	defer f.end()
	return errors.Join(f.Stop(), os.RemoveAll(f.dir))
}

// anyPort is the environment, but engines whose port it does not say take a free one.
func anyPort(name string) (string, bool) {
	v, ok := os.LookupEnv(name)
	if engine := strings.HasPrefix(name, "MUSTER_") && strings.HasSuffix(name, "_PORT"); engine && !ok {
		return "0", true
	}
	return v, ok
}

// edges returns the processes of the edge: the one that serves, then those before it.
func (f *stageFleet) edges() (pids []int) {
	for _, e := range f.Status().Engines {
		if e.Service == "edge" && e.PID != 0 {
			pids = append(pids, e.PID)
		}
	}
	return pids
}

// upgrade puts another process in the edge's place, while requests come.
func (f *stageFleet) upgrade(ctx context.Context, seen *seen) error {
	before := f.edges()
	seen.atUpgrade = seen.now()
	began := time.Now()
	if err := f.Upgrade(ctx, "edge", ""); err != nil {
		return err
	}
	seen.upgraded = time.Since(began)
	after := f.edges()
	seen.replaced = len(before) > 0 && len(after) > 0 && before[0] != after[0]
	return pause(ctx, upgrading)
}

// pause waits for d.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// oldEnds waits until the edge before has ended, and reports whether it did.
func (f *stageFleet) oldEnds(ctx context.Context) bool {
	late := time.NewTimer(settled)
	defer late.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if len(f.edges()) == 1 {
			return true
		}
		select {
		case <-tick.C:
		case <-late.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// median returns the one in the middle.
func median(list []int64) int64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)/2]
}

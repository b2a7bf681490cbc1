package gateways

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/bench/host"
)

const (
	warm        = time.Second // before what is measured
	measured    = 4 * time.Second
	connections = 64
)

// seen is what one run came to.
type seen struct {
	peer       string
	cpu, user  float64 // seconds for 100,000 requests, of the proxy
	rate       float64 // requests a second
	p50, p99   time.Duration
	busy       float64 // of the proxy's processor
	others     float64 // what other programs used meanwhile, of one processor
	start      time.Duration
	privateUse int64 // bytes of memory, PSS, at the end
}

// load lets a peer do a work under wrk.
func (w *world) load(ctx context.Context, peer string, of work) (s seen, err error) {
	p, err := w.run(ctx, peer, of)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	var login []string
	if of.Full {
		login = []string{"Authorization", "Bearer " + w.tokens[0]}
	}
	s.peer = peer
	if s.start, err = p.answers(ctx, p.url+of.path, login...); err != nil {
		return s, err
	}
	if err := w.right(ctx, p, of); err != nil {
		return s, fmt.Errorf("%s: %w", peer, err)
	}
	if _, err := w.wrk(ctx, p.url+of.path, of, warm); err != nil {
		return s, err
	}
	before, err := use(p.pid(), w.upstream.pid())
	if err != nil {
		return s, err
	}
	report, err := w.wrk(ctx, p.url+of.path, of, measured)
	if err != nil {
		return s, err
	}
	after, err := use(p.pid(), w.upstream.pid())
	if err != nil {
		return s, err
	}
	if report.Bad > 0 {
		return s, fmt.Errorf("%s: %.0f of %.0f answers were wrong:\n%s", peer, report.Bad, report.Requests, report.said)
	}
	took := after.at.Sub(before.at).Seconds()
	s.cpu = (after.proxy - before.proxy).Seconds() / report.Requests * 1e5
	s.user = (after.user - before.user).Seconds() / report.Requests * 1e5
	s.busy = (after.proxy - before.proxy).Seconds() / took
	ours := after.proxy - before.proxy + after.upstream - before.upstream + report.cpu + after.self - before.self
	s.others = max(0, (after.all-before.all-ours).Seconds()/took)
	s.rate, s.p50, s.p99, s.privateUse = report.PerSecond, report.P50, report.P99, after.memory
	return s, nil
}

type report struct {
	host.Wrk

	cpu  time.Duration
	said string
}

// wrk runs one load on the load's processor.
func (w *world) wrk(ctx context.Context, url string, of work, d time.Duration) (r report, err error) {
	args := []string{
		"-c", loadCore, "wrk", "-t1", "-c" + strconv.Itoa(connections), "-d" + strconv.Itoa(int(d.Seconds())) + "s", "--latency",
	}
	if of.fresh {
		args = append(args, "-H", "Connection: close")
	}
	if of.Full {
		script, err := w.script()
		if err != nil {
			return r, err
		}
		args = append(args, "-s", script)
	}
	cmd := exec.CommandContext(ctx, "taskset", append(args, url)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("wrk: %w", err)
	}
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	r.said = string(out)
	r.Wrk, err = host.ParseWrk(r.said)
	return r, err
}

// script makes wrk ask as one user after the other.
func (w *world) script() (string, error) {
	var b strings.Builder
	b.WriteString("local tokens = {\n")
	for _, t := range w.tokens {
		fmt.Fprintf(&b, "\t%q,\n", t)
	}
	b.WriteString(`}
local requests, n = {}, 0
function init(args)
	for i, token in ipairs(tokens) do
		requests[i] = wrk.format("GET", nil, {["Authorization"] = "Bearer " .. token})
	end -- of the tokens
end
function request()
	n = n % #requests + 1
	return requests[n]
end
`)
	file := filepath.Join(w.Dir, "tokens.lua")
	return file, os.WriteFile(file, []byte(b.String()), 0o644)
}

// used is the CPU that was used so far.
type used struct {
	at                          time.Time
	proxy, user, upstream, self time.Duration
	all                         time.Duration // of all programs of the machine
	memory                      int64         // of the proxy
}

func use(proxy, upstream int) (u used, err error) {
	u.at, u.self = time.Now(), host.OwnCPU()
	p, err := host.Tree(proxy)
	if err != nil {
		return u, err
	}
	for _, one := range p {
		u.proxy, u.user, u.memory = u.proxy+one.CPU, u.user+one.User, u.memory+one.PSS
	}
	if p, err = host.Tree(upstream); err != nil {
		return u, err
	}
	for _, one := range p {
		u.upstream += one.CPU
	}
	u.all, err = machine()
	return u, err
}

// machine is the CPU of all programs since the machine's start: user, nice, system and steal.
func machine() (time.Duration, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	f := strings.Fields(line)
	if len(f) < 9 {
		return 0, fmt.Errorf("/proc/stat is not understood: %q", line)
	}
	var ticks int
	for _, i := range []int{1, 2, 3, 8} {
		n, err := strconv.Atoi(f[i])
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

package machine

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/drill/fault"
)

// LossConfig says which packets are lost. All fields but Device are needed.
type LossConfig struct {
	Device string  // network interface; "" means lo
	Ports  []int   // packets to or from these TCP ports alone, at most 32
	Share  float64 // of packets, more than 0 and at most 1
	// Command runs tc and returns its output; nil runs the one on the PATH.
	Command func(ctx context.Context, args ...string) (output string, err error)
}

// Loss is packet loss made by the kernel.
type Loss struct {
	cfg   LossConfig
	fault string
}

// LosePackets makes the kernel lose packets of some ports on this machine, by netem
// (tc-netem(8)). It needs the right to configure the network, the kernel's modules, and
// an interface whose queueing nobody else has set; where one is missing the error has
// [fault.NotRun] and nothing is changed. [Loss.Remove] must follow, on every path.
func LosePackets(ctx context.Context, cfg LossConfig) (*Loss, error) {
	if cfg.Device == "" {
		cfg.Device = "lo"
	}
	if cfg.Command == nil {
		cfg.Command = tc
	}
	if len(cfg.Ports) == 0 || len(cfg.Ports) > 32 || !(cfg.Share > 0 && cfg.Share <= 1) {
		return nil, fmt.Errorf("packet loss: it wants 1 to 32 ports and a share of more than 0 and at most 1; found %d ports and %v", len(cfg.Ports), cfg.Share)
	}
	l := &Loss{cfg: cfg, fault: fmt.Sprintf("loss of %.3g %% of the packets of ports %v on %s", cfg.Share*100, cfg.Ports, cfg.Device)}
	before, err := l.show(ctx)
	if err != nil {
		return nil, l.notRun(err)
	}
	if strings.Contains(before, " root ") && !strings.Contains(before, "noqueue") && !strings.Contains(before, "pfifo_fast") && !strings.Contains(before, "fq_codel") {
		return nil, l.notRun(fmt.Errorf("the queueing of %s is set by somebody else: %s", cfg.Device, firstLine(before)))
	}
	if err := l.add(ctx); err != nil {
		if _, clean := l.Remove(context.WithoutCancel(ctx)); clean != nil {
			return nil, errors.Join(l.notRun(err), clean)
		}
		return nil, l.notRun(err)
	}
	return l, nil
}

// add queues the ports' packets in a band of their own, which loses some. The map of
// priorities leaves that band to the filters alone.
func (l *Loss) add(ctx context.Context) error {
	dev := l.cfg.Device
	steps := [][]string{
		strings.Fields("qdisc add dev " + dev + " root handle 1: prio bands 4 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1"),
		strings.Fields(fmt.Sprintf("qdisc add dev %s parent 1:4 handle 40: netem loss %g%%", dev, l.cfg.Share*100)),
	}
	for _, port := range l.cfg.Ports {
		for _, side := range []string{"sport", "dport"} {
			steps = append(steps, strings.Fields(fmt.Sprintf(
				"filter add dev %s parent 1: protocol ip u32 match ip protocol 6 0xff match ip %s %d 0xffff flowid 1:4", dev, side, port)))
		}
	}
	for _, args := range steps {
		if out, err := l.cfg.Command(ctx, args...); err != nil {
			return fmt.Errorf("tc %s: %w: %s", strings.Join(args, " "), err, firstLine(out))
		}
	}
	return nil
}

// Remove takes the loss away and returns when the interface shows none. Where there is
// none, it returns at once.
func (l *Loss) Remove(ctx context.Context) (fault.Proof, error) {
	proof, start := fault.Proof{Fault: l.fault}, time.Now()
	for {
		proof.Probes++
		shown, err := l.show(ctx)
		if err == nil && !strings.Contains(shown, "netem") && !strings.Contains(shown, "qdisc prio 1: root") {
			proof.Took, proof.Seen = time.Since(start), "tc shows no such queueing on "+l.cfg.Device
			return proof, nil
		}
		if err == nil {
			_, err = l.cfg.Command(ctx, "qdisc", "del", "dev", l.cfg.Device, "root")
		}
		if err != nil && (ctx.Err() != nil || proof.Probes > 3) {
			return proof, fmt.Errorf("%s cannot be removed: run \"tc qdisc del dev %s root\": %w", l.fault, l.cfg.Device, err)
		}
	}
}

func (l *Loss) show(ctx context.Context) (string, error) {
	out, err := l.cfg.Command(ctx, "qdisc", "show", "dev", l.cfg.Device)
	if err != nil {
		return "", fmt.Errorf("tc qdisc show: %w: %s", err, firstLine(out))
	}
	return out, nil
}

func (l *Loss) notRun(err error) error {
	return &fault.NotRun{Fault: l.fault, Reason: err.Error() + "; it needs tc, the kernel's prio and netem queueing, and CAP_NET_ADMIN"}
}

func tc(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "tc", args...).CombinedOutput()
	return string(out), err
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

package machine_test

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/fault/machine"
)

// kernel is a tc that keeps what it is told.
type kernel struct {
	root    string // the queueing at the root; "" is the kernel's own
	shown   []string
	calls   []string
	missing string // a kind of queueing it does not have
	denied  bool
}

func (k *kernel) tc(_ context.Context, args ...string) (string, error) {
	line := strings.Join(args, " ")
	switch {
	case args[1] == "show":
		return strings.Join(append([]string{cmp.Or(k.root, "qdisc noqueue 0: root refcnt 2 ")}, k.shown...), "\n"), nil
	case k.denied:
		return "RTNETLINK answers: Operation not permitted", errors.New("exit status 2")
	case k.missing != "" && strings.Contains(line, k.missing):
		return "Error: Specified qdisc kind is unknown.\nmore", errors.New("exit status 2")
	case args[1] == "del":
		k.shown = nil
	case args[0] == "qdisc" && strings.Contains(line, "prio"):
		k.shown = append(k.shown, "qdisc prio 1: root refcnt 2 bands 4")
	case args[0] == "qdisc":
		k.shown = append(k.shown, "qdisc netem 40: parent 1:4 limit 1000 loss 25%")
	}
	k.calls = append(k.calls, line)
	return "", nil
}

func TestLoss(t *testing.T) {
	k := &kernel{}
	l, err := machine.LosePackets(t.Context(), machine.LossConfig{Ports: []int{4000, 4001}, Share: 0.25, Command: k.tc})
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(k.calls, "\n"); len(k.calls) != 6 || !strings.Contains(all, "netem loss 25%") || !strings.Contains(all, "dport 4001 0xffff flowid 1:4") {
		t.Errorf("tc was told\n%s", all)
	}
	if proof, err := l.Remove(t.Context()); err != nil || proof.Probes != 2 || len(k.shown) != 0 {
		t.Errorf("%+v, %v, %v", proof, err, k.shown)
	}
	if _, err := l.Remove(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLossIsNotRunWhereItCannotBe(t *testing.T) {
	for want, k := range map[string]*kernel{
		"kind is unknown":       {missing: "netem"},
		"not permitted":         {denied: true},
		"set by somebody else":  {root: "qdisc tbf 8001: root refcnt 2 rate 1Mbit"},
		"Specified qdisc kind ": {missing: "prio"},
	} {
		_, err := machine.LosePackets(t.Context(), machine.LossConfig{Ports: []int{1}, Share: 1, Command: k.tc})
		if reason, ok := fault.IsNotRun(err); !ok || !strings.Contains(reason, want) || strings.Contains(reason, "\n") {
			t.Errorf("%v, want %q", err, want)
		}
		if len(k.shown) > 0 || k.root != "" && len(k.calls) > 0 {
			t.Errorf("%s: what was added stayed: %v", want, k.shown)
		}
	}
	for _, cfg := range []machine.LossConfig{{}, {Ports: []int{1}}, {Ports: []int{1}, Share: 2}, {Share: 0.5}} {
		if _, err := machine.LosePackets(t.Context(), cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}

// The real kernel either loses packets or says why not; nothing is changed either way.
// It is asked with a device that does not exist, as the machine's own are everybody's.
func TestLossOnThisMachine(t *testing.T) {
	_, err := machine.LosePackets(t.Context(), machine.LossConfig{Device: "none0", Ports: []int{1}, Share: 0.1})
	if reason, ok := fault.IsNotRun(err); !ok {
		t.Errorf("%v", err)
	} else {
		t.Log(reason)
	}
}

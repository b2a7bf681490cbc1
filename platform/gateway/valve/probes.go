package valve

import (
	"os"
	"time"

	"github.com/musterdev/muster/call/admission"
)

// probeEvery is the time from one probe's return to the next.
const probeEvery = 2 * time.Millisecond

// probes wait in the row that requests wait in, and tell how long it is: each is a byte in a pipe,
// and who reads it is woken as who reads a request is, by the same poller, behind the same work.
// A nil *probes sends none.
type probes struct {
	row    *admission.Row
	in     *os.File
	out    *os.File
	wanted chan bool // of 1: whether to go on
}

// newProbes returns probes of a row; where there is no pipe to be had, none.
func newProbes(row *admission.Row) *probes {
	out, in, err := os.Pipe()
	if err != nil {
		return nil // the row counts as empty: the rate alone decides
	}
	p := &probes{row: row, in: in, out: out, wanted: make(chan bool, 1)}
	back := make(chan struct{}, 1)
	go p.receive(back)
	go p.send(back)
	return p
}

// send has one probe at a time under way, while they are wanted.
func (p *probes) send(back <-chan struct{}) {
	defer func() { _ = p.in.Close() }() // receive ends with it
	pause := time.NewTimer(0)
	defer pause.Stop()
	<-pause.C
	wanted := false
	for {
		for !wanted {
			yes, more := <-p.wanted
			if !more {
				return
			}
			wanted = yes
		}
		pause.Reset(probeEvery)
		select {
		case <-pause.C:
		case yes, more := <-p.wanted:
			if !more {
				return
			}
			wanted = yes
			continue
		}
		p.row.Sent(time.Now())
		if _, err := p.in.Write([]byte{0}); err != nil {
			return
		}
		<-back
	}
}

func (p *probes) receive(back chan<- struct{}) {
	defer func() { _ = p.out.Close() }()
	one := make([]byte, 1)
	for {
		if _, err := p.out.Read(one); err != nil {
			return
		}
		p.row.Back(time.Now())
		back <- struct{}{}
	}
}

// want has probes sent, or no more of them. It is called by one goroutine, as is end.
func (p *probes) want(yes bool) {
	if p == nil {
		return
	}
	select {
	case <-p.wanted: // it was not seen yet
	default:
	}
	p.wanted <- yes
}

// end ends them.
func (p *probes) end() {
	if p != nil {
		close(p.wanted)
	}
}

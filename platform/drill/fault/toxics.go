package fault

import (
	"fmt"
	"strings"
	"time"
)

// MaxDelay is the longest duration a toxic may have.
const MaxDelay = time.Hour

// Toxics are the faults of one proxy, all at once. The zero value is none: bytes pass as
// they come. It is a value; a proxy takes it as a whole with [Proxy.Set].
type Toxics struct {
	// Refuse: nobody listens, so a dial is refused at once. Connections that exist go on.
	Refuse bool `yaml:"refuse"`
	// Reset is the share of new connections, 0 to 1, that are reset once accepted.
	Reset float64 `yaml:"reset"`
	// Silent is the share of new connections, 0 to 1, that are accepted and never
	// answered: the target is not dialled. They are reset when Silent is 0 again.
	Silent float64 `yaml:"silent"`
	// Blackhole swallows what passes on every connection, both ways, its end included:
	// a partition, or a peer whose machine is gone. Connections that lost bytes are reset
	// when it is over, the others go on.
	Blackhole bool `yaml:"blackhole"`
	// Handshake is how long a new connection passes nothing: what setting one up takes
	// over a slow way, as a round trip. The proxy itself accepts at once.
	Handshake time.Duration `yaml:"handshake"`
	// SlowClose is how much later the end of a stream is passed on.
	SlowClose time.Duration `yaml:"slow-close"`

	Up   Stream `yaml:"up"`   // from the caller to the target
	Down Stream `yaml:"down"` // from the target to the caller
}

// Stream are the toxics of one direction.
type Stream struct {
	// Latency is added to every piece of data. It does not bound throughput: what comes
	// close together arrives close together, in order.
	Latency time.Duration `yaml:"latency"`
	// Jitter makes the latency vary evenly between Latency-Jitter, at least 0, and
	// Latency+Jitter. Order is kept, so a slow piece holds up those behind it, as in TCP.
	Jitter time.Duration `yaml:"jitter"`
	// Bandwidth bounds each connection, in bytes a second; 0 does not.
	Bandwidth int64 `yaml:"bandwidth"`
	// ResetAfter resets a connection once it has passed so many bytes; 0 never does.
	ResetAfter int64 `yaml:"reset-after"`
	// Stall holds everything until it is lifted; nothing is lost.
	Stall bool `yaml:"stall"`
}

// Delay returns toxics of latency alone: a round trip takes latency, half of it each way,
// give or take jitter.
func Delay(latency, jitter time.Duration) Toxics {
	s := Stream{Latency: latency / 2, Jitter: jitter / 2}
	return Toxics{Up: s, Down: s}
}

// Clean reports whether there is no toxic.
func (t Toxics) Clean() bool { return t == Toxics{} }

// Validate returns nil, or an error that names the first field out of its range.
func (t Toxics) Validate() error {
	for name, share := range map[string]float64{"reset": t.Reset, "silent": t.Silent} {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("toxic %q is %v: a share is from 0 to 1", name, share)
		}
	}
	if t.Reset+t.Silent > 1 {
		return fmt.Errorf("the toxics reset (%v) and silent (%v) are shares of the same connections: together at most 1", t.Reset, t.Silent)
	}
	delays := []struct {
		name string
		d    time.Duration
	}{
		{"handshake", t.Handshake},
		{"slow-close", t.SlowClose},
		{"up.latency", t.Up.Latency},
		{"up.jitter", t.Up.Jitter},
		{"down.latency", t.Down.Latency},
		{"down.jitter", t.Down.Jitter},
	}
	for _, one := range delays {
		if one.d < 0 || one.d > MaxDelay {
			return fmt.Errorf("toxic %q is %s: it must be from 0 to %s", one.name, one.d, MaxDelay)
		}
	}
	for name, n := range map[string]int64{
		"up.bandwidth": t.Up.Bandwidth, "down.bandwidth": t.Down.Bandwidth,
		"up.reset-after": t.Up.ResetAfter, "down.reset-after": t.Down.ResetAfter,
	} {
		if n < 0 {
			return fmt.Errorf("toxic %q is %d bytes: it must not be negative; 0 means none", name, n)
		}
	}
	return nil
}

// String lists the toxics in a few words; "clean" is none.
func (t Toxics) String() string {
	var words []string
	add := func(on bool, format string, args ...any) {
		if on {
			words = append(words, fmt.Sprintf(format, args...))
		}
	}
	add(t.Refuse, "refuse")
	add(t.Reset > 0, "reset %.3g %%", t.Reset*100)
	add(t.Silent > 0, "silent %.3g %%", t.Silent*100)
	add(t.Blackhole, "blackhole")
	add(t.Handshake > 0, "handshake %s", t.Handshake)
	add(t.SlowClose > 0, "slow close %s", t.SlowClose)
	for _, dir := range []struct {
		name string
		s    Stream
	}{{"up", t.Up}, {"down", t.Down}} {
		add(dir.s.Latency > 0 || dir.s.Jitter > 0, "%s latency %s±%s", dir.name, dir.s.Latency, dir.s.Jitter)
		add(dir.s.Bandwidth > 0, "%s bandwidth %d B/s", dir.name, dir.s.Bandwidth)
		add(dir.s.ResetAfter > 0, "%s reset after %d B", dir.name, dir.s.ResetAfter)
		add(dir.s.Stall, "%s stall", dir.name)
	}
	if len(words) == 0 {
		return "clean"
	}
	return strings.Join(words, ", ")
}

// delay returns how long a piece is held up; lot, from 0 to 1, is the piece's own.
func (s Stream) delay(lot float64) time.Duration {
	return max(0, s.Latency+time.Duration((2*lot-1)*float64(s.Jitter)))
}

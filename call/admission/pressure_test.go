package admission

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/musterdev/muster/call/resilience"
)

// machine is a program whose processors are behind: what came and was not worked off
// yet waits for them.
type machine struct {
	pressure Pressure
	capacity float64 // calls a second
	refusal  float64 // what it costs to turn a call away, of what it costs to pass it on
	backlog  float64
	random   *rand.Rand
	let, got [resilience.Priorities]float64 // let in, and came
	done     float64
	waited   time.Duration // sum over ticks
	ticks    int
}

// tick offers so many calls a second. Calls come in bursts, and ticks are late.
func (m *machine) tick(offered [resilience.Priorities]float64) {
	took := PressureTick + time.Duration(m.random.Int64N(int64(PressureTick)))
	burst, cost := 0.3+1.4*m.random.Float64(), 0.0
	if m.random.IntN(10) == 0 {
		burst = 0
	}
	seen := Seen{Took: took}
	for c, n := range offered {
		n = math.Floor(n * burst * (0.9 + 0.2*m.random.Float64()) * took.Seconds())
		seen.Arrived[c] = uint64(n)
		in := n * m.pressure.Share(resilience.Priority(c))
		m.got[c] += n
		m.let[c] += in
		m.backlog += in
		cost += (n - in) * m.refusal
		seen.Refused += int(n - in)
	}
	worked := min(m.backlog, max(0, m.capacity*took.Seconds()*(0.9+0.2*m.random.Float64())-cost))
	m.backlog -= worked
	m.done += worked
	seen.Done = int(worked)
	seen.Wait = time.Duration(m.backlog / m.capacity * float64(time.Second))
	seen.Runnable = m.backlog / 2
	m.waited += seen.Wait
	m.ticks++
	m.pressure.Tick(seen)
}

func (m *machine) run(d time.Duration, offered [resilience.Priorities]float64) {
	m.got, m.let, m.done, m.waited, m.ticks = [resilience.Priorities]float64{}, [resilience.Priorities]float64{}, 0, 0, 0
	for range d / (PressureTick * 3 / 2) {
		m.tick(offered)
	}
}

// At three times what it can do, a program does most of what is left when it has turned
// the others away, the critical before all, and keeps its waits short, unless turning away
// is more than it can do already; afterwards all get in.
func TestPressureKeepsTheImportant(t *testing.T) {
	for _, refusal := range []float64{0.05, 0.15, 0.3} {
		var critical, high, low, done, wait float64
		const seeds = 20
		for seed := range uint64(seeds) {
			m := &machine{capacity: 10000, refusal: refusal, random: rand.New(rand.NewPCG(seed, 7))}
			usual := [resilience.Priorities]float64{500, 1000, 2500, 1000}
			m.run(10*time.Second, usual)
			if m.got != m.let {
				t.Fatalf("seed %d: at half of what it can do %v of %v are let in", seed, m.let, m.got)
			}
			storm := [resilience.Priorities]float64{2000, 3000, 15000, 10000}
			m.run(3*time.Second, storm) // to find out
			m.run(60*time.Second, storm)
			critical += m.let[resilience.Critical] / m.got[resilience.Critical] / seeds
			high += m.let[resilience.High] / m.got[resilience.High] / seeds
			low += m.let[resilience.Low] / m.got[resilience.Low] / seeds
			offered := m.got[0] + m.got[1] + m.got[2] + m.got[3]
			left := 10000*float64(m.ticks)*0.15 - refusal*(offered-m.done)
			done += m.done / left / seeds
			wait += float64(m.waited) / float64(m.ticks) / seeds
			m.run(10*time.Second, usual)
			if !m.pressure.Open() {
				t.Errorf("seed %d: ten seconds after the storm not all get in", seed)
			}
		}
		if critical < 0.98 || high < 0.4 || low > 0.02 || done < 0.5 || refusal < 0.2 && wait > float64(100*time.Millisecond) {
			t.Error("that is not what is to be had")
		}
		t.Logf("turning away costs %.2f: critical %.4f, high %.3f, low %.3f let in; %.3f of what is left done; waits %s", refusal, critical, high, low, done, time.Duration(wait))
	}
}

// What is no sign of too many calls turns nobody away.
func TestPressureLetsAllIn(t *testing.T) {
	for name, s := range map[string]Seen{
		"idle":                     {},
		"busy and in time":         {Took: PressureTick, Wait: 5 * time.Millisecond, Runnable: 100, Done: 500, Arrived: [4]uint64{0, 0, 500, 0}},
		"others use the processor": {Took: PressureTick, Wait: time.Second, Runnable: 3, Done: 5, Arrived: [4]uint64{0, 0, 5, 0}},
	} {
		var p Pressure
		for range 100 {
			p.Tick(s)
			if !p.Open() || p.Share(resilience.Low) != 1 {
				t.Fatalf("%s: %+v", name, p)
			}
		}
	}
	var p Pressure
	storm := Seen{Wait: time.Second, Runnable: 1000, Done: 10, Arrived: [4]uint64{0, 0, 5000, 0}}
	if p.Tick(storm); !p.Open() {
		t.Error("one tick alone turns calls away")
	}
	if p.Tick(storm); p.Open() || p.Share(resilience.Normal) > 0.01 || p.Share(resilience.Critical) != 1 || p.Share(resilience.Low) != 0 {
		t.Errorf("a second one: %+v", p)
	}
	for range 30 { // whatever it did, it does not keep the last call out
		p.Tick(Seen{Arrived: [4]uint64{0, 0, 2, 0}})
	}
	if !p.Open() {
		t.Errorf("in the end: %+v", p)
	}
}

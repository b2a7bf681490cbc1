package admission

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/musterdev/muster/call/resilience"
)

// machine is a program with one processor, simulated: what comes waits in a row, and is
// turned away, or worked on, when it is its turn. So it is in a program whose goroutines
// wait for a processor.
type machine struct {
	pressure Pressure
	meter    Meter
	pass     time.Duration // what it takes to pass a call on
	refuse   time.Duration // and to turn one away
	others   time.Duration // that other programs take the processor away for, as long as it is ours between
	random   *rand.Rand

	now     time.Duration // the processor is free from then on
	seen    Seen
	waits   time.Duration // sum, of this tick
	served  int
	ticked  time.Duration
	arrival time.Duration // of the next call
	queued  []queued
	row     Row
	probing bool
	probe   time.Duration

	outcome
}

type queued struct {
	at    time.Duration
	p     resilience.Priority
	probe bool
}

// outcome is what came of some time.
type outcome struct {
	got, let [resilience.Priorities]int
	took     []time.Duration // of those let in
}

func (o *outcome) p99() time.Duration {
	slices.Sort(o.took)
	return o.took[len(o.took)*99/100]
}

// run offers so many calls a second for a time, and returns what came of them.
func (m *machine) run(d time.Duration, offered [resilience.Priorities]float64) outcome {
	m.outcome = outcome{}
	var sum float64
	for _, n := range offered {
		sum += n
	}
	next := func() time.Duration { return time.Duration(m.random.ExpFloat64() / sum * float64(time.Second)) }
	m.arrival = m.now + next()
	for end := m.now + d; m.now < end; {
		for ; m.arrival <= m.now; m.arrival += next() {
			m.queued = append(m.queued, queued{at: m.arrival, p: m.kind(offered, sum)})
		}
		if !m.probing && m.now >= m.probe {
			m.queued = append(m.queued, queued{at: m.now, probe: true})
			m.row.Sent(at(m.now))
			m.probing = true
		}
		if m.now >= m.ticked+m.pressure.Next() { // a timer's turn comes late when the row is long
			m.tick()
		}
		if len(m.queued) == 0 {
			m.now = min(m.arrival, m.ticked+m.pressure.Next(), max(m.now+1, m.probe))
			continue
		}
		m.serve()
	}
	return m.outcome
}

func at(d time.Duration) time.Time { return time.Unix(0, int64(d)) }

func (m *machine) kind(offered [resilience.Priorities]float64, sum float64) resilience.Priority {
	x := m.random.Float64() * sum
	for p, n := range offered {
		if x -= n; x < 0 {
			return resilience.Priority(p)
		}
	}
	return resilience.Low
}

// serve does the next in the row.
func (m *machine) serve() {
	began := m.now
	defer func() {
		if took := m.now - began; m.others > 0 && m.random.Float64() < took.Seconds()/m.others.Seconds() {
			m.now += m.others
		}
	}()
	q := m.queued[0]
	m.queued = m.queued[1:]
	if q.probe {
		m.row.Back(at(m.now))
		m.probing, m.probe = false, m.now+2*time.Millisecond
		return
	}
	m.waits += m.now - q.at
	m.served++
	m.got[q.p]++
	m.seen.Arrived++
	if !m.pressure.Open() {
		ok := m.row.Wait(at(m.now)) <= m.pressure.Bound(q.p)
		if !ok {
			m.seen.Late++
		}
		if !ok || !m.meter.Allow(at(m.now), q.p) {
			m.now += m.refuse
			m.seen.Refused++
			return
		}
	}
	m.now += time.Duration(float64(m.pass) * (0.7 + 0.6*m.random.Float64()))
	m.seen.Done++
	m.let[q.p]++
	m.took = append(m.took, m.now-q.at)
}

func (m *machine) tick() {
	m.seen.Took, m.seen.Runnable = m.now-m.ticked, float64(len(m.queued))
	m.seen.Wait = m.waits / time.Duration(max(1, m.served))
	m.pressure.Tick(m.seen)
	if !m.pressure.Open() {
		m.meter.Set(m.pressure.Rate())
	}
	m.seen, m.waits, m.served, m.ticked = Seen{}, 0, 0, m.now
}

// storm is so many times what a machine can do, mixed as visitors are.
func (m *machine) storm(times float64) (offered [resilience.Priorities]float64) {
	for p, share := range [...]float64{0.04, 0.08, 0.63, 0.25} {
		offered[p] = share * times / m.pass.Seconds()
	}
	return offered
}

// Whatever a call takes, a program of which five times as much is asked as it can do goes
// on doing nine tenths of what can be done besides turning the others away; the critical all get in,
// and who gets in waits some times as long as on a good day, not until nobody wants the answer.
func TestPressureHolds(t *testing.T) {
	for _, pass := range []time.Duration{100 * time.Microsecond, 400 * time.Microsecond, 1500 * time.Microsecond, 3 * time.Millisecond} {
		for _, refusal := range []float64{0.005, 0.02, 0.1} {
			m := &machine{pass: pass, refuse: time.Duration(refusal * float64(pass)), random: rand.New(rand.NewPCG(uint64(pass), 7))}
			day := m.run(20*time.Second, m.storm(0.5))
			if day.got != day.let {
				t.Fatalf("%s: at half of what it can do %v of %v are let in", pass, day.let, day.got)
			}
			m.run(2*time.Second, m.storm(5)) // to find out
			const long = 20 * time.Second
			o := m.run(long, m.storm(5))
			done := float64(len(o.took)) * pass.Seconds() / long.Seconds()
			possible := (1 - 5*refusal) / (1 - refusal)
			in := func(p resilience.Priority) float64 { return float64(o.let[p]) / float64(o.got[p]) }
			t.Logf("%6s, turning away costs %.3f: %.3f of %.3f done; p99 %s, on a good day %s; let in %.3f %.3f %.3f %.3f", pass, refusal, done, possible, o.p99(), day.p99(),
				in(resilience.Critical), in(resilience.High), in(resilience.Normal), in(resilience.Low))
			if done < 0.87*possible || o.p99() > max(6*day.p99(), 5*time.Millisecond) {
				t.Error("that is not what is to be had")
			}
			if in(resilience.Critical) < 0.999 || refusal < 0.1 && in(resilience.High) < 0.8 || in(resilience.Low) > in(resilience.Normal) {
				t.Error("not the more important first")
			}
			m.run(5*time.Second, m.storm(0.5))
			if !m.pressure.Open() {
				t.Errorf("%s: five seconds after it not all get in", pass)
			}
		}
	}
}

// Where turning away costs more than can be done there is no end of the queue, but some are
// passed on.
func TestPressureWhereRefusingIsTooMuch(t *testing.T) {
	m := &machine{pass: time.Millisecond, refuse: 300 * time.Microsecond, random: rand.New(rand.NewPCG(1, 7))}
	m.run(2*time.Second, m.storm(5))
	if o := m.run(10*time.Second, m.storm(5)); len(o.took) < 1000 {
		t.Errorf("%d calls were passed on in 10 s, of 10,000 that could be if nobody else asked", len(o.took))
	}
}

// Where turning a call away costs nearly as much as to pass it on, nobody is turned away for long.
func TestPressureWhereRefusingIsInVain(t *testing.T) {
	m := &machine{pass: time.Millisecond, refuse: 900 * time.Microsecond, random: rand.New(rand.NewPCG(1, 7))}
	if o := m.run(30*time.Second, m.storm(1.5)); len(o.took) < 25_000 {
		t.Errorf("%d calls were passed on in 30 s, of 30,000 that could be", len(o.took))
	}
}

// Other programs that take half of the processor away, for long at a time, make it do less, and
// waits long; when the storm is over all get in all the same.
func TestPressureBesideOthers(t *testing.T) {
	m := &machine{pass: 1500 * time.Microsecond, refuse: 15 * time.Microsecond, others: 20 * time.Millisecond, random: rand.New(rand.NewPCG(1, 7))}
	m.run(2*time.Second, m.storm(2.5))
	if o := m.run(20*time.Second, m.storm(2.5)); len(o.took) < 3000 || o.let[0] < o.got[0]*99/100 {
		t.Errorf("%d calls were passed on in 20 s, of 6,700 that could be, and %d of %d critical ones", len(o.took), o.let[0], o.got[0])
	}
	m.others = 60 * time.Millisecond
	m.run(5*time.Second, m.storm(0.2))
	if o := m.run(10*time.Second, m.storm(0.2)); o.let != o.got {
		t.Errorf("afterwards %v of %v are let in", o.let, o.got)
	}
}

// A program that got nothing done in the moment in which it is found to be behind is known by
// what it did before.
func TestPressureAfterABadMoment(t *testing.T) {
	var p Pressure
	for range 30 {
		p.Tick(Seen{Took: PressureTick, Done: 60, Arrived: 60})
	}
	for range 2 {
		p.Tick(Seen{Took: PressureTick, Wait: time.Second, Runnable: 500, Arrived: 300})
	}
	if p.Rate() < 90 {
		t.Errorf("of 600 calls a second %.0f get in", p.Rate())
	}
}

// What is no sign of too many calls turns nobody away.
func TestPressureLetsAllIn(t *testing.T) {
	for name, s := range map[string]Seen{
		"idle":                     {},
		"busy and in time":         {Took: PressureTick, Wait: 5 * time.Millisecond, Runnable: 100, Done: 500, Arrived: 500},
		"others use the processor": {Took: PressureTick, Wait: time.Second, Runnable: 3, Done: 5, Arrived: 5},
	} {
		var p Pressure
		for range 100 {
			p.Tick(s)
			if !p.Open() || p.Rate() != 0 {
				t.Fatalf("%s: %+v", name, p)
			}
		}
	}
	var p Pressure
	storm := Seen{Took: PressureTick, Wait: time.Second, Runnable: 1000, Done: 10, Arrived: 5000}
	if p.Tick(storm); !p.Open() {
		t.Error("one tick alone turns calls away")
	}
	if p.Tick(storm); p.Open() || p.Rate() > 500 {
		t.Errorf("a second one: %+v", p)
	}
	for range 60 { // whatever it did, it does not keep the last call out
		p.Tick(Seen{Took: PressureTick, Arrived: 2})
	}
	if !p.Open() {
		t.Errorf("in the end: %+v", p)
	}
}

// A meter lets in what its rate says, and the more important first.
func TestMeter(t *testing.T) {
	var m Meter
	m.Set(1000)
	var in [resilience.Priorities]int
	now := time.Unix(100, 0)
	for range 10_000 { // of each priority 1,000 a second, for ten seconds
		for p := range resilience.Priority(resilience.Priorities) {
			now = now.Add(250 * time.Microsecond)
			if m.Allow(now, p) {
				in[p]++
			}
		}
	}
	if sum := in[0] + in[1] + in[2] + in[3]; in[0] < 9_900 || sum < 9_900 || sum > 10_200 {
		t.Errorf("of 10,000 each %v were let in at a rate of 10,000", in)
	}
	m.Set(0)
	for range 100 {
		m.Allow(now, resilience.Critical)
	}
	if m.Allow(now, resilience.Low) {
		t.Error("one of the least important gets in behind a hundred")
	}
}

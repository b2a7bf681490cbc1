package stage

import (
	"cmp"
	"fmt"
	"strconv"
	"time"
)

// Config says what a stage does. Read makes it of the environment.
type Config struct {
	Next    string        // NEXT: the service that each request is passed on to; "": it ends here
	Workers int           // WORKERS: requests that are worked on at the same time; 0 means 8
	Work    time.Duration // WORK: what one of them takes at full speed; 0 means 20 ms
	Random  bool          // RANDOM: it takes that on the mean, exponentially distributed
	Open    bool          // OPEN: without admission, every request is let in
	// Textbook is what libraries do when asked for retries: TEXTBOOK. A stage repeats a
	// call three times with exponential backoff and full jitter, whatever failed and
	// however many do, each attempt with a timeout of Patience; it takes on what comes,
	// and works on for callers who have gone.
	Textbook bool
	Patience time.Duration // PATIENCE: of a textbook stage's attempt; 0 means 500 ms
}

// The bounds of a Config.
const (
	maxWorkers = 10_000
	maxWork    = time.Minute
)

// Read returns what the variables NEXT, WORKERS, WORK, RANDOM, OPEN, TEXTBOOK and PATIENCE
// say. Its error names the first that is wrong.
func Read(lookup func(name string) (value string, ok bool)) (Config, error) {
	var c Config
	var failed error
	value := func(name, usual string) string {
		v, _ := lookup(name)
		return cmp.Or(v, usual)
	}
	wrong := func(name, must string) {
		failed = cmp.Or(failed, fmt.Errorf("%s is %q: it must be %s", name, value(name, ""), must))
	}
	c.Next = value("NEXT", "")
	n, err := strconv.Atoi(value("WORKERS", "0"))
	if c.Workers = n; err != nil || n < 0 || n > maxWorkers {
		wrong("WORKERS", fmt.Sprintf("a whole number from 0 to %d", maxWorkers))
	}
	for name, to := range map[string]*time.Duration{"WORK": &c.Work, "PATIENCE": &c.Patience} {
		d, err := time.ParseDuration(value(name, "0s"))
		if *to = d; err != nil || d < 0 || d > maxWork {
			wrong(name, "a duration such as 20ms, at most "+maxWork.String())
		}
	}
	for name, to := range map[string]*bool{"RANDOM": &c.Random, "OPEN": &c.Open, "TEXTBOOK": &c.Textbook} {
		yes, err := strconv.ParseBool(value(name, "false"))
		if *to = yes; err != nil {
			wrong(name, "true or false")
		}
	}
	return c, failed
}

// Environment returns the variables that Read makes c of.
func (c Config) Environment() map[string]string {
	return map[string]string{
		"NEXT": c.Next, "WORKERS": strconv.Itoa(c.Workers), "WORK": c.Work.String(), "PATIENCE": c.Patience.String(),
		"RANDOM": strconv.FormatBool(c.Random), "OPEN": strconv.FormatBool(c.Open), "TEXTBOOK": strconv.FormatBool(c.Textbook),
	}
}

// Capacity returns how many requests a second one instance can do at full speed.
func (c Config) Capacity() float64 {
	c = c.filled()
	return float64(c.Workers) / c.Work.Seconds()
}

func (c Config) filled() Config {
	c.Workers = cmp.Or(c.Workers, 8)
	c.Work = cmp.Or(c.Work, 20*time.Millisecond)
	c.Patience = cmp.Or(c.Patience, 500*time.Millisecond)
	return c
}

package legacy

import (
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/call/resilience"
)

// Hystrix reads the keys hystrix.command.NAME.* and hystrix.threadpool.NAME.* of a
// .properties or YAML file. NAME "default" is what all others build on; where no
// command but that is named, it is the one target. A thread pool counts for the command
// of its name. The error says that the file cannot be read at all.
func Hystrix(file string, data []byte) (Import, error) {
	h := hystrix{importer: importer{file: file, notes: map[string]Note{}}, commands: map[string][]entry{}, pools: map[string][]entry{}}
	if err := each(file, data, "hystrix", h.sort); err != nil {
		return Import{}, err
	}
	return h.result(h.targets()), nil
}

// entry is one property and what of its key comes behind the name.
type entry struct {
	property
	key string
}

type hystrix struct {
	importer
	commands, pools map[string][]entry
	names           []string // of commands, in the order of the file
}

func (h *hystrix) sort(p property, profile string) {
	if profile != "" {
		h.note(p, false, "it counts in the profile %.60q only; import that by a file of its own", profile)
		return
	}
	if len(p.path) < 4 {
		h.note(p, false, "it is not a value of a command or a thread pool")
		return
	}
	switch relaxed(p.path[1]) {
	case "command":
		name, key := named(p.path[2:], hystrixCommand())
		h.commands[name] = append(h.commands[name], entry{p, key})
		if !slices.Contains(h.names, name) {
			h.names = append(h.names, name)
		}
	case "threadpool":
		name, key := named(p.path[2:], hystrixPool())
		h.pools[name] = append(h.pools[name], entry{p, key})
	case "collapser":
		h.note(p, false, "calls are not joined here")
	default:
		h.note(p, false, "it is not a value of a command or a thread pool")
	}
}

// named parts the name, which may hold dots, from the key: the longest end that is a
// known key is one.
func named(path []string, table map[string]setter) (name, key string) {
	for i := 1; i < len(path); i++ {
		key := relaxed(strings.Join(path[i:], "."))
		if _, ok := table[key]; ok {
			return strings.Join(path[:i], "."), key
		}
	}
	return path[0], relaxed(strings.Join(path[1:], "."))
}

func (h *hystrix) targets() map[string]resilience.Settings {
	targets := map[string]resilience.Settings{}
	const base = "default"
	for _, name := range h.names {
		if name == base && len(h.names) > 1 {
			continue
		}
		d := draft{settings: resilience.Settings{Breaker: &resilience.BreakerSettings{Probes: 1}}} // a command has a breaker, with one probe
		h.all(&d, h.commands[base], hystrixCommand())
		if name != base {
			h.all(&d, h.commands[name], hystrixCommand())
		}
		h.all(&d, h.pools[base], hystrixPool())
		if name != base {
			h.all(&d, h.pools[name], hystrixPool())
		}
		if d.queue != nil || d.rejects != nil {
			h.queue(&d)
		}
		if d.off {
			d.settings.Breaker = nil
		}
		targets[name] = d.settings
	}
	for name, entries := range h.pools {
		if _, ok := targets[name]; ok || name == base && len(targets) > 0 {
			continue
		}
		for _, e := range entries {
			h.note(e.property, false, "no command has the thread pool's name; set the bulkhead of the targets that its group calls")
		}
	}
	return targets
}

func (h *hystrix) all(d *draft, entries []entry, table map[string]setter) {
	for _, e := range entries {
		h.apply(d, e.property, table, e.key)
	}
}

// hystrixRejects is the queue's size from which calls are turned away where
// queueSizeRejectionThreshold does not say: its default in Hystrix.
const hystrixRejects = 5

// queue reads maxQueueSize: -1 there means that none waits. As many as that never wait where
// queueSizeRejectionThreshold is less, which was there to be changed at run time.
func (h *hystrix) queue(d *draft) {
	n, bound := 0, hystrixRejects
	var err error
	if d.queue != nil {
		if n, err = d.queue.number(); err != nil {
			h.note(*d.queue, false, "%s", err)
			return
		}
	}
	if d.rejects != nil {
		if bound, err = d.rejects.number(); err != nil {
			h.note(*d.rejects, false, "%s", err)
			return
		}
	}
	if n <= 0 { // none waits here either
		if d.rejects != nil {
			h.note(*d.rejects, false, "no call waits without a maxQueueSize")
		}
		return
	}
	if bound <= 0 {
		h.note(*d.rejects, true, "no call waits")
		return
	}
	if n > bound && d.rejects == nil {
		h.note(*d.queue, true, "the queue holds %d, the default of queueSizeRejectionThreshold, beyond which Hystrix turns calls away", bound)
	}
	before := d.settings.Clone()
	d.bulkhead().Queue = min(n, bound)
	h.check(d, before, *d.queue)
}

func hystrixCommand() map[string]setter {
	const (
		figures = "figures are kept by themselves"
		never   = "a breaker is not forced; remove it, or use fail_open"
	)
	return map[string]setter{
		"circuitbreaker.enabled":                              enabled,
		"circuitbreaker.requestvolumethreshold":               number(func(d *draft) *int { return &d.breaker().MinCalls }),
		"circuitbreaker.errorthresholdpercentage":             percent(func(d *draft) *resilience.Share { return &d.breaker().Failures }),
		"circuitbreaker.sleepwindowinmilliseconds":            span(func(d *draft) *time.Duration { return &d.breaker().Open }),
		"circuitbreaker.forceopen":                            without(never),
		"circuitbreaker.forceclosed":                          without(never),
		"metrics.rollingstats.timeinmilliseconds":             span(func(d *draft) *time.Duration { return &d.breaker().Window }),
		"execution.isolation.thread.timeoutinmilliseconds":    span(func(d *draft) *time.Duration { return &d.settings.Timeout }),
		"execution.timeout.enabled":                           timed,
		"execution.isolation.semaphore.maxconcurrentrequests": number(func(d *draft) *int { return &d.bulkhead().Max }),
		"execution.isolation.strategy":                        without("there are no threads; a bulkhead bounds the calls in flight in either case"),
		"execution.isolation.thread.interruptontimeout":       without("a call whose time is up is always cancelled"),
		"execution.isolation.thread.interruptoncancel":        without("a call whose caller is gone is always cancelled"),
		"fallback.enabled":                                    without("a fallback is what the code or the route names"),
		"fallback.isolation.semaphore.maxconcurrentrequests":  without("a fallback is not bounded; it makes no call unless its code does"),
		"metrics.rollingstats.numbuckets":                     without("a window is always counted in tenths"),
		"metrics.rollingpercentile.enabled":                   without(figures),
		"metrics.rollingpercentile.timeinmilliseconds":        without(figures),
		"metrics.rollingpercentile.numbuckets":                without(figures),
		"metrics.rollingpercentile.bucketsize":                without(figures),
		"metrics.healthsnapshot.intervalinmilliseconds":       without("a breaker decides with each call"),
		"requestcache.enabled":                                without("answers are not kept for the length of a request"),
		"requestlog.enabled":                                  without("calls are seen in traces and logs"),
		"threadpoolkeyoverride":                               without("there are no thread pools to share"),
	}
}

func hystrixPool() map[string]setter {
	const threads = "there are no threads to keep; the bulkhead bounds the calls in flight"
	return map[string]setter{
		"coresize":                                number(func(d *draft) *int { return &d.bulkhead().Max }),
		"maxqueuesize":                            keep(func(d *draft) **property { return &d.queue }),
		"queuesizerejectionthreshold":             keep(func(d *draft) **property { return &d.rejects }),
		"maximumsize":                             without(threads),
		"keepalivetimeminutes":                    without(threads),
		"allowmaximumsizetodivergefromcoresize":   without(threads),
		"metrics.rollingstats.timeinmilliseconds": without("a bulkhead counts without a window"),
		"metrics.rollingstats.numbuckets":         without("a bulkhead counts without a window"),
	}
}

func enabled(d *draft, p property) (bool, string) {
	on, err := p.flag()
	if err != nil {
		return false, err.Error()
	}
	d.off = !on
	return true, ""
}

func timed(_ *draft, p property) (bool, string) {
	on, err := p.flag()
	if err != nil {
		return false, err.Error()
	}
	if !on {
		return false, "every call has a deadline here; the one of its caller counts where it is nearer"
	}
	return true, ""
}

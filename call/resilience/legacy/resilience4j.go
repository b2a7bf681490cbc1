package legacy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/call/resilience"
)

// Resilience4j reads the keys below resilience4j. of an application.yml or
// application.properties of Spring Boot: circuitbreaker, retry, bulkhead,
// thread-pool-bulkhead and timelimiter, with their configs and baseConfig. An instance
// that several of them name is one target. The error says that the file cannot be read
// at all.
func Resilience4j(file string, data []byte) (Import, error) {
	r := r4j{importer: importer{file: file, notes: map[string]Note{}}, sections: map[string]*section{}}
	if err := each(file, data, "resilience4j", r.sort); err != nil {
		return Import{}, err
	}
	return r.result(r.targets()), nil
}

// section is one kind of policy: what its configs and instances say, by name.
type section struct{ configs, instances map[string][]property }

type r4j struct {
	importer
	sections map[string]*section
	names    []string // of instances, in the order of the file
}

// The parts of Resilience4j that are no policy here.
var r4jElsewhere = map[string]string{
	"ratelimiter":       "calls are not limited by a rate here; a server protects itself by its admission, a caller by its bulkhead",
	"micrometer":        "figures come as OpenTelemetry metrics by themselves",
	"metrics":           "figures come as OpenTelemetry metrics by themselves",
	"scheduledexecutor": "policies have no threads of their own",
}

// sort puts one property where it belongs.
func (r *r4j) sort(p property, profile string) {
	if profile != "" {
		r.note(p, false, "it counts in the profile %.60q only; import that by a file of its own", profile)
		return
	}
	if len(p.path) < 2 {
		r.note(p, false, "there is nothing below it")
		return
	}
	kind := relaxed(p.path[1])
	if reason, ok := r4jElsewhere[kind]; ok {
		r.note(p, false, "%s", reason)
		return
	}
	if r4jTable(kind) == nil {
		r.note(p, false, "there is no such policy; known are circuitbreaker, retry, bulkhead, thread-pool-bulkhead and timelimiter")
		return
	}
	empty := len(p.path) == 4 && p.value == "" // an instance that says nothing has the policy all the same
	if len(p.path) < 5 && !empty {
		r.note(p, false, "it is not a value of a config or an instance")
		return
	}
	s := r.sections[kind]
	if s == nil {
		s = &section{map[string][]property{}, map[string][]property{}}
		r.sections[kind] = s
	}
	name, values := p.path[3], []property{p}
	if empty {
		values = nil
	}
	switch relaxed(p.path[2]) {
	case "configs":
		s.configs[name] = append(s.configs[name], values...)
	case "instances", "backends":
		s.instances[name] = append(s.instances[name], values...)
		if !slices.Contains(r.names, name) {
			r.names = append(r.names, name)
		}
	default:
		r.note(p, false, "it is not a value of a config or an instance")
	}
}

func (r *r4j) targets() map[string]resilience.Settings {
	targets := map[string]resilience.Settings{}
	for _, name := range r.names {
		var d draft
		for _, kind := range slices.Sorted(maps.Keys(r.sections)) {
			s, table := r.sections[kind], r4jTable(kind)
			own, used := s.instances[name]
			if !used {
				continue
			}
			for _, p := range slices.Concat(r.base(s, own, 0), own) {
				if key := relaxed(p.path[4]); key != "baseconfig" {
					r.apply(&d, p, table, key)
				}
			}
			switch kind { // also one that only names its base, or nothing
			case "circuitbreaker":
				d.breaker()
			case "bulkhead", "threadpoolbulkhead":
				d.bulkhead()
			}
		}
		r.finish(&d)
		targets[name] = d.settings
	}
	return targets
}

// base returns what the settings named by baseConfig say, those it builds on first;
// where none is named, the config "default".
func (r *r4j) base(s *section, own []property, depth int) []property {
	if depth > 10 {
		r.note(own[0], false, "its baseConfig leads back to itself")
		return nil
	}
	name, named := "default", property{}
	for _, p := range own {
		if relaxed(p.path[4]) == "baseconfig" {
			name, named = p.value, p
		}
	}
	config, ok := s.configs[name]
	switch {
	case !ok && named.line > 0:
		r.note(named, false, "there is no config of that name")
		return nil
	case !ok || depth > 0 && named.line == 0: // a config builds on another only when it says so
		return nil
	}
	return slices.Concat(r.base(s, config, depth+1), config)
}

// finish reads what takes two keys to understand.
func (r *r4j) finish(d *draft) {
	if p := d.windowSize; p != nil {
		before := d.settings.Clone()
		switch n, err := p.number(); {
		case err != nil:
			r.note(*p, false, "%s", err)
		case d.windowType == nil || !strings.EqualFold(d.windowType.value, "TIME_BASED"):
			r.note(*p, false, "it is a number of calls; the breaker here looks back on a time: set window, which is 10s now")
		case n < 1 || n > 3600:
			r.note(*p, false, "%d seconds are no window; it goes from 1 to 3600", n)
		default:
			d.breaker().Window = time.Duration(n) * time.Second
			r.check(d, before, *p)
		}
	}
	r.slow(d)
	if p := d.wait; p != nil {
		before := d.settings.Clone()
		wait, err := p.duration()
		switch {
		case err != nil:
			r.note(*p, false, "%s", err)
		case wait > 0:
			b := d.bulkhead()
			b.Wait = wait
			if b.Queue == 0 {
				b.Queue = max(b.Max, 1)
				r.note(*p, true, "the queue, which has no bound there, holds %d here, as many as may be in flight", b.Queue)
			}
			r.check(d, before, *p)
		}
	}
}

// slow joins the two halves of what a slow call is. Where one is missing,
// Resilience4j's own default gives the other its meaning: 100 % and 60 s.
func (r *r4j) slow(d *draft) {
	if d.slowCalls == nil && d.slowAfter == nil {
		return
	}
	share, after := resilience.Share(1), time.Minute
	var err error
	p := d.slowAfter
	if p != nil {
		if after, err = p.duration(); err != nil || after <= 0 {
			r.note(*p, false, "%.40q is no duration above 0", p.value)
			return
		}
	}
	if d.slowCalls != nil {
		p = d.slowCalls
		if share, err = p.percent(); err != nil {
			r.note(*p, false, "%s", err)
			return
		}
	}
	before := d.settings.Clone()
	b := d.breaker()
	b.SlowCalls, b.SlowAfter = share, after
	r.check(d, before, *p)
}

// r4jTable returns the keys of one kind of policy, nil when there is none of that name.
func r4jTable(kind string) map[string]setter {
	const (
		exceptions = "which errors count is decided by their code here: those that mean the target is at fault"
		events     = "figures and states are kept by themselves"
	)
	switch kind {
	case "circuitbreaker":
		return map[string]setter{
			"failureratethreshold":                         percent(func(d *draft) *resilience.Share { return &d.breaker().Failures }),
			"minimumnumberofcalls":                         number(func(d *draft) *int { return &d.breaker().MinCalls }),
			"waitdurationinopenstate":                      span(func(d *draft) *time.Duration { return &d.breaker().Open }),
			"permittednumberofcallsinhalfopenstate":        probes,
			"slidingwindowsize":                            keep(func(d *draft) **property { return &d.windowSize }),
			"slidingwindowtype":                            keep(func(d *draft) **property { return &d.windowType }),
			"slowcalldurationthreshold":                    keep(func(d *draft) **property { return &d.slowAfter }),
			"slowcallratethreshold":                        keep(func(d *draft) **property { return &d.slowCalls }),
			"automatictransitionfromopentohalfopenenabled": without("an open breaker becomes half-open with the next call"),
			"maxwaitdurationinhalfopenstate":               without("probes that never end are replaced after the open time"),
			"recordexceptions":                             without(exceptions), "ignoreexceptions": without(exceptions),
			"recordfailurepredicate": without(exceptions), "ignoreexceptionpredicate": without(exceptions), "recordresultpredicate": without(exceptions),
			"registerhealthindicator": without(events), "allowhealthindicatortofail": without(events),
			"eventconsumerbuffersize": without(events), "writablestacktraceenabled": without("errors carry no stack"),
			"exponentialbackoffmultiplier": without("the open time is the same each time"), "enableexponentialbackoff": without("the open time is the same each time"),
			"enablerandomizedwait": without("the open time is the same each time"), "randomizedwaitfactor": without("the open time is the same each time"),
			"exponentialmaxwaitdurationinopenstate": without("the open time is the same each time"), "ignoreclassbindingexceptions": without(exceptions),
			"initialstate": without("a breaker begins closed"),
		}
	case "retry":
		const doubles = "pauses double with full jitter here"
		return map[string]setter{
			"maxattempts":              number(func(d *draft) *int { return &d.settings.Retry.Attempts }),
			"maxretryattempts":         number(func(d *draft) *int { return &d.settings.Retry.Attempts }),
			"waitduration":             backoff,
			"enableexponentialbackoff": without(doubles), "exponentialbackoffmultiplier": without(doubles), "exponentialmaxwaitduration": without(doubles),
			"enablerandomizedwait": without(doubles), "randomizedwaitfactor": without(doubles), "intervalbifunction": without(doubles),
			"retryexceptions": without(exceptions), "ignoreexceptions": without(exceptions), "retryexceptionpredicate": without(exceptions),
			"resultpredicate": without(exceptions), "failaftermaxattempts": without("the last attempt's error is returned"),
			"eventconsumerbuffersize": without(events), "writablestacktraceenabled": without("errors carry no stack"),
		}
	case "bulkhead":
		return map[string]setter{
			"maxconcurrentcalls":      number(func(d *draft) *int { return &d.bulkhead().Max }),
			"maxwaitduration":         keep(func(d *draft) **property { return &d.wait }),
			"fairsequence":            without("those that wait are always served in order"),
			"eventconsumerbuffersize": without(events), "writablestacktraceenabled": without("errors carry no stack"),
		}
	case "threadpoolbulkhead":
		const threads = "there are no threads to keep; the bulkhead bounds the calls in flight"
		return map[string]setter{
			"maxthreadpoolsize":  number(func(d *draft) *int { return &d.bulkhead().Max }),
			"queuecapacity":      number(func(d *draft) *int { return &d.bulkhead().Queue }),
			"corethreadpoolsize": without(threads), "keepaliveduration": without(threads), "contextpropagators": without("the context is passed on by itself"),
			"eventconsumerbuffersize": without(events), "writablestacktraceenabled": without("errors carry no stack"),
		}
	case "timelimiter":
		return map[string]setter{
			"timeoutduration":         span(func(d *draft) *time.Duration { return &d.settings.Timeout }),
			"cancelrunningfuture":     cancels,
			"eventconsumerbuffersize": without(events), "writablestacktraceenabled": without("errors carry no stack"),
		}
	}
	return nil
}

func probes(d *draft, p property) (bool, string) {
	carried, reason := number(func(d *draft) *int { return &d.breaker().Probes })(d, p)
	if reason == "" {
		reason = "all of these calls must succeed here for the breaker to close"
	}
	return carried, reason
}

func backoff(d *draft, p property) (bool, string) {
	carried, reason := span(func(d *draft) *time.Duration { return &d.settings.Retry.Backoff })(d, p)
	if reason == "" {
		reason = fmt.Sprintf("%s is the bound of the first pause; it doubles, with full jitter, and retries share the target's budget", d.settings.Retry.Backoff)
	}
	return carried, reason
}

func cancels(_ *draft, p property) (bool, string) {
	if on, err := p.flag(); err != nil || !on {
		return false, "a call whose time is up is always cancelled"
	}
	return true, ""
}

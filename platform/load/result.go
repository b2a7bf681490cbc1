package load

import (
	"fmt"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/load/latency"
)

// Result is what came of a plan. A visit counts once: as OK, Failed, Dropped or Cut.
type Result struct {
	Began    time.Time     `json:"began"` // of the first stage
	Elapsed  time.Duration `json:"elapsed_ns"`
	Seed     uint64        `json:"seed"`           // repeats the arrivals and the choices
	Void     string        `json:"void,omitempty"` // why nothing here may be believed; "" is a good measurement
	Offered  int64         `json:"offered"`        // visitors who arrived
	OK       int64         `json:"ok"`             // visits whose every step succeeded
	Failed   int64         `json:"failed"`         // visits of which a step failed, those shed included
	Shed     int64         `json:"shed"`           // visits that ended with a refusal for want of room, or by a rate limit
	Dropped  int64         `json:"dropped"`        // visitors for whom the generator had no room
	Cut      int64         `json:"cut"`            // visits ended by the caller's context
	Requests int64         `json:"requests"`       // made and not cut off

	// Of all requests that ended, failed ones too. Response counts from when a request was
	// meant to be sent, Service from when it was.
	Response Times `json:"response"`
	Service  Times `json:"service"`
	Lag      Times `json:"lag"` // from a visitor's time of arrival until the generator let it in

	Steps      []Requests    `json:"steps"`      // in the plan's order
	Priorities []Requests    `json:"priorities"` // the most important first
	Interval   time.Duration `json:"interval_ns"`
	Series     []Interval    `json:"series"` // by time of arrival
	Failures   []string      `json:"failures,omitempty"`
	SLO        []Verdict     `json:"slo,omitempty"`
}

// Requests are the requests of one step, or of one priority.
type Requests struct {
	Flow     string           `json:"flow,omitempty"`
	Step     string           `json:"step,omitempty"`
	Priority string           `json:"priority,omitempty"`
	Requests int64            `json:"requests"`
	Failed   int64            `json:"failed"`
	Shed     int64            `json:"shed"`
	Status   map[string]int64 `json:"status"`
	Response Times            `json:"response"`
	Service  Times            `json:"service"`
}

// Interval counts the visits that arrived in one interval.
type Interval struct {
	Offered int64 `json:"offered"`
	OK      int64 `json:"ok"`
	Failed  int64 `json:"failed"`
	Shed    int64 `json:"shed"`
	Dropped int64 `json:"dropped"`
	Cut     int64 `json:"cut"`
}

// Verdict is one target of an SLO, and whether it held.
type Verdict struct {
	What     string `json:"what"`
	Target   string `json:"target"`
	Measured string `json:"measured"`
	Held     bool   `json:"held"`
}

// Held reports whether the result is valid and every target of its SLO held; a plan
// without SLO wants at least that somebody came and nobody failed.
func (r Result) Held() bool {
	for _, v := range r.SLO {
		if !v.Held {
			return false
		}
	}
	if len(r.SLO) == 0 {
		return r.Void == "" && r.OK > 0 && r.Failed+r.Dropped == 0
	}
	return r.Void == ""
}

// Err returns nil where Held is true, else one line that says why not.
func (r Result) Err() error {
	var why []string
	if r.Void != "" {
		why = append(why, "the result is void: "+r.Void)
	}
	for _, v := range r.SLO {
		if !v.Held {
			why = append(why, fmt.Sprintf("%s (%s, wanted %s)", v.What, v.Measured, v.Target))
		}
	}
	switch {
	case r.Held():
		return nil
	case len(why) == 0 && r.OK == 0 && r.Failed+r.Dropped == 0:
		why = append(why, "nobody came to an end")
	case len(why) == 0:
		why = append(why, fmt.Sprintf("%d of %d visits failed and %d were dropped", r.Failed, r.Offered-r.Cut, r.Dropped))
	}
	return fmt.Errorf("not held: %s", strings.Join(why, "; "))
}

// Lost returns the share of the visits that failed or were dropped, of those that were
// not cut off.
func (r Result) Lost() Share { return lost(r.Offered, r.Cut, r.Failed+r.Dropped) }

// Lost returns the same for one interval.
func (i Interval) Lost() Share { return lost(i.Offered, i.Cut, i.Failed+i.Dropped) }

func lost(offered, cut, failed int64) Share {
	if offered == cut {
		return 0
	}
	return Share(float64(failed) / float64(offered-cut))
}

// judge compares a result with the targets that are set.
func (s SLO) judge(r Result) (list []Verdict) {
	for _, one := range []struct {
		name           string
		most, measured time.Duration
	}{
		{"p50", s.P50, r.Response.P50},
		{"p90", s.P90, r.Response.P90},
		{"p99", s.P99, r.Response.P99},
		{"p99.9", s.P999, r.Response.P999},
	} {
		if one.most > 0 {
			list = append(list, Verdict{
				"response " + one.name, "<= " + one.most.String(), latency.Short(one.measured),
				r.Response.Count > 0 && one.measured <= one.most,
			})
		}
	}
	if s.Failed != nil {
		measured := fmt.Sprintf("%s (%d of %d)", r.Lost(), r.Failed+r.Dropped, r.Offered-r.Cut)
		list = append(list, Verdict{"failed or dropped", "<= " + s.Failed.String(), measured, r.Offered > r.Cut && r.Lost() <= *s.Failed})
	}
	return list
}

package live

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/load"
)

// Margin returns how long requests come before a trouble of some length, and after it:
// 2 s, or as long as the trouble when that is shorter.
func Margin(trouble time.Duration) time.Duration { return min(2*time.Second, trouble) }

// Traffic is a plan that runs.
type Traffic struct {
	unsafe map[[2]string]bool // the requests that may not be repeated, by flow and step
	run    sync.WaitGroup
	result load.Result
	err    error
}

// lag is what the generator may be late: these drills judge what became of requests, not
// how long they took.
const lag = time.Second

// Begin lets a plan's visitors arrive at a rate for so long, beside what the drill does.
func Begin(ctx context.Context, plan load.Plan, rate load.Rate, length time.Duration) *Traffic {
	t := &Traffic{unsafe: map[[2]string]bool{}}
	plan.Stages = []load.Stage{{Rate: rate, For: length}}
	plan.Flows = t.named(plan.Flows)
	t.run.Go(func() { t.result, t.err = load.Run(ctx, plan, load.Config{MaxLag: lag}) })
	return t
}

// named gives flows and steps their names, by which a result tells of them, and notes
// which may not be repeated.
func (t *Traffic) named(flows []load.Flow) []load.Flow {
	out := slices.Clone(flows)
	for i, f := range out {
		if f.Name == "" {
			out[i].Name = "flow"
			if len(out) > 1 {
				out[i].Name = fmt.Sprintf("flow %d", i+1)
			}
		}
		out[i].Steps = slices.Clone(f.Steps)
		for j, s := range f.Steps {
			if s.Name == "" && s.Call == nil {
				out[i].Steps[j].Name = cmp.Or(s.Method, http.MethodGet) + " " + s.Path
			}
			if !Repeatable(f, s) {
				t.unsafe[[2]string{out[i].Name, out[i].Steps[j].Name}] = true
			}
		}
	}
	return out
}

// Repeatable reports whether a step may be sent again when it is not known what became of
// it: by its method, or as it has an Idempotency-Key. What is no HTTP request is taken to
// be.
func Repeatable(f load.Flow, s load.Step) bool {
	switch strings.ToUpper(s.Method) {
	case http.MethodPost, http.MethodPatch, http.MethodConnect:
	default:
		return true
	}
	for _, headers := range []map[string]string{f.Headers, s.Headers} {
		for name := range headers {
			if strings.EqualFold(name, "Idempotency-Key") {
				return true
			}
		}
	}
	return s.Call != nil
}

// End waits for the last visitor.
func (t *Traffic) End() (load.Result, error) {
	t.run.Wait()
	return t.result, t.err
}

// NoneFailed ends the traffic and adds its rows: no request failed that may be repeated,
// those that may not be were done or refused in words, and there were some. The targets
// of the plan's own SLO follow.
func (t *Traffic) NoneFailed(r *drill.Report, what string) error {
	got, err := t.End()
	if err != nil {
		return err
	}
	asked, failed, unknown, codes := t.unsafely(got)
	lost := got.Failed - failed + got.Dropped
	r.Add(what+": failed requests", "0", fmt.Sprintf("%d of %d", lost, got.Offered), lost == 0 && got.OK > 0 && got.Void == "")
	if asked > 0 {
		r.Add(what+": requests that may not be repeated", "done, or 502, 503 or 504 in their time", Codes(codes...), unknown == 0)
	}
	for _, v := range got.SLO {
		r.Add(what+": "+v.What, v.Target, v.Measured, v.Held)
	}
	Tell(r, what, got)
	return nil
}

// unsafely counts the requests that may not be repeated, those of them that failed, and
// those of whom it was not said what became of them.
func (t *Traffic) unsafely(got load.Result) (asked, failed, unknown int64, codes []load.Requests) {
	for _, s := range got.Steps {
		if !t.unsafe[[2]string{s.Flow, s.Step}] {
			continue
		}
		asked, failed = asked+s.Requests, failed+s.Failed
		unknown += s.Failed - min(s.Failed, s.Status["502"]+s.Status["503"]+s.Status["504"])
		codes = append(codes, s)
	}
	return asked, failed, unknown, codes
}

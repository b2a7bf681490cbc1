package saga

import (
	"context"
	"time"

	"github.com/musterdev/muster/data/saga/internal/held"
	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/saga/internal/watch"
)

// job is a saga for a worker.
type job struct {
	at, to table.Row // where it is, and where the step takes it
	lease  held.Lease
	why    Event
	move   table.Move
}

// job returns one for a saga.
func (r *run) job(at table.Row) *job {
	j, ok := r.spare.Get().(*job)
	if !ok {
		j = &job{}
	}
	j.at = at
	return j
}

// open writes a saga that begins as this run's own, for which a worker was reserved, and
// has it carried on.
func (r *run) open(ctx context.Context, first table.Row) (err error) {
	defer func() {
		r.held.Release(&r.worker)
		if err != nil {
			r.free()
		}
	}()
	asked := time.Now()
	first.Owner, first.Fence, first.Created = r.name, 1, asked.UnixMilli()
	j := r.job(first)
	if err = r.table.Open(ctx, &j.at); err != nil {
		return err // written nevertheless, it is nobody's, and let go of at the second beat
	}
	r.begin(j, asked)
	return nil
}

// begin has a worker carry on a saga that was claimed: one that is there, whose stack has grown
// already, or a new one.
func (r *run) begin(j *job, asked time.Time) {
	r.held.Add(&j.lease, &j.at, asked)
	select {
	case r.idle <- j:
	default:
		r.worker.Go(func() { r.work(j) })
	}
}

// work carries on one saga after the other until the run is about to end.
func (r *run) work(j *job) {
	for {
		r.carry(j)
		select {
		case j = <-r.idle:
		case <-r.until.Done():
			return
		}
	}
}

func (r *run) carry(j *job) {
	suspect := j.at.Lost >= table.Suspect
	var d *plan.Definition // of one that is carried on no more
	defer func() {
		r.held.Remove(&j.at, &j.lease)
		if suspect {
			r.Wake()
		}
		r.free()
		if d != nil { // who begins another at once finds the worker free
			r.ended(watch.WithTrace(r.steps, j.at.Trace), d, &j.at, &j.to)
			r.spare.Put(j)
		}
	}()
	d = r.carryOn(j)
}

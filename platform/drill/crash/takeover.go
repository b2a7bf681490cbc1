package crash

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/supervise/instance"
)

// holding is a saga that somebody has, as its row says.
type holding struct {
	name, id string
	owner    string // the engine: the instance, and a word of its run
	fence    int64
}

// held returns the sagas that an instance has.
func (o Orchestrator) held(ctx context.Context, instance string) ([]holding, error) {
	rows, err := o.DB.QueryContext(ctx, `SELECT name, id, owner, fence FROM muster_saga WHERE owner <> ''`)
	if err != nil {
		return nil, fmt.Errorf("who holds the sagas of %s: %w", o.Service, err)
	}
	defer func() { _ = rows.Close() }() // it was only read
	var list []holding
	for rows.Next() {
		var h holding
		if err := rows.Scan(&h.name, &h.id, &h.owner, &h.fence); err != nil {
			return nil, err
		}
		if strings.HasPrefix(h.owner, instance+"/") {
			list = append(list, h)
		}
	}
	return list, rows.Err()
}

// taken reports whether somebody else has, or had, a saga since: each claim raises the fence.
// gone says that its holder let go of it before it died, so that there was nothing to take.
func (o Orchestrator) taken(ctx context.Context, h holding) (taken, gone bool, err error) {
	var owner string
	var fence int64
	err = o.DB.QueryRowContext(ctx, `SELECT owner, fence FROM muster_saga WHERE name = $1 AND id = $2`, h.name, h.id).Scan(&owner, &fence)
	if err == sql.ErrNoRows {
		return false, false, fmt.Errorf("the saga %s/%s is not there any more", h.name, h.id)
	}
	return fence > h.fence, fence == h.fence && owner != h.owner, err
}

const (
	lookEvery = 10 * time.Millisecond // at sagas that are to be taken over
	chanceFor = time.Second           // how long a moment is waited for at which the victim holds a saga
)

// killer is drill.Killer for the fleet: it spares for a while who is broken otherwise, and
// watches what becomes of the sagas of a holder.
type killer struct {
	*breaking
	ctx context.Context //nolint:containedctx // drill.Killer has none; it ends with the drill
}

// Victims leaves out orchestrators that something is being done to, and where nobody's
// death was measured yet all others.
func (k killer) Victims() map[string][]string {
	victims := k.Killer.Victims()
	k.mu.Lock()
	defer k.mu.Unlock()
	kinds, first := map[string][]string{}, map[string][]string{}
	for kind, ids := range victims {
		if _, counted := k.result.Kills[kind]; !counted {
			k.result.Kills[kind] = 0
		}
		switch i := k.orchestrator(kind); {
		case i < 0:
			kinds[kind] = ids
		case k.busy[kind] == 0 && !k.away:
			kinds[kind], first[kind] = ids, ids
		}
	}
	if k.result.Orphans == 0 && len(first) > 0 {
		return first
	}
	return kinds
}

func (b *breaking) orchestrator(service string) int {
	return slices.IndexFunc(b.Orchestrators, func(o Orchestrator) bool { return o.Service == service })
}

// Kill kills an instance; one that carries on sagas when it holds some, if that comes about.
func (k killer) Kill(id string) error {
	for _, s := range k.Fleet.Status().Services {
		i := slices.IndexFunc(s.Instances, func(i instance.Status) bool { return i.ID == id })
		if n := k.orchestrator(s.Name); i >= 0 && n >= 0 {
			return k.killHolder(k.Orchestrators[n], s.Instances[i])
		}
	}
	at := time.Now()
	if err := k.Killer.Kill(id); err != nil {
		return err
	}
	k.tell(at, "kill -9 of %s", id)
	return nil
}

// killHolder keeps others from the service until its sagas have gone on.
func (k killer) killHolder(o Orchestrator, victim instance.Status) error {
	if !k.take([]string{o.Service}, false) {
		return fmt.Errorf("%s is broken otherwise", o.Service)
	}
	free := func() { k.leave([]string{o.Service}, false) }
	live.Until(k.ctx, chanceFor, func() bool {
		list, err := o.held(k.ctx, victim.ID)
		return err != nil || len(list) > 0
	})
	at := time.Now()
	if err := k.Killer.Kill(victim.ID); err != nil {
		free()
		return err
	}
	dead := func() bool {
		return !slices.ContainsFunc(live.Ready(k.Fleet, o.Service), func(i instance.Status) bool { return i.PID == victim.PID })
	}
	live.Until(k.ctx, chanceFor, dead)
	orphans, err := o.held(k.ctx, victim.ID) // of what the dead has nothing more is written
	if err != nil {
		k.tell(at, "kill -9 of %s (what it held is not known: %v)", victim.ID, err)
		free()
		return nil
	}
	k.tell(at, "kill -9 of %s, which held %d sagas", victim.ID, len(orphans))
	k.mu.Lock()
	k.result.Orphans += len(orphans)
	k.mu.Unlock()
	k.watches.Go(func() {
		defer free()
		k.watch(o, orphans, at)
	})
	return nil
}

// watch measures how long it takes until each saga of a dead holder is somebody else's.
func (k killer) watch(o Orchestrator, orphans []holding, since time.Time) {
	ctx, cancel := context.WithDeadline(k.ctx, since.Add(k.Settled))
	defer cancel()
	for len(orphans) > 0 && live.Pause(ctx, lookEvery) == nil {
		orphans = slices.DeleteFunc(orphans, func(h holding) bool {
			taken, gone, err := o.taken(ctx, h)
			if err != nil { // the database may be busy: it is asked again
				return false
			}
			k.mu.Lock()
			defer k.mu.Unlock()
			if taken {
				k.result.Takeovers = append(k.result.Takeovers, time.Since(since))
			}
			if gone { // its last words came after all
				k.result.Orphans--
			}
			return taken || gone
		})
	}
}

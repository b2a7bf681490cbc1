package projection

import (
	"context"
	"strings"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// Note says who interfered and why. Both are kept with the build.
type Note struct {
	By  string `json:"by"`  // 1 to 100 bytes
	Why string `json:"why"` // 1 to 1000 bytes
}

func (n Note) check() error {
	const by, why = 100, 1000
	for field, text := range map[string]string{"by": n.By, "why": n.Why} {
		most := map[string]int{"by": by, "why": why}[field]
		if strings.TrimSpace(text) == "" || len(text) > most || strings.ToValidUTF8(text, "") != text || strings.ContainsRune(text, 0) {
			return problem.New(problem.InvalidArgument, "say who interferes with the read model, and why: %q is missing, or too long", field).WithField(field, "1 to 100 bytes, and 1 to 1000")
		}
	}
	return nil
}

// Rebuild makes a new build by this code, which takes the place of the one that is read when it is complete. One that grows already is given up
// for it. It returns when it is begun, and replicas that run go on with it.
func (p *Projection) Rebuild(ctx context.Context, n Note) error {
	if err := n.check(); err != nil {
		return err
	}
	err := p.begin(ctx, n, func(all []build) (abandon []build, needed bool) {
		for _, b := range all {
			if b.code == p.Build && b.state == building {
				abandon = append(abandon, b)
			}
		}
		return abandon, true
	})
	p.wake()
	return err
}

// Accept has the build of this code that grows take its place as it is, when it has caught up, though events failed or are missing. Without one it is
// failed_precondition.
func (p *Projection) Accept(ctx context.Context, n Note) error {
	if err := n.check(); err != nil {
		return err
	}
	var accepted int64
	err := p.do(ctx, func(ctx context.Context, t tx.Tx) (err error) {
		accepted, err = affected(t.ExecContext(ctx, `UPDATE muster_projection_build SET accepted = 1, asked_by = $1, why = $2 WHERE projection = $3 AND code = $4 AND state = '`+building+`'`,
			n.By, n.Why, p.Name, p.Build))
		return err
	})
	if err == nil && accepted == 0 {
		return problem.New(problem.FailedPrecondition, "no build of %s by the code %d waits to be read", p.Name, p.Build)
	}
	p.log.WarnContext(ctx, "a person wants a build of the read model as it is", "by", n.By, "why", n.Why)
	return err
}

// wake has Run look now.
func (p *Projection) wake() {
	select {
	case p.bell <- struct{}{}:
	default: // it has rung
	}
}

package projection

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// Read runs fn in a transaction that only reads, on the build that is read: the latest one that was complete, of this code or of an older
// one, which v says. Whatever takes its place meanwhile, fn sees one of them, as it was at one moment. Where there is none yet the
// error is unavailable. It needs no Run.
func (p *Projection) Read(ctx context.Context, fn func(ctx context.Context, t tx.Tx, v View) error) error {
	return tx.Read(ctx, p.DB, func(ctx context.Context, t *sql.Tx) error {
		all, err := p.builds(ctx, t)
		if err != nil {
			return err
		}
		b := read(all, p.Build)
		if b == nil {
			return p.none()
		}
		return fn(ctx, t, b.view())
	})
}

func (p *Projection) none() error {
	return problem.New(problem.Unavailable, "%s is being built for the first time", p.Name)
}

// Token names an event, so that who appended it can wait until the read model has it. The events that a transaction appends are known by
// name when it makes them itself: bus.Topic.Msg and outbox.AppendMsg; Source is that of the relay.
type Token struct{ Source, ID string }

// TokenOf returns the token of a message.
func TokenOf(m bus.Msg) Token { return Token{m.Source, m.ID} }

// String returns a text for ParseToken of visible ASCII and one space, to be handed to the client and back.
func (t Token) String() string { return t.Source + " " + t.ID }

// ParseToken reads what Token.String returned; what is no token is invalid_argument.
func ParseToken(s string) (Token, error) {
	source, id, ok := strings.Cut(s, " ")
	m := bus.Msg{ID: id, Source: source, Topic: "a.b"}
	if !ok || m.Validate() != nil {
		return Token{}, problem.New(problem.InvalidArgument, "%.80q names no event: source, a space and id are expected", s)
	}
	return Token{source, id}, nil
}

// WaitFor returns when the build that is read has an event, so that who wrote reads what he wrote: the Read that follows sees it, whichever
// build it is given. Bound ctx: an event that is of no topic here, or that failed, is waited for as long. When ctx ends first the error is its own.
func (p *Projection) WaitFor(ctx context.Context, token Token) error {
	if token.Source == "" || token.ID == "" {
		return problem.New(problem.InvalidArgument, "an event is waited for by source and id; given are %q and %q", token.Source, token.ID)
	}
	const slowest = 100 * time.Millisecond // others apply events too
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, slowest) {
		p.mu.Lock()
		change := p.change
		p.mu.Unlock()
		var has int
		err := p.DB.QueryRowContext(ctx, `SELECT count(*) FROM muster_projection_note n WHERE n.projection = $1 AND n.build = `+isRead+` AND n.source = $3 AND n.id = $4`,
			p.Name, p.Build, token.Source, token.ID).Scan(&has)
		switch {
		case err == nil && has > 0:
			return nil
		case err == nil:
		case ctx.Err() != nil:
			return p.late(ctx, token)
		default:
			return explained(err)
		}
		if !pause(ctx, wait, change) {
			return p.late(ctx, token)
		}
	}
}

func (p *Projection) late(ctx context.Context, token Token) error {
	return fmt.Errorf("projection: %s has not had the event %s of %s yet: %w", p.Name, token.ID, token.Source, context.Cause(ctx))
}

package kafka

import (
	"context"
	"errors"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/musterdev/muster/drivers/kafka/internal/request"
	"github.com/musterdev/muster/drivers/kafka/internal/wire"

	"github.com/musterdev/muster/bus/away"
)

// write writes the places of lanes, those of all that changed in one request, until ctx
// ends. What cannot be written is tried for as long as the lane is here: the broker
// refuses it when it is not.
func (x *session) write(ctx context.Context) {
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-x.dirty:
		}
		x.mu.Lock()
		all := map[int]wire.Place{}
		lanes := map[int]*lane{}
		versions := map[int]uint64{}
		for n, l := range x.lanes {
			if l.version != l.written {
				all[n], lanes[n], versions[n] = l.place, l, l.version
			}
		}
		member, generation := x.member, x.generation
		x.mu.Unlock()
		if len(all) == 0 {
			continue
		}
		became, err := request.Commit(ctx, x.client, x.owner, x.Group, member, generation, all)
		x.mu.Lock()
		for n, l := range lanes {
			switch e := became[n]; {
			case err != nil || l.gone:
			case e == nil:
				l.wrote(versions[n])
			default:
				err = e
			}
		}
		x.mu.Unlock()
		if err == nil {
			failures = 0
			continue
		}
		if errors.Is(err, kerr.UnknownMemberID) || errors.Is(err, kerr.IllegalGeneration) {
			x.signal(x.again) // to see whose the lanes are
		}
		level := slog.LevelDebug
		if errors.Is(err, wire.ErrPlace) {
			level = slog.LevelError
		}
		x.log.Log(ctx, level, "the group's place could not be written; trying again", "error", err)
		if away.Rest(ctx, away.Pause(failures)) != nil {
			return
		}
		failures++
		x.signal(x.dirty)
	}
}

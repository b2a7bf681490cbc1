package away_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/bus/away"
)

func ExamplePause() {
	first, later := away.Pause(0), away.Pause(100)
	fmt.Println(first > 75*time.Millisecond && first <= away.FirstPause, later > 375*time.Millisecond && later <= away.LongPause)
	// Output: true true
}

func ExampleRest() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	fmt.Println(away.Rest(ctx, time.Hour), away.Rest(context.Background(), 0))
	// Output: context canceled <nil>
}

func TestPausesGrowToTheLongest(t *testing.T) {
	for failures, millis := range map[int]int{-1: 100, 0: 100, 1: 200, 2: 400, 3: 500, 8: 500, 1 << 40: 500} {
		most := time.Duration(millis) * time.Millisecond
		for range 100 {
			if d := away.Pause(failures); d > most || d <= most*3/4 {
				t.Errorf("after %d failures: %s", failures, d)
			}
		}
	}
}

func TestWhoGivesUpIsToldWhy(t *testing.T) {
	why := errors.New("it is full")
	for _, c := range []struct {
		last error
		want string
	}{{nil, "nats: the broker at host:1 is away: context canceled"}, {why, "nats: the broker at host:1 did not do it in time: it is full: context canceled"}} {
		err := error(&away.GaveUpError{Driver: "nats", Broker: "host:1", Ended: context.Canceled, Last: c.last})
		if err.Error() != c.want || !errors.Is(err, context.Canceled) || c.last != nil && !errors.Is(err, why) {
			t.Error(err)
		}
	}
}

// A broker that is away is said after three seconds and then every thirty; one that comes
// and goes, each time.
func TestWhatIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		began := time.Now()
		log := slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Duration("at", time.Since(began))
			}
			return a
		}}))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Second+time.Millisecond)
		defer cancel()
		good, bad, again := 0, 0, 0
		away.Watch{
			Every: time.Second, Log: log,
			Ping: func(context.Context) error {
				if at := time.Since(began); at >= 70*time.Second && at < 80*time.Second {
					return nil
				}
				return errors.New("refused")
			},
			Seen: func(_ context.Context, err error, first bool) {
				if err == nil {
					good++
				} else {
					bad++
				}
				if first {
					again++
				}
			},
		}.Run(ctx)
		var lines []string
		for line := range strings.Lines(said.String()) {
			at, rest, _ := strings.Cut(strings.TrimPrefix(line, "at="), " ")
			_, msg, _ := strings.Cut(rest, `msg="`)
			lines = append(lines, at+" "+strings.Fields(msg)[0]+" "+strings.Fields(msg)[1])
		}
		const want = "3s the broker, 33s the broker, 1m3s the broker, 1m10s connected to, 1m20s the connection, 1m23s the broker"
		if got := strings.Join(lines, ", "); got != want || good != 10 || bad != 91 || again != 1 {
			t.Errorf("%s; %d good, %d bad, %d again", got, good, bad, again)
		}
	})
}

package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/cloudevents"
	"github.com/musterdev/muster/problem"
)

// The bounds of one POST.
const (
	postWait   = 15 * time.Second
	mostAnswer = 64 << 10  // bytes of an answer that are read
	mostAsked  = time.Hour // of Retry-After
)

// poster posts events to one service, and is the parking of its consumer: what the
// service said about when to try again goes with what is parked.
type poster struct {
	service string
	client  *http.Client
	parking bus.Parking

	mu       sync.Mutex
	failures map[string]failure // of the tries that were not recorded yet, by source and id
}

var (
	_ bus.Parking = (*poster)(nil)
	_ bus.Keeper  = (*poster)(nil)
)

// failure is what is known of a try that failed besides its error.
type failure struct {
	away  bool          // the service was not there, or busy: the event is not to blame
	after time.Duration // not sooner
}

func nameOf(m bus.Msg) string { return m.Source + " " + m.ID }

// to returns the handler that posts to a path: 2xx is done; 408, 425, 429, 5xx and no
// answer at all is tried again; what else is answered is final.
func (p *poster) to(path string) bus.Handler {
	return func(ctx context.Context, d bus.Delivery) error {
		ctx, cancel := context.WithTimeout(ctx, postWait)
		defer cancel()
		p.take(d.Msg) // what was known of a try before is out of date
		r, err := cloudevents.NewRequest(ctx, "http://"+p.service+path, d.Msg)
		if err != nil {
			return bus.Final(err)
		}
		answer, err := p.client.Do(r) //nolint:bodyclose // below
		if err != nil {
			p.failed(d.Msg, failure{away: true})
			return fmt.Errorf("POST to %s: %w", p.service, err)
		}
		defer func() {
			_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, mostAnswer)) // so that the connection can be used again
			_ = answer.Body.Close()
		}()
		if answer.StatusCode/100 == 2 {
			return nil
		}
		said := problem.FromResponse(answer)
		if said == nil { // below 400
			return bus.Final(fmt.Errorf("POST to %s%s answered %d, which is neither success nor a redirect within the service", p.service, path, answer.StatusCode))
		}
		err = fmt.Errorf("POST to %s%s answered %d: %w", p.service, path, answer.StatusCode, said)
		switch s := answer.StatusCode; {
		case s == http.StatusRequestTimeout, s == http.StatusTooEarly, s == http.StatusTooManyRequests, s == http.StatusServiceUnavailable:
			p.failed(d.Msg, failure{away: true, after: retryAfter(said)})
			return err
		case s >= 500:
			p.failed(d.Msg, failure{after: retryAfter(said)})
			return err
		}
		return bus.Final(err)
	}
}

func retryAfter(err error) time.Duration {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return min(max(p.RetryAfter, 0), mostAsked)
	}
	return 0
}

func (p *poster) failed(m bus.Msg, f failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures[nameOf(m)] = f
}

// take returns what is known of the last try of a message.
func (p *poster) take(m bus.Msg) failure {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.failures[nameOf(m)]
	delete(p.failures, nameOf(m))
	return f
}

// Held is the store's.
func (p *poster) Held(ctx context.Context, group, key string) (bool, error) {
	return p.parking.Held(ctx, group, key)
}

// Park stores a message for the time that the service asked for, or later.
func (p *poster) Park(ctx context.Context, m bus.Parked) error {
	if f := p.take(m.Msg); m.Attempts > 0 && !m.Dead {
		if at := time.Now().Add(f.after); m.Next.Before(at) {
			m.Next = at
		}
	}
	return p.parking.Park(ctx, m)
}

// Due is the store's.
func (p *poster) Due(ctx context.Context, group string, most int) ([]bus.Parked, error) {
	return p.parking.Due(ctx, group, most)
}

// Settle records a try. An event is not dead because its service was away for long.
func (p *poster) Settle(ctx context.Context, m bus.Parked, o bus.Outcome) error {
	f := p.take(m.Msg)
	if !o.Done && o.Dead && f.away {
		o.Dead, o.After = false, longest
	}
	if !o.Done && !o.Dead {
		o.After = max(o.After, f.after)
	}
	return p.parking.Settle(ctx, m, o)
}

// Keep is the store's.
func (p *poster) Keep(ctx context.Context, m bus.Parked) error {
	if k, ok := p.parking.(bus.Keeper); ok {
		return k.Keep(ctx, m)
	}
	return errors.ErrUnsupported
}

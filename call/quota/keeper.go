package quota

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

// MaxCallers is how many callers a Keeper tells apart; those beyond share one Bucket,
// as do all who do not give a valid name.
const MaxCallers = 256

// Others is the name, in what a Keeper tells, of all callers that are not told apart.
const Others = "others"

// Keeper holds the callers of one server to their [Limits]. The zero value lets all
// through. A nil Keeper does too. Safe for concurrent use.
type Keeper struct {
	on atomic.Bool // limits are set

	mu      sync.Mutex
	limits  Limits
	servers int
	callers map[string]*caller
	others  caller
	swept   time.Time
}

// caller is what is known of one, or of all that are not told apart.
type caller struct {
	bucket           Bucket
	allowed, refused uint64
	last             time.Time // when one was refused
}

// Set has other limits count from now on; servers is how many instances keep to them
// together, each to its part, 0 meaning one. What callers have asked for already counts.
func (k *Keeper) Set(l Limits, servers int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.limits, k.servers = l, max(1, servers)
	k.on.Store(!l.IsZero())
}

// On reports whether there are limits: while there are none, nothing need be asked.
func (k *Keeper) On() bool { return k != nil && k.on.Load() }

// Over is the error of a call of somebody who asks too much. Nothing was done for it.
type Over struct {
	Caller  string        // "" when it did not say who it is
	Rate    Rate          // what this server lets it ask: its share of All
	All     Rate          // what it may ask of all servers together
	Servers int           // how many these are
	Wait    time.Duration // until it may ask again
}

// Error says who asks how much too much.
func (o *Over) Error() string {
	return fmt.Sprintf("%s asks for more than %s", cmp.Or(o.Caller, "a caller that gives no name"), o.All.Part(o.Servers))
}

// Problem is what the caller is told: resource_exhausted, and when to ask again.
func (o *Over) Problem() *problem.Error {
	who := "a caller that gives no name"
	if o.Caller != "" {
		who = fmt.Sprintf("%q", o.Caller)
	}
	return problem.Wrap(o, problem.ResourceExhausted, "%s may ask this instance for no more than %s; nothing was done", who, o.All.Part(o.Servers)).WithRetryAfter(o.Wait)
}

// Fields returns the HTTP fields RateLimit-Policy and RateLimit, as the draft
// draft-ietf-httpapi-ratelimit-headers has them: how many may come at once (q) and in how
// many seconds as many come again (w); none are left (r), and when there is one (t).
func (o *Over) Fields() (policy, limit string) {
	name := cmp.Or(o.Caller, Others)
	window := time.Duration(o.Rate.AtOnce()) * o.Rate.interval()
	return fmt.Sprintf("%q;q=%d;w=%d", name, o.Rate.AtOnce(), seconds(window)), fmt.Sprintf("%q;r=0;t=%d", name, seconds(o.Wait))
}

// seconds rounds up to whole ones: who waits for so long does not come too soon.
func seconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }

// Admit takes one call of a caller, who is named as its calls say, off what it may ask.
// The error is *[Over].
func (k *Keeper) Admit(now time.Time, name string) error {
	if !k.On() {
		return nil
	}
	if !discovery.ValidName(name) {
		name = ""
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.caller(now, name)
	said := k.limits.Of(name)
	r := said.Share(k.servers)
	ok, wait := c.bucket.Allow(now, r, 1)
	if ok {
		c.allowed++
		return nil
	}
	c.refused++
	c.last = now
	return &Over{Caller: name, Rate: r, All: said, Servers: k.servers, Wait: wait}
}

// caller returns what is known of a caller; the lock is held.
func (k *Keeper) caller(now time.Time, name string) *caller {
	if name == "" {
		return &k.others
	}
	if c := k.callers[name]; c != nil {
		return c
	}
	_, said := k.limits.From[name]
	if len(k.callers) >= MaxCallers && !said { // those that are named have their place always
		k.sweep(now)
		if len(k.callers) >= MaxCallers {
			return &k.others
		}
	}
	if k.callers == nil {
		k.callers = map[string]*caller{}
	}
	c := &caller{}
	k.callers[name] = c
	return c
}

// sweep forgets callers of which nothing counts any more, once a second at most.
func (k *Keeper) sweep(now time.Time) {
	if now.Sub(k.swept) < time.Second && !k.swept.IsZero() {
		return
	}
	k.swept = now
	for name, c := range k.callers {
		if _, said := k.limits.From[name]; said || !c.bucket.Idle(now) {
			continue
		}
		k.others.allowed += c.allowed
		k.others.refused += c.refused
		delete(k.callers, name)
	}
}

// Stats tell how one caller stands with a server. Counts are since its start, or since
// limits were first set.
type Stats struct {
	Caller  string    `json:"caller"`
	Rate    Rate      `json:"rate"`    // at this server: its share of All
	All     Rate      `json:"all"`     // at all servers together
	Servers int       `json:"servers"` // how many these are
	Allowed uint64    `json:"allowed"`
	Refused uint64    `json:"refused"`
	Last    time.Time `json:"last_refused,omitzero"`
}

// Stats returns how all callers stand, by name, those that are not told apart at the
// end; nothing while there are no limits.
func (k *Keeper) Stats() []Stats {
	if !k.On() {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	list := make([]Stats, 0, len(k.callers)+1)
	for name, c := range k.callers {
		list = append(list, c.stats(name, k.limits.Of(name), k.servers))
	}
	slices.SortFunc(list, func(a, b Stats) int { return cmp.Compare(a.Caller, b.Caller) })
	if k.others != (caller{}) {
		list = append(list, k.others.stats(Others, k.limits.Default, k.servers))
	}
	return list
}

func (c *caller) stats(name string, all Rate, servers int) Stats {
	return Stats{
		Caller: name, Rate: all.Share(servers), All: all, Servers: servers,
		Allowed: c.allowed, Refused: c.refused, Last: c.last,
	}
}

package limit

import (
	"encoding/binary"
	"time"

	"github.com/musterdev/muster/call/quota"
)

// How long what was leased may be used, and how long a store that had nothing is not asked
// again for a key, at least.
const (
	leaseLife = time.Second
	lull      = 20 * time.Millisecond
)

// lease is how a key stands with the store. It is guarded by its entry's lock.
type lease struct {
	debt  int           // used of the own part and not booked yet
	have  int           // leased and not used
	until time.Time     // when that is lost
	used  int           // of leases, since they were asked for last
	want  int           // asked for, and not on its way yet
	none  time.Time     // until then the store has nothing
	late  bool          // on the list of what is booked by and by
	soon  bool          // on the list of what is asked for at once
	wake  chan struct{} // closed by the answer; nil: nobody waits
}

func (l *lease) idle(now time.Time) bool {
	return l.debt == 0 && l.want == 0 && l.wake == nil && !l.late && !l.soon && l.left(now) == 0
}

// left returns how many requests are leased.
func (l *lease) left(now time.Time) int {
	if l.have > 0 && !now.Before(l.until) {
		l.have = 0
	}
	return l.have
}

// use takes one.
func (l *lease) use(now time.Time) bool {
	if l.left(now) == 0 {
		return false
	}
	l.have--
	l.used++
	return true
}

// demand returns what to book, and how much to ask for: what is waited for, and twice what
// was used of late, so that who asks much need not wait; a quarter of a second's worth
// otherwise at most, so that little is lost with a gateway.
func (l *lease) demand(r quota.Rate) (debt, want int) {
	debt, want = l.debt, l.want
	if want > 0 {
		quarter := max(1, int(time.Duration(r.Count)*(time.Second/4)/r.Per))
		want = min(max(want, min(want+2*l.used, quarter)), r.AtOnce())
	}
	l.debt, l.want, l.used = 0, 0, 0
	return debt, want
}

// decide is what the store's number of a key becomes: debt is booked, whatever it makes of
// it, and as much of want is granted as the rate has left. wait is until there is more.
func decide(held []byte, now time.Time, r quota.Rate, debt, want int) (value []byte, granted int, wait, ttl time.Duration) {
	bucket := parseQuiet(held)
	if debt > 0 {
		deep := deepened(r)
		bucket.Allow(now, deep, min(debt, deep.AtOnce()))
	}
	if want > 0 {
		left, _ := bucket.Left(now, r)
		if granted = min(want, max(0, left)); granted > 0 {
			bucket.Allow(now, r, granted)
		}
	}
	if granted < want {
		_, full := bucket.Left(now, r)
		owed := max(0, bucket.Quiet().Sub(now)-full) // which Allow does not look at
		after := bucket
		_, until := after.Allow(now, r, 1)
		wait = max(until+owed, lull)
	}
	quiet := bucket.Quiet()
	return binary.BigEndian.AppendUint64(nil, uint64(quiet.UnixNano())), granted, wait, max(0, quiet.Sub(now)) + leaseLife
}

// deepened is a rate that lets what was used already be booked, although it is too much:
// what gateways use at once of their parts, and what comes until it is booked.
func deepened(r quota.Rate) quota.Rate {
	second := int(time.Duration(r.Count) * time.Second / r.Per)
	return quota.Rate{Count: r.Count, Per: r.Per, Burst: 3*r.AtOnce() + 3*second}
}

// recent is how much of a part can have been used of late. What was used longer ago is paid
// for, so that an absence of the store leaves no debts behind.
func recent(part quota.Rate) int {
	return part.AtOnce() + int(time.Duration(part.Count)*time.Second/part.Per)
}

func parseQuiet(held []byte) quota.Bucket {
	if len(held) != 8 {
		return quota.Bucket{}
	}
	return quota.Resume(time.Unix(0, int64(binary.BigEndian.Uint64(held)))) //nolint:gosec // as written
}

package resilience

import (
	"sync"
	"time"
)

// BudgetSettings bound the attempts beyond the first that all calls to one target may
// make together, retries and hedges alike. The zero value means [DefaultBudget].
type BudgetSettings struct {
	Share Share `yaml:"share"` // of the calls of the last 10 s, above 0 to 100 %; 0 means 10 %
	Floor int   `yaml:"floor"` // extra attempts that are always there, refilled one a second; 0 means 10, negative none
}

// DefaultBudget lets a tenth of a target's traffic be extra attempts, so that retries
// load a target that is down or slow by 1.1 at most instead of by the number of
// attempts. The floor is for callers too quiet for a tenth to be one.
var DefaultBudget = BudgetSettings{Share: 0.1, Floor: 10}

// budgetSpan is the time over which a budget is counted.
const budgetSpan = 10 * time.Second

// Budget counts the calls to one target and says whether an extra attempt may be made.
// Within any 10 s it grants Share of the calls of that time, and beyond these what the
// floor holds. The idea is Finagle's RetryBudget. The zero value has the default
// settings; a nil *Budget grants everything. Safe for concurrent use.
type Budget struct {
	mu       sync.Mutex
	settings BudgetSettings
	window   rolling
	used     float64   // of the floor
	refilled time.Time // when used was last reduced
	spent    uint64
	denied   uint64
}

// NewBudget returns a budget with these settings.
func NewBudget(s BudgetSettings) *Budget { return &Budget{settings: s} }

// Set changes the settings; what was counted stays.
func (b *Budget) Set(s BudgetSettings) {
	b.mu.Lock()
	b.settings = s
	b.mu.Unlock()
}

// Earn counts one call: its first attempt, not those that follow.
func (b *Budget) Earn(now time.Time) {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.window.at(now, budgetSpan).calls++
	b.window.sum.calls++
	b.mu.Unlock()
}

// Spend reports whether one more attempt may be made, and counts it if so.
func (b *Budget) Spend(now time.Time) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.settings.filled()
	slice := b.window.at(now, budgetSpan)
	switch sum := &b.window.sum; {
	case float64(sum.bad)+1 <= float64(s.Share)*float64(sum.calls):
		slice.bad++
		sum.bad++
	case b.takeFloor(now, s.Floor): // not in the window: the floor has its own refill
	default:
		b.denied++
		return false
	}
	b.spent++
	return true
}

func (b *Budget) takeFloor(now time.Time, floor int) bool {
	if passed := now.Sub(b.refilled); passed > 0 {
		b.used = max(0, b.used-passed.Seconds())
		b.refilled = now
	}
	if b.used+1 > float64(floor) {
		return false
	}
	b.used++
	return true
}

// BudgetStats tell how a budget stands.
type BudgetStats struct {
	Calls  uint64 `json:"calls"`  // counted within the last 10 s
	Extra  uint64 `json:"extra"`  // attempts granted from the share within the last 10 s
	Spent  uint64 `json:"spent"`  // extra attempts granted since the start
	Denied uint64 `json:"denied"` // refused since the start
}

// Stats returns how the budget stands; a nil Budget has none.
func (b *Budget) Stats(now time.Time) BudgetStats {
	if b == nil {
		return BudgetStats{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.window.at(now, budgetSpan)
	return BudgetStats{uint64(b.window.sum.calls), uint64(b.window.sum.bad), b.spent, b.denied}
}

func (s BudgetSettings) filled() BudgetSettings {
	if s.Share == 0 {
		s.Share = DefaultBudget.Share
	}
	if s.Floor == 0 {
		s.Floor = DefaultBudget.Floor
	}
	return s
}

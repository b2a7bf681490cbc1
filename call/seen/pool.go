package seen

import (
	"database/sql"
	"fmt"
	"time"
)

// Pool tells how the connections to the instance's own database are used: a call that
// waits for one is slow for no fault of the service called, nor of the database.
type Pool struct {
	Max     int           `json:"max"` // the most that may be open; 0: no bound
	Open    int           `json:"open"`
	InUse   int           `json:"in_use"`
	Waited  int64         `json:"waited"`   // times that one was waited for, since the start
	WaitSum time.Duration `json:"wait_sum"` // the time waited, together
}

// PoolOf returns how a pool is used now; nil for none.
func PoolOf(db *sql.DB) *Pool {
	if db == nil {
		return nil
	}
	s := db.Stats()
	return &Pool{Max: s.MaxOpenConnections, Open: s.OpenConnections, InUse: s.InUse, Waited: s.WaitCount, WaitSum: s.WaitDuration}
}

// unusual says that no connection is free; "" while one is.
func (p *Pool) unusual() string {
	if p == nil || p.Max == 0 || p.InUse < p.Max {
		return ""
	}
	return fmt.Sprintf("all %d connections to its database are in use", p.Max)
}

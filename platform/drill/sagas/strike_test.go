package sagas

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/instance"
)

// restarting is a fleet of one process, that is started again a few looks after it was found gone.
type restarting struct {
	live.Fleet

	one   instance.Status
	after int64 // looks; 0: never
	looks atomic.Int64
}

func (f *restarting) Status() supervise.Status {
	one := f.one
	if f.after > 0 && f.looks.Add(1) > f.after {
		one.Restarts, one.Uptime = one.Restarts+1, 0.5
	}
	return supervise.Status{Services: []supervise.ServiceStatus{{Name: one.Service, Instances: []instance.Status{one}}}}
}

func TestOneThatDiesAtTheLastMomentHasComeToThePoint(t *testing.T) {
	alive := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}"))
	}))
	defer alive.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	portOf := func(s *httptest.Server) int { return s.Listener.Addr().(*net.TCPAddr).Port }
	for name, tc := range map[string]struct {
		port          int
		after         int64
		reached, told bool
	}{
		"it lives":                 {portOf(alive), 0, false, false},
		"it is gone, and back":     {portOf(gone), 20, true, false},
		"it is gone, and stays so": {portOf(gone), 0, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := &restarting{one: instance.Status{Service: "till", Port: tc.port, Restarts: 3}, after: tc.after}
			d := &drive{cfg: Config{Fleet: f}}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tc.told { // it would wait
				time.AfterFunc(100*time.Millisecond, cancel)
			}
			died, reached, err := d.spare(ctx, f.one)
			if reached != tc.reached || (err != nil) != tc.told {
				t.Fatalf("reached %t, %v", reached, err)
			}
			if since := time.Since(died); reached && (since < 500*time.Millisecond || since > time.Minute) {
				t.Errorf("died %s ago", since)
			}
		})
	}
}

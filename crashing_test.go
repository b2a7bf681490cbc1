package muster_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/crash"
)

func TestADrillSeesWhatAServiceWrites(t *testing.T) {
	r := start(t, []muster.Service{hello("/", "hello")}, env(crash.Variable, "on"))
	if !strings.Contains(r.logs.String(), "may kill itself") {
		t.Errorf("the log does not warn: %s", r.logs)
	}
	order, err := http.Post(r.url("hello", "/.muster/crash"), "application/json", strings.NewReader(`{"record": true}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = order.Body.Close()
	if status, _ := fetch(t, r.url("hello", "/")); status != http.StatusOK {
		t.Errorf("it answers %d", status)
	}
	if status, text := fetch(t, r.url("hello", "/.muster/crash")); status != http.StatusOK || !strings.Contains(text, `"what":"answer http","n":1`) || strings.Contains(text, `"n":2`) {
		t.Errorf("%d %s; one answer is to be counted, that of the order and that of this are not there", status, text)
	}
}

func TestWithoutADrillNothingIsCounted(t *testing.T) {
	r := start(t, []muster.Service{hello("/hello", "hello")}, env())
	if status, text := fetch(t, r.url("hello", "/.muster/crash")); status != http.StatusNotFound {
		t.Errorf("%d %s", status, text)
	}
}

func TestACrashIsSeenFromOutside(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	plan := crash.New(cancel)
	ready := make(chan muster.Settings, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- muster.Run(ctx, []muster.Service{hello("/", "hello")}, env(), muster.LogTo(io.Discard), muster.Crash(plan),
			muster.OnReady(func(_ string, s muster.Settings) { ready <- s }))
	}()
	s := <-ready
	if err := plan.Arm(crash.Point{At: "write answer http #1", Side: crash.Before}); err != nil {
		t.Fatal(err)
	}
	at := (&running{settings: map[string]muster.Settings{"hello": s}}).url("hello", "/")
	if res, err := http.Get(at); err == nil {
		_ = res.Body.Close()
		t.Errorf("the dead answered %s", res.Status)
	}
	<-ended
	if _, struck := plan.Struck(); !struck {
		t.Error("it was not struck")
	}
}

func TestBadCrashes(t *testing.T) {
	needsDatabase := muster.Service{Name: "hello", Run: func(_ context.Context, app *muster.App) error {
		_, err := app.DB()
		return err
	}}
	for name, tc := range map[string]struct {
		env  []string
		want string
	}{
		"beyond this machine": {[]string{crash.Variable, "on", "MUSTER_HOST", "0.0.0.0"}, "MUSTER_HOST is 0.0.0.0"},
		"nonsense":            {[]string{crash.Variable, "now"}, `MUSTER_CRASH is "now"`},
		"no point":            {[]string{crash.Variable, "at:commit:before:" + filepath.Join(t.TempDir(), "x")}, "names no boundary"},
		"a driver that cannot": {
			[]string{crash.Variable, "on", "DATABASE_URL", "plain:x"}, `the driver "plain" lets nobody count`,
		},
	} {
		err := muster.Run(t.Context(), []muster.Service{needsDatabase}, env(tc.env...), muster.LogTo(io.Discard), muster.With(plainDriver{}))
		if !errors.Is(err, muster.ErrConfig) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}

// plainDriver lets nobody count.
type plainDriver struct{}

func (plainDriver) Name() string                                  { return "plain" }
func (plainDriver) Schemes() []string                             { return []string{"plain"} }
func (plainDriver) Open(context.Context, string) (*sql.DB, error) { return nil, errors.New("opened") }

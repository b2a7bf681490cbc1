package crash

import (
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/drill"
)

// enough is a minute that broke enough of everything.
func enough() Result {
	return Result{
		For: time.Minute, Kills: map[string]int{"cart": 16, "orders": 12, "broker": 2}, Takeovers: []time.Duration{4 * time.Second, time.Second, 2 * time.Second}, Orphans: 3,
		Pauses: 3, Held: 5, Overtaken: 4, Restarts: 5, Copies: Copies{Made: 9, Behind: 7}, databases: true,
	}
}

func TestReport(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*Result)
		wrong string // begins the row that does not hold; "": all hold
	}{
		"enough":                     {func(*Result) {}, ""},
		"few kills":                  {func(r *Result) { r.Kills["cart"] = 5 }, "processes killed"},
		"a kind was spared":          {func(r *Result) { r.Kills["edge"] = 1 }, "of each kind, the least"},
		"not in a short run":         {func(r *Result) { r.For, r.Kills["edge"] = 59*time.Second, 0 }, ""},
		"nobody was stopped":         {func(r *Result) { r.Pauses = 0 }, "holders of sagas stopped"},
		"nobody took over meanwhile": {func(r *Result) { r.Overtaken = 0 }, "holders of sagas stopped"},
		"no database was crashed":    {func(r *Result) { r.Restarts = 0 }, "database crashed"},
		"there is none":              {func(r *Result) { r.Restarts, r.databases = 0, false }, ""},
		"nothing came twice":         {func(r *Result) { r.Copies = Copies{} }, "events delivered again"},
		"nothing came late":          {func(r *Result) { r.Copies.Behind = 0 }, "events delivered again"},
		"one was slow":               {func(r *Result) { r.Takeovers[1] = 5001 * time.Millisecond }, "sagas of a killed holder"},
		"one was never taken over":   {func(r *Result) { r.Orphans++ }, "sagas of a killed holder"},
		"nobody held anything":       {func(r *Result) { r.Orphans, r.Takeovers = 0, nil }, "sagas of a killed holder"},
	} {
		t.Run(name, func(t *testing.T) {
			res, r := enough(), &drill.Report{}
			test.spoil(&res)
			res.Report(r)
			wrong := ""
			for _, row := range r.Rows {
				if !row.Held {
					wrong += row.What
				}
			}
			if !strings.HasPrefix(wrong, test.wrong) || (wrong == "") != (test.wrong == "") {
				t.Errorf("these did not hold: %q, want %q", wrong, test.wrong)
			}
			if !strings.Contains(strings.Join(r.Notes, "\n"), "clock step of 1h0m0s: not run: ") {
				t.Errorf("nothing is said of clocks: %q", r.Notes)
			}
		})
	}
}

func TestTakeoversAreTold(t *testing.T) {
	res, r := enough(), &drill.Report{}
	res.Orphans = 4
	res.takeovers(r)
	if got := r.Rows[0].Measured; got != "2s, 4s, 4s, of 3; 1 never" {
		t.Errorf("measured %q", got)
	}
}

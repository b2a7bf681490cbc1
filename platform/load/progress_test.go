package load_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/load"
)

func TestProgressIsToldWhileItRuns(t *testing.T) {
	url := serve(t, func(http.ResponseWriter, *http.Request) {})
	var told []load.Progress
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := plan(url, 50, time.Hour)
	cfg := anyLag
	cfg.Progress = func(now load.Progress) {
		if told = append(told, now); len(told) == 2 {
			cancel()
		}
	}
	r, err := load.Run(ctx, p, cfg)
	if err != nil || len(told) < 2 {
		t.Fatalf("%d times, %v", len(told), err)
	}
	for i, now := range told[:2] {
		if now.Of != time.Hour || now.After <= 0 || now.OK == 0 || now.Offered < now.OK || now.Offered > r.Offered || now.Recent.Count == 0 || now.Recent.Max <= 0 {
			t.Errorf("%d: %+v", i, now)
		}
	}
	if first, second := told[0], told[1]; second.Offered <= first.Offered || first.Recent.Count+second.Recent.Count > second.Offered {
		t.Errorf("%+v, then %+v: what is recent was seen since", first, second)
	}
}

func TestErrSaysWhy(t *testing.T) {
	for want, r := range map[string]load.Result{
		"":                             {Offered: 1, OK: 1},
		"not held: 2 of 9 visits":      {Offered: 10, OK: 7, Failed: 2, Cut: 1},
		"and 3 were dropped":           {Offered: 4, OK: 1, Dropped: 3},
		"nobody came":                  {Offered: 1, Cut: 1},
		"the result is void: too late": {OK: 1, Void: "too late"},
		"not held: response p99 (2s, wanted <= 1s)": {OK: 1, SLO: []load.Verdict{
			{What: "response p99", Measured: "2s", Target: "<= 1s"}, {What: "failed", Held: true},
		}},
	} {
		switch err := r.Err(); {
		case r.Held() != (err == nil):
			t.Errorf("held %v: %v", r.Held(), err)
		case err == nil && want != "", err != nil && (want == "" || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "; failed")):
			t.Errorf("%v, want %q", err, want)
		}
	}
}

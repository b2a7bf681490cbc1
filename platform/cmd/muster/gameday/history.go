package gameday

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/problem"
)

const (
	askEvery    = 40 * time.Millisecond // one request, whose trace is looked for
	calmFor     = 2 * time.Second       // before the first kill and after each
	mostLost    = 2 * time.Second       // of history, by one kill
	nearAKill   = 4 * time.Second       // what is missing farther from all kills was lost by something else
	arriveAfter = 15 * time.Second      // how long the last trace may take to be found
	historyBack = 5 * time.Second       // how soon control must be ready after each kill
)

// History kills control again and again while requests are traced, and then looks
// whether each trace is there.
type History struct {
	Kills int
}

// request is one that was traced.
type request struct {
	trace string
	at    time.Time
	err   error
}

// Drill breaks a shop that runs as processes.
func (h History) Drill(ctx context.Context, shop *reference.Fleet) (*drill.Report, error) {
	r := &drill.Report{Drill: "history"}
	asking, stop := context.WithCancel(ctx)
	defer stop()
	var asked []request
	var work sync.WaitGroup
	work.Go(func() { asked = ask(asking, shop.URL) })
	kills, slowest, err := h.kill(ctx, shop)
	stop()
	work.Wait()
	if err != nil {
		return nil, err
	}
	last := asked[len(asked)-1]
	if err := arrive(ctx, shop.Control, last.trace); err != nil {
		return nil, err
	}
	var missing []request
	failed := 0
	for _, q := range asked {
		if q.err != nil {
			failed++
			r.Note("request at %s: %v", q.at.Format("15:04:05.000"), q.err)
			continue
		}
		there, err := found(ctx, shop.Control, q.trace)
		if err != nil {
			return nil, err
		}
		if !there {
			missing = append(missing, q)
		}
	}
	worst, stray := judge(missing, kills)
	r.Add("control killed by SIGKILL", fmt.Sprint(h.Kills), len(kills), len(kills) == h.Kills)
	r.Add("ready again, the slowest", fmt.Sprintf("within %s", historyBack), slowest.Round(time.Millisecond), slowest <= historyBack)
	r.Add("failed requests", "0", fmt.Sprintf("%d of %d", failed, len(asked)), failed == 0)
	r.Add("history lost by one kill, the most", fmt.Sprintf("<= %s", mostLost), worst.Round(time.Millisecond), worst <= mostLost)
	r.Add("traces lost otherwise", "0", stray, stray == 0)
	r.Add("traces found", "all others", fmt.Sprintf("%d of %d", len(asked)-failed-len(missing), len(asked)), true)
	torn, err := setAside(shop.Dir)
	if err != nil {
		return nil, err
	}
	r.Add("files that could not be read", "0", torn, torn == 0)
	before, err := measured(ctx, shop.Control, kills[0])
	r.Add("metrics of before the first kill", "there", before, err == nil && before > 0)
	return r, nil
}

// kill kills control and returns when, and how long it took to be back at most.
func (h History) kill(ctx context.Context, shop *reference.Fleet) (kills []time.Time, slowest time.Duration, err error) {
	for range h.Kills {
		if err := pauseFor(ctx, calmFor); err != nil {
			return nil, 0, err
		}
		kills = append(kills, time.Now())
		if err := shop.Kill("control"); err != nil {
			return nil, 0, err
		}
		for !answers(ctx, shop.Control+"/readyz") {
			if err := pauseFor(ctx, 10*time.Millisecond); err != nil {
				return nil, 0, err
			}
			if time.Since(kills[len(kills)-1]) > 4*historyBack {
				return nil, 0, fmt.Errorf("control has not come back for %s", 4*historyBack)
			}
		}
		slowest = max(slowest, time.Since(kills[len(kills)-1]))
	}
	return kills, slowest, pauseFor(ctx, calmFor)
}

// ask sends traced requests until ctx ends.
func ask(ctx context.Context, base string) []request {
	var all []request
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		var id [24]byte
		_, _ = rand.Read(id[:]) // never fails
		q := request{trace: hex.EncodeToString(id[:16])}
		req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, base+"/v1/products?limit=1", nil)
		if err != nil {
			return append(all, request{err: err, at: time.Now()})
		}
		req.Header.Set("Traceparent", fmt.Sprintf("00-%s-%s-01", q.trace, hex.EncodeToString(id[16:])))
		res, err := http.DefaultClient.Do(req)
		switch {
		case err != nil:
			q.err = err
		case res.StatusCode != http.StatusOK:
			q.err = fmt.Errorf("answered %s", res.Status)
		}
		if err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		q.at = time.Now()
		all = append(all, q)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return all
		}
	}
}

// arrive waits until a trace is found.
func arrive(ctx context.Context, control, trace string) error {
	for began := time.Now(); ; {
		there, err := found(ctx, control, trace)
		if there || err != nil {
			return err
		}
		if time.Since(began) > arriveAfter {
			return fmt.Errorf("the trace of the last request has not arrived within %s", arriveAfter)
		}
		if err := pauseFor(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func answers(ctx context.Context, url string) bool {
	status, err := get(ctx, url)
	return err == nil && status == http.StatusOK
}

func found(ctx context.Context, control, trace string) (bool, error) {
	status, err := get(ctx, control+"/v1/telemetry/traces/"+trace)
	switch {
	case err != nil:
		return false, err
	case status == http.StatusOK, status == http.StatusNotFound:
		return status == http.StatusOK, nil
	}
	return false, fmt.Errorf("control answered %d when it was asked for trace %s", status, trace)
}

func get(ctx context.Context, url string) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode, res.Body.Close()
}

// judge returns how much of the time around a kill is missing, at most, and how many
// traces are missing that were near none.
func judge(missing []request, kills []time.Time) (worst time.Duration, stray int) {
	lost := map[time.Time][]time.Time{}
	for _, q := range missing {
		near := false
		for _, kill := range kills {
			if q.at.Sub(kill).Abs() < nearAKill/2 {
				lost[kill] = append(lost[kill], q.at)
				near = true
				break
			}
		}
		if !near {
			stray++
		}
	}
	for _, times := range lost {
		worst = max(worst, times[len(times)-1].Sub(times[0])+askEvery)
	}
	return worst, stray
}

// setAside counts the files of the store that could not be read.
func setAside(dir string) (int, error) {
	n := 0
	for _, depth := range []string{"*", "*/*", "*/*/*", "*/*/*/*"} {
		files, err := filepath.Glob(filepath.Join(dir, supervise.Folder, "telemetry", depth+".corrupt"))
		if err != nil {
			return 0, err
		}
		n += len(files)
	}
	return n, nil
}

// measured returns how many series of the edge's requests there are at a time.
func measured(ctx context.Context, control string, at time.Time) (int, error) {
	q := url.Values{"query": {`count({job="edge",__name__=~".*_count"})`}, "time": {fmt.Sprint(at.Unix())}}
	var a struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := getJSON(ctx, control+"/api/v1/query?"+q.Encode(), &a); err != nil {
		return 0, err
	}
	if len(a.Data.Result) == 0 {
		return 0, nil
	}
	var n int
	_, err := fmt.Sscan(fmt.Sprint(a.Data.Result[0].Value[1]), &n)
	return n, err
}

func getJSON(ctx context.Context, url string, out any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is wanted
	if res.StatusCode != http.StatusOK {
		return problem.FromResponse(res)
	}
	return json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(out)
}

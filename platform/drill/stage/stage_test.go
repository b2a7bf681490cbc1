package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func lookup(m map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

func TestReadIsWhatEnvironmentSays(t *testing.T) {
	for _, c := range []Config{
		{},
		{Next: "hop-2", Workers: 6, Work: 10 * time.Millisecond, Random: true},
		{Open: true, Textbook: true, Patience: time.Second},
	} {
		if got, err := Read(lookup(c.Environment())); err != nil || got != c {
			t.Errorf("%+v, %v, from %+v", got, err, c)
		}
	}
	if got, err := Read(lookup(nil)); err != nil || got != (Config{}) || got.Capacity() != 400 {
		t.Errorf("nothing said: %+v (%g/s), %v", got, got.Capacity(), err)
	}
}

func TestReadNamesWhatIsWrong(t *testing.T) {
	for variable, values := range map[string][]string{
		"WORKERS": {"-1", "many", "10001", "1e3"}, "WORK": {"20", "-1ms", "2m"}, "PATIENCE": {"soon"},
		"RANDOM": {"maybe"}, "OPEN": {"2"}, "TEXTBOOK": {"yes"},
	} {
		for _, v := range values {
			_, err := Read(lookup(map[string]string{variable: v}))
			if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("%s is %q: it must be ", variable, v)) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s=%s: %v", variable, v, err)
			}
		}
	}
}

// ask has the stage answer n requests at once, and returns their statuses.
func ask(s *stage, within time.Duration, n int) map[int]int {
	var mu sync.Mutex
	status := map[int]int{}
	var asking sync.WaitGroup
	for range n {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), within)
			defer cancel()
			w := httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))
			mu.Lock()
			status[w.Code]++
			mu.Unlock()
		})
	}
	asking.Wait()
	return status
}

func TestAStageDoesWhatItsWorkersCan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(Config{Workers: 2, Work: 10 * time.Millisecond})
		began := time.Now()
		if got := ask(s, time.Second, 6); got[http.StatusOK] != 6 || time.Since(began) != 30*time.Millisecond {
			t.Errorf("%v in %s", got, time.Since(began))
		}
		s.count(func(c *Counts) { c.Speed = 0.25 })
		began = time.Now()
		if got := ask(s, time.Second, 2); got[http.StatusOK] != 2 || time.Since(began) != 40*time.Millisecond {
			t.Errorf("at a quarter of the speed: %v in %s", got, time.Since(began))
		}
		if c := s.counts; c != (Counts{Asked: 8, Begun: 8, Speed: 0.25}) {
			t.Errorf("%+v", c)
		}
	})
}

func TestWhoseTimeIsUp(t *testing.T) {
	for textbook, want := range map[bool]Counts{
		false: {Asked: 3, Begun: 1, GaveUp: 2, Speed: 1},
		true:  {Asked: 3, Begun: 3, Expired: 2, Speed: 1}, // a textbook stage works for who has gone
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(Config{Workers: 1, Work: 10 * time.Millisecond, Textbook: textbook})
			status := ask(s, 5*time.Millisecond, 3)
			if s.counts != want || status[http.StatusGatewayTimeout] != int(want.GaveUp) {
				t.Errorf("textbook %v: %+v, %v", textbook, s.counts, status)
			}
			if len(s.free) != 1 {
				t.Errorf("textbook %v: %d workers are free", textbook, len(s.free))
			}
		})
	}
}

// A request that is let in late is seen, whoever let it in.
func TestLateAtTheDoor(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newStage(Config{Textbook: true, Work: time.Nanosecond})
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil).WithContext(ctx))
	if s.counts.Expired != 1 {
		t.Errorf("%+v", s.counts)
	}
}

func TestWhatIsOwedIsMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(Config{Work: 20 * time.Millisecond})
		const ms = time.Millisecond
		for _, test := range []struct{ owed, takes, left time.Duration }{{0, 20 * ms, 0}, {5 * ms, 15 * ms, 0}, {20 * ms, 0, 0}, {23 * ms, 0, 3 * ms}} {
			began := time.Now()
			left := s.work(1, test.owed)
			if took := time.Since(began); took != test.takes || left != test.left {
				t.Errorf("%s owed: it took %s, and %s are owed then", test.owed, took, left)
			}
		}
	})
}

func TestOperate(t *testing.T) {
	s := newStage(Config{})
	for body, status := range map[string]int{
		`{"speed": 0.25}`: http.StatusOK, `{"speed": 0}`: http.StatusBadRequest, `{"speed": -1}`: http.StatusBadRequest,
		`{"speed": 1e9}`: http.StatusBadRequest, `{"speed": "x"}`: http.StatusBadRequest, ``: http.StatusBadRequest, `{}`: http.StatusBadRequest,
	} {
		w := httptest.NewRecorder()
		s.operate(w, httptest.NewRequest(http.MethodPost, Path, strings.NewReader(body)))
		if w.Code != status {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	w := httptest.NewRecorder()
	s.operate(w, httptest.NewRequest(http.MethodGet, Path, nil))
	var c Counts
	if err := json.Unmarshal(w.Body.Bytes(), &c); err != nil || c != (Counts{Speed: 0.25}) {
		t.Errorf("%+v, %v", c, err)
	}
}

// What is sent to the next stage is counted where it is sent.
func TestPassCountsAttempts(t *testing.T) {
	broken := true
	next := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if broken {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = fmt.Fprint(w, r.URL.Path)
	}))
	defer next.Close()
	s := newStage(Config{Next: next.Listener.Addr().String(), Work: time.Nanosecond})
	s.client = next.Client()
	for _, want := range []int{http.StatusServiceUnavailable, http.StatusOK} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/critical", nil))
		if w.Code != want {
			t.Errorf("%d, want %d: %s", w.Code, want, w.Body)
		}
		broken = false
	}
	if s.counts.Calls != 2 || s.counts.Attempts != 2 {
		t.Errorf("%+v", s.counts)
	}
}

func TestRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, began := 0, time.Now()
		err := Repeat(t.Context(), 500*time.Millisecond, func(ctx context.Context) error {
			n++
			<-ctx.Done()
			return ctx.Err()
		})
		if took := time.Since(began); n != 4 || !errors.Is(err, context.DeadlineExceeded) || took < 2*time.Second || took > 2700*time.Millisecond {
			t.Errorf("%d attempts in %s: %v", n, took, err)
		}
		n = 0
		err = Repeat(t.Context(), time.Second, func(context.Context) error {
			if n++; n < 3 {
				return errors.New("no")
			}
			return nil
		})
		if n != 3 || err != nil {
			t.Errorf("%d attempts: %v", n, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		n = 0
		err = Repeat(ctx, time.Second, func(context.Context) error { n++; cancel(); return errors.New("no") })
		if n != 1 || err == nil {
			t.Errorf("%d attempts for who has gone: %v", n, err)
		}
	})
}

func TestCounts(t *testing.T) {
	a := Counts{Asked: 5, Begun: 4, Expired: 3, GaveUp: 2, Inside: 1, Calls: 6, Attempts: 7, Speed: 0.5}
	if got := a.Add(a).Since(a); got != a {
		t.Errorf("%+v", got)
	}
}

func ExampleConfig_Capacity() {
	c := Config{Workers: 6, Work: 10 * time.Millisecond}
	fmt.Println(c.Capacity(), "requests a second; told by WORK="+c.Environment()["WORK"])
	// Output: 600 requests a second; told by WORK=10ms
}

package discovery

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// endless is a body that goes on and on, and counts what is read of it.
type endless struct{ read *atomic.Int64 }

func (e endless) Read(b []byte) (int, error) {
	e.read.Add(int64(len(b)))
	return copy(b, bytes.Repeat([]byte{' '}, len(b))), nil
}

func (endless) Close() error { return nil }

// nonsense is what a registry must not say, after it was sound once.
func nonsense() map[string]func(r *http.Request, n int) (*http.Response, error) {
	body := func(text string) func(*http.Request, int) (*http.Response, error) {
		return func(*http.Request, int) (*http.Response, error) { return answer(200, text) }
	}
	reset := `{"epoch":"E1","index":2,"reset":true,"known":["cart"],"changed":[%s]}`
	return map[string]func(r *http.Request, n int) (*http.Response, error){
		"an error":                func(*http.Request, int) (*http.Response, error) { return answer(500, "it broke") },
		"a problem":               func(*http.Request, int) (*http.Response, error) { return answer(400, `{"code":"invalid_argument"}`) },
		"nothing":                 body(""),
		"no content":              func(*http.Request, int) (*http.Response, error) { return answer(204, "") },
		"half an answer":          body(fmt.Sprintf(reset, "")[:40]),
		"a list":                  body("[]"),
		"null":                    body("null"),
		"other types":             body(`{"epoch":1,"index":"x","changed":{}}`),
		"two answers":             body(fmt.Sprintf(reset, "") + fmt.Sprintf(reset, "")),
		"an instance without id":  body(fmt.Sprintf(reset, `{"service":"cart","state":"ready"}`)),
		"without a state":         body(fmt.Sprintf(reset, `{"id":"a","service":"cart"}`)),
		"at no address":           body(fmt.Sprintf(reset, `{"id":"a","service":"cart","state":"ready","endpoints":{"http":"http://x"}}`)),
		"settings beyond measure": body(fmt.Sprintf(`{"epoch":"E1","index":2,"settings":{"cart":"%s"}}`, strings.Repeat("x", MaxSettings))),
		"deeper than deep":        body(strings.Repeat("[", 1<<20)),
		"objects without number":  body(fmt.Sprintf(reset, strings.Repeat("{},", maxObjects)+"{}")),
		"names without number":    body(`{"epoch":"E1","index":2,"reset":true,"known":[` + strings.Repeat(`"",`, maxValues+1) + `""]}`),
		"an index that goes back": func(_ *http.Request, n int) (*http.Response, error) {
			return answer(200, fmt.Sprintf(`{"epoch":"E1","index":%d,"removed":[{"service":"cart","id":"a"}]}`, 1000-n))
		},
		"changes of another epoch": func(_ *http.Request, n int) (*http.Response, error) {
			return answer(200, fmt.Sprintf(`{"epoch":"N%d","index":9,"removed":[{"service":"cart","id":"a"}]}`, n))
		},
		"an epoch each time": func(_ *http.Request, n int) (*http.Response, error) {
			return answer(200, fmt.Sprintf(`{"epoch":"N%d","index":9,"reset":true,"known":[]}`, n))
		},
		"somebody else's instance": body(`{"epoch":"E1","index":5000,"changed":[{"id":"a","service":"mail","state":"ready"}],"removed":[{"service":"mail","id":"a"}]}`),
		"news without end": func(_ *http.Request, n int) (*http.Response, error) {
			return answer(200, fmt.Sprintf(`{"epoch":"E1","index":%d,"changed":[{"id":"x","service":"mail","state":"ready"}]}`, 5000+n))
		},
		"elsewhere": func(r *http.Request, _ int) (*http.Response, error) {
			if r.URL.Host != "registry" {
				return answer(200, fmt.Sprintf(reset, "")) // must not be asked
			}
			res, err := answer(307, "")
			res.Header.Set("Location", "http://elsewhere/v1/watch")
			return res, err
		},
	}
}

// A registry that was sound speaks nonsense: the view stays as it was, and neither the
// registry nor the processor is hammered.
func TestNonsense(t *testing.T) {
	for name, says := range nonsense() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				var log bytes.Buffer
				c, err := NewClient(ClientConfig{URL: "http://registry", Log: slog.New(slog.NewTextHandler(&log, nil)), HTTP: &http.Client{
					Transport: stub(func(r *http.Request) (*http.Response, error) {
						if asked++; asked == 1 {
							return answer(200, `{"epoch":"E1","index":1000,"reset":true,"known":["cart"],"changed":[`+
								`{"id":"a","service":"cart","state":"ready","endpoints":{"http":"127.0.0.1:1"}}]}`)
						}
						return says(r, asked)
					}),
				}})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				view := c.View("cart")
				time.Sleep(10 * time.Second)
				synctest.Wait()
				most := 40
				if name == "news without end" { // they may be true
					most = 310
				}
				if got := ids(view.Instances()); got != "a" || asked < 3 || asked > most {
					t.Errorf("the view shows %q after %d requests in 10 s", got, asked)
				}
				if view.Settings() != nil {
					t.Errorf("settings %.80q", view.Settings())
				}
			})
		})
	}
}

// Whatever comes in answer to a beat is survived, and the registry not hammered.
func TestNonsenseToABeat(t *testing.T) {
	peers := nonsense()
	peers["no state"] = func(*http.Request, int) (*http.Response, error) { return answer(200, `{"epoch":"E1"}`) }
	peers["a lease of no time"] = func(*http.Request, int) (*http.Response, error) {
		return answer(200, `{"epoch":"E1","state":"ready","ttl":1}`)
	}
	peers["a lease of the past"] = func(*http.Request, int) (*http.Response, error) {
		return answer(200, `{"epoch":"E1","state":"ready","ttl":-9000000000000000000}`)
	}
	for name, says := range peers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				c, err := NewClient(ClientConfig{URL: "http://registry", HTTP: &http.Client{
					Transport: stub(func(r *http.Request) (*http.Response, error) { asked++; return says(r, asked) }),
				}})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				lease := c.Hold(instance("a"))
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if asked < 9 || asked > 560 {
					t.Errorf("%d beats in 10 s", asked)
				}
				if s := lease.State(); s != "" && s != Ready {
					t.Errorf("state %q", s)
				}
				lease.Release()
			})
		})
	}
}

// Answers without end, and those that would become far more in memory than they are on
// the wire, cost a bounded amount of it.
func TestAnswersBeyondMeasure(t *testing.T) {
	var read atomic.Int64
	many := `{"epoch":"E1","index":1,"reset":true,"changed":[` + strings.Repeat("{},", maxAnswer/3-100) + `{}]}`
	for name, body := range map[string]io.ReadCloser{
		"endless": endless{&read},
		"a bomb":  io.NopCloser(strings.NewReader(many)),
	} {
		r, err := newRemote("http://registry", "", &http.Client{Transport: stub(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: body, Header: http.Header{}}, nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = r.watch(t.Context(), Watch{})
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "is http://registry a registry?") {
			t.Errorf("%s: %v", name, err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 8*maxAnswer {
			t.Errorf("%s: %d MiB were taken", name, used>>20)
		}
	}
	if n := read.Load(); n > 2*maxAnswer {
		t.Errorf("%d bytes were read", n)
	}
}

func TestWhoAsks(t *testing.T) {
	headers := make(chan http.Header, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers <- r.Header
		_, _ = io.WriteString(w, `{"epoch":"E1","index":1,"state":"ready","services":{}}`)
	}))
	defer s.Close()
	for _, service := range []string{"", "cart"} {
		c, err := NewClient(ClientConfig{URL: s.URL, Service: service})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Catalog(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := (<-headers).Get(CallerHeader); got != service {
			t.Errorf("%s is %q, want %q", CallerHeader, got, service)
		}
		if err := c.Put(t.Context(), instance("a"), ""); err != nil {
			t.Fatal(err)
		}
		if got := (<-headers).Get(LeaseHeader); got != "" {
			t.Errorf("who holds leases of others says %s %q", LeaseHeader, got)
		}
	}
}

// Two holdings of one id are told apart, each always the same.
func TestLeasesAreToldApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		c, err := NewClient(ClientConfig{URL: "http://registry", HTTP: &http.Client{
			Transport: stub(func(r *http.Request) (*http.Response, error) {
				said = append(said, r.Header.Get(LeaseHeader))
				return answer(200, `{"epoch":"E1","index":1,"state":"ready","ttl":4000}`)
			}),
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for range 2 {
			lease := c.Hold(instance("a"))
			time.Sleep(2500 * time.Millisecond)
			lease.Release()
		}
		each := slices.Compact(said)
		if len(each) != 2 || !ValidID(each[0]) || !ValidID(each[1]) {
			t.Errorf("said %q", each)
		}
	})
}

func TestNear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		says := func() (*http.Response, error) {
			return answer(200, `{"epoch":"E1","index":1,"services":{"cart":[{"id":"c1"}],"catalog":[],"stock":[{"x":[1,{}]}],"Bad Name":[]}}`)
		}
		c, err := NewClient(ClientConfig{URL: "http://registry", HTTP: &http.Client{
			Transport: stub(func(r *http.Request) (*http.Response, error) {
				if asked++; r.URL.Path != "/v1/services" {
					t.Errorf("asked %s", r.URL)
				}
				return says()
			}),
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for name, want := range map[string]string{"crat": "[cart]", "catalogue": "[catalog]", "cart": "[]", "mail": "[]", "": "[]", "bad name": "[]"} {
			if got := fmt.Sprint(c.Near(name)); got != want {
				t.Errorf("near %q are %s, want %s", name, got, want)
			}
		}
		if asked != 1 {
			t.Errorf("%d requests", asked)
		}
		time.Sleep(namesFor)
		says = func() (*http.Response, error) { return answer(500, "") }
		if got := c.Near("crat"); got != nil {
			t.Errorf("of a registry that is away: %q", got)
		}
		c.Near("crat")
		if asked != 2 {
			t.Errorf("%d requests", asked)
		}
	})
}

// A registry that does not answer holds an error up for a bounded time, and once.
func TestNearIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := NewClient(ClientConfig{URL: "http://registry", HTTP: &http.Client{
			Transport: stub(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }),
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		began := time.Now()
		for range 100 {
			c.Near("crat")
		}
		if took := time.Since(began); took > nearWithin {
			t.Errorf("took %v", took)
		}
	})
}

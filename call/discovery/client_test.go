package discovery

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// These tests are of what a client does with answers no registry should give; how it
// works with the real one is tested beside that, in platform/registry.

type stub func(*http.Request) (*http.Response, error)

func (s stub) RoundTrip(r *http.Request) (*http.Response, error) { return s(r) }

func answer(status int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(body)), Header: http.Header{}}, nil
}

func TestNewClientRefusesNoURL(t *testing.T) {
	for _, url := range []string{"", "localhost:8081", "ftp://x", "http://", "::"} {
		if c, err := NewClient(ClientConfig{URL: url}); err == nil || c != nil {
			t.Errorf("%q was taken", url)
		}
	}
}

// Whatever comes in place of a registry, the client keeps what it has and does not
// hammer.
func TestStrangePeers(t *testing.T) {
	for name, peer := range map[string]stub{
		"not found":           func(*http.Request) (*http.Response, error) { return answer(404, "no such page") },
		"a page":              func(*http.Request) (*http.Response, error) { return answer(200, "<html>") },
		"another JSON":        func(*http.Request) (*http.Response, error) { return answer(200, `{"status":"ok"}`) },
		"answers without end": func(*http.Request) (*http.Response, error) { return answer(200, strings.Repeat(" ", 1<<10)) },
		"one that never waits": func(*http.Request) (*http.Response, error) {
			return answer(200, `{"epoch":"E1","index":1,"reset":false,"known":[]}`)
		},
		"two in turn": func() stub {
			n := 0
			return func(*http.Request) (*http.Response, error) {
				n++
				return answer(200, `{"epoch":"E`+strconv.Itoa(n)+`","index":1,"reset":true,"known":[]}`)
			}
		}(),
		"one that hangs": func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := cache(t.TempDir())
			if err := dir.save("cart", []Instance{instance("a")}, nil); err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				c, err := NewClient(ClientConfig{URL: "http://registry", Dir: string(dir), HTTP: &http.Client{
					Transport: stub(func(r *http.Request) (*http.Response, error) { asked++; return peer(r) }),
				}})
				if err != nil {
					t.Fatal(err)
				}
				view := c.View("cart")
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := ids(view.Instances()); got != "a" || asked < 2 || asked > 130 {
					t.Errorf("the view shows %q after %d requests in a minute", got, asked)
				}
				c.Close()
				c.Close()
				if late := c.View("mail"); late == nil || late != c.View("mail") {
					t.Error("no view after Close")
				}
			})
		})
	}
}

func TestViewOfNoName(t *testing.T) {
	c, err := NewClient(ClientConfig{URL: "http://registry", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if v := c.View("../etc/passwd"); v == nil || len(v.Instances()) > 0 || len(c.book.entries) > 0 {
		t.Error("it is watched")
	}
}

func TestPathOfTheRegistry(t *testing.T) {
	var got string
	c, err := NewClient(ClientConfig{URL: "http://registry/under/", HTTP: &http.Client{Transport: stub(func(r *http.Request) (*http.Response, error) {
		got = r.URL.Path
		return answer(200, `{"epoch":"E1","services":{"cart":[]}}`)
	})}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if catalog, err := c.Catalog(t.Context()); err != nil || got != "/under/v1/services" || len(catalog.Services) != 1 {
		t.Errorf("asked %s: %+v, %v", got, catalog, err)
	}
}

func TestPause(t *testing.T) {
	for failures, high := range map[int]time.Duration{0: firstPause, 1: firstPause, 2: 2 * firstPause, 6: time.Second, 1 << 40: time.Second} {
		for range 100 {
			if d := pause(failures); d < high/2 || d >= high {
				t.Errorf("after %d failures %v, want %v to %v", failures, d, high/2, high)
			}
		}
	}
}

// The wire is JSON that other languages write by hand: its keys are part of the
// contract.
func TestWireKeys(t *testing.T) {
	b, err := json.Marshal(struct {
		R Registration
		C Changes
		G Catalog
	}{
		Registration{"e", 1, Ready, 4000},
		Changes{"e", 1, true, []Instance{instance("a")}, []Ref{{"cart", "b"}}, []string{"cart"}, map[string]Settings{"cart": nil}},
		Catalog{"e", 1, map[string][]Instance{"cart": {}}, nil},
	})
	want := `{"R":{"epoch":"e","index":1,"state":"ready","ttl":4000},` +
		`"C":{"epoch":"e","index":1,"reset":true,"changed":[{"id":"a","service":"cart","state":"ready","endpoints":{"http":"127.0.0.1:1"}}],` +
		`"removed":[{"service":"cart","id":"b"}],"known":["cart"],"settings":{"cart":null}},"G":{"epoch":"e","index":1,"services":{"cart":[]}}}`
	if err != nil || string(b) != want {
		t.Errorf("got %s, %v\nwant %s", b, err, want)
	}
}

package edge_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

// failing are the cases of h2spec that the edge does not pass, with why. One that passes one
// day is to be taken out.
func failing(in *entrance) map[string]string {
	cases := map[string]string{
		"http2/4.2/3":     "net/http takes HEADERS that are larger than it said frames may be",
		"http2/6.5.3/1":   "net/http acknowledges before it sends by the last of several windows",
		"http2/8.1.2.2/1": "net/http drops fields of the connection instead of refusing them",
		"http2/8.1.2.2/2": "net/http drops a TE that is not trailers instead of refusing it",
	}
	if in.ca == "" { // by TLS, ALPN has said before that HTTP/2 is spoken
		cases["http2/3.5/2"] = "what does not begin with the preface is HTTP/1.1, and answered 400 in it"
	}
	return cases
}

// TestH2Spec runs every case of h2spec against the edge, in clear and by TLS, each as a test.
func TestH2Spec(t *testing.T) {
	e := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hello")
	}))
	turns := make(chan struct{}, 8) // most of the time they wait for what must not come
	tests := map[string]func(*testing.T){}
	for _, way := range ways() {
		tests[way] = conform(t, e.by(way), turns)
	}
	for _, way := range ways() {
		t.Run(way, tests[way])
	}
}

// conform begins to carry out all cases, and returns the test that tells how they went.
func conform(t *testing.T, in *entrance, turns chan struct{}) func(t *testing.T) {
	t.Helper()
	type verdict struct {
		name, what string
		err        chan error
	}
	var verdicts []verdict
	known := failing(in)
	for _, g := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		eachCase(g, func(name string, c *spec.TestCase) {
			v := verdict{name, c.Desc + ": " + c.Requirement, make(chan error, 1)}
			verdicts = append(verdicts, v)
			_, fails := known[name]
			cfg := config.Config{Host: "127.0.0.1", Port: in.port(t), Path: "/", MaxHeaderLen: 4000, TLS: in.ca != "", Insecure: true} // h2spec cannot be told whom to trust
			go func() {
				turns <- struct{}{}
				v.err <- judge(cfg, c, fails)
				<-turns
			}()
		})
	}
	return func(t *testing.T) {
		expected := failing(in)
		for _, v := range verdicts {
			why, fails := expected[v.name]
			delete(expected, v.name)
			t.Run(v.name, func(t *testing.T) {
				switch err := <-v.err; {
				case err == nil && fails:
					t.Errorf("it passes, and is listed as failing: %s", why)
				case err != nil && !fails:
					t.Errorf("%s: %v", v.what, err)
				case err != nil:
					t.Logf("known: %s: %v", why, err)
				}
			})
		}
		if len(verdicts) != 146 {
			t.Errorf("%d cases were run, and h2spec has 146", len(verdicts))
		}
		for name := range expected {
			t.Errorf("there is no case %s", name)
		}
	}
}

// eachCase calls f with every case of a group that is not of the strict mode.
func eachCase(g *spec.TestGroup, f func(name string, c *spec.TestCase)) {
	if g.Strict {
		return
	}
	for i, c := range g.Tests {
		f(fmt.Sprintf("%s/%d", g.ID(), i+1), c)
	}
	for _, below := range g.Groups {
		eachCase(below, f)
	}
}

// judge carries a case out, again with more patience when it fails and is not known to: some
// wait for what does not come soon on a busy machine.
func judge(cfg config.Config, c *spec.TestCase, fails bool) (err error) {
	patience := []time.Duration{2 * time.Second, 5 * time.Second}
	if fails {
		patience = patience[:1]
	}
	for _, patience := range patience {
		cfg.Timeout = patience
		conn, dial := spec.Dial(&cfg)
		if dial != nil {
			return dial
		}
		err = c.Run(&cfg, conn)
		_ = conn.Close()
		if err == nil || errors.Is(err, spec.ErrSkipped) {
			return nil
		}
	}
	return err
}

package delay

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/problem"
)

const (
	countsPath = "/.muster/delay" // where back and its twin tell their Counts
	wayHeader  = "Drill-Way"      // by which front says what a call is for

	items   = 20      // there are
	lookups = 10      // of a page
	size    = 100_000 // of the document, in bytes
)

// Counts are what one instance of back did since its start.
type Counts struct {
	Calls map[string]int64 `json:"calls"` // by the way that front made them
	Notes int64            `json:"notes"` // that came as events
}

// note is what a visitor leaves behind.
type note struct{ Text string }

func topic() bus.Topic[note] { return bus.Topic[note]{Name: "drill.noted"} }

// Serve runs the service that the environment tells of until ctx ends. opts bring the
// driver of the fleet's broker.
func Serve(ctx context.Context, lookup func(name string) (value string, ok bool), log io.Writer, opts ...muster.Option) error {
	name, _ := lookup("MUSTER_SERVICE")
	if instance, _ := lookup("MUSTER_INSTANCE"); instance == near {
		lookup = instead(lookup, "MUSTER_ZONE", home)
	}
	run := runBack
	if name == front {
		registry, _ := lookup("MUSTER_REGISTRY_URL")
		run = func(ctx context.Context, app *muster.App) error { return runFront(ctx, app, registry) }
	}
	// Nobody is turned away: what is measured is the network.
	opts = append([]muster.Option{muster.Environment(lookup), muster.LogTo(log), muster.Admission(admission.Config{Off: true})}, opts...)
	return muster.Run(ctx, []muster.Service{{Name: name, Run: run}}, opts...)
}

// instead returns lookup with one variable of another value.
func instead(lookup func(string) (string, bool), variable, value string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if name == variable {
			return value, true
		}
		return lookup(name)
	}
}

// server is one instance of back or placed.
type server struct {
	document []byte

	mu     sync.Mutex
	counts Counts
}

func runBack(ctx context.Context, app *muster.App) error {
	s := &server{document: document(), counts: Counts{Calls: map[string]int64{}}}
	if app.Name() == back {
		app.On(topic().Name, func(context.Context, bus.Delivery) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.counts.Notes++
			return nil
		})
	}
	app.Handle("GET /items", s.counted(s.items))
	app.Handle("GET /document", s.counted(s.read))
	app.Handle("POST /notes", s.counted(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	app.Handle("GET "+countsPath, http.HandlerFunc(s.tell))
	return app.Serve(ctx)
}

func (s *server) counted(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.counts.Calls[r.Header.Get(wayHeader)]++
		s.mu.Unlock()
		next(w, r)
	})
}

func (s *server) tell(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	writeJSON(w, s.counts)
}

// items answers one look-up or several.
func (*server) items(w http.ResponseWriter, r *http.Request) {
	found := map[string]string{}
	for _, id := range r.URL.Query()["id"] {
		n, err := strconv.Atoi(id)
		if err != nil || n < 0 || n >= items {
			problem.Write(w, r, problem.New(problem.InvalidArgument, "there is no item %q", id))
			return
		}
		found[id] = "item " + id
	}
	writeJSON(w, found)
}

// read answers the document, compressed where the caller understands that.
func (s *server) read(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Vary", "Accept-Encoding")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		_, _ = w.Write(s.document) // whoever asked may have gone
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	_, _ = z.Write(s.document)
	_ = z.Close()
}

// document returns JSON as services answer it: the same names in every entry, the values
// mostly different.
func document() []byte {
	b := []byte("[")
	for n := uint32(1); len(b) < size-200; n++ {
		lot := n * 2654435761 // Knuth's multiplicative hash: values without a pattern, and always the same
		b = fmt.Appendf(b, `{"id":"p-%d","sku":"%08x","price":{"amount":%d,"currency":"EUR"},"stock":%d,"available":%t},`,
			n, lot, lot%10_000, lot>>20, lot&1 == 0)
	}
	b[len(b)-1] = ']'
	for len(b) < size {
		b = append(b, ' ')
	}
	return b
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) //nolint:errchkjson // whoever asked may have gone
}

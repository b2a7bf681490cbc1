package gameday

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/moves"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/problem"
)

// Ways are the ways between the shop's services, to be cut: the services ask a registry
// that stands before the shop's own.
type Ways struct {
	edges *fault.Edges

	mu     sync.Mutex
	server *http.Server // nil before the first service was told of it
	url    string
	served chan error
	err    error
}

// NewWays returns ways none of which is cut.
func NewWays() *Ways { return &Ways{edges: fault.NewEdges(1, nil), served: make(chan error, 1)} }

// Registry is for reference.Options: services are told to ask the registry in front.
func (w *Ways) Registry(_, own string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.url == "" && w.err == nil {
		w.err = w.serve(own)
	}
	return cmp.Or(w.url, own)
}

// serve stands before the registry at own; the lock is held.
func (w *Ways) serve(own string) error {
	to, err := url.Parse(own)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	w.server = &http.Server{
		Handler: fault.Registry(&httputil.ReverseProxy{
			Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(to) },
			ErrorLog: log.New(io.Discard, "", 0), // watches end whenever somebody leaves
		}, w.edges),
		ReadHeaderTimeout: inTime,
	}
	go func() { w.served <- w.server.Serve(l) }()
	w.url = "http://" + l.Addr().String()
	return nil
}

// Close ends the ways; the shop has ended before.
func (w *Ways) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	errs := []error{w.edges.Close()}
	if w.server != nil {
		errs = append(errs, w.server.Close())
		if err := <-w.served; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Partition cuts the way from cart to catalog.
func (w *Ways) Partition(ctx context.Context, shop *reference.Fleet, length time.Duration, rate load.Rate, seed uint64) (*drill.Report, error) {
	if w.err != nil {
		return nil, w.err
	}
	return moves.Partition(ctx, moves.Cut{
		Edges: w.edges, Edge: fault.Edge{From: "cart", To: "catalog"}, For: length, Rate: rate, Plan: plan(shop, seed),
		Others: []load.Flow{browse(), look()}, Needs: []load.Flow{fill()}, Without: "a cart's lines without their prices",
		Whole: func(ctx context.Context) error { return priced(ctx, shop.URL) },
	})
}

// priced puts something into a new cart and returns an error when its price is missing.
func priced(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeout(ctx, clientFor)
	defer cancel()
	var cart struct {
		ID string `json:"id"`
	}
	if err := post(ctx, base+"/v1/carts", map[string]any{}, &cart); err != nil {
		return err
	}
	var line struct {
		Price *int64 `json:"price"`
	}
	if err := post(ctx, base+"/v1/carts/"+url.PathEscape(cart.ID)+"/lines", map[string]any{"product": reference.Product, "quantity": 1}, &line); err != nil {
		return err
	}
	if line.Price == nil {
		return errors.New("the line has no price")
	}
	return nil
}

func post(ctx context.Context, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is wanted
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("POST %s: %w", target, problem.FromResponse(res))
	}
	return json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(out)
}

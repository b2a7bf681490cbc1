package reference

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/musterdev/muster/platform/drill"
	catalogv1 "github.com/musterdev/muster/shop/proto/catalog/v1"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
)

// Traffic is users of three protocols, none of whom repeats a request.
func Traffic(base string) (flows []drill.Flow, closeAll func(), err error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, nil, err
	}
	conn, err := grpc.NewClient(u.Host, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, err
	}
	h1, h2 := &http.Transport{MaxIdleConnsPerHost: 16}, &http.Transport{Protocols: &http.Protocols{}}
	h2.Protocols.SetUnencryptedHTTP2(true)
	closeAll = func() {
		h1.CloseIdleConnections()
		h2.CloseIdleConnections()
		_ = conn.Close() // nothing runs on it any more
	}
	// a GET, and a POST that nobody may repeat: it has no key
	browse := func(c *http.Client) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error {
			if err := expect(ctx, c, http.MethodGet, base+"/v1/products?limit=5", "", http.StatusOK); err != nil {
				return err
			}
			if err := expect(ctx, c, http.MethodPost, base+"/v1/carts", "{}", http.StatusCreated); err != nil {
				return err
			}
			return expect(ctx, c, http.MethodGet, base+"/v1/orders?limit=1", "", http.StatusOK)
		}
	}
	catalog, stock := catalogv1.NewCatalogClient(conn), inventoryv1.NewInventoryClient(conn)
	const pause = 5 * time.Millisecond
	return []drill.Flow{
		{Name: "HTTP/1.1", Users: 4, Think: pause, Request: browse(&http.Client{Transport: h1, Timeout: AnswerWithin})},
		{Name: "HTTP/2", Users: 4, Think: pause, Request: browse(&http.Client{Transport: h2, Timeout: AnswerWithin})},
		{Name: "gRPC", Users: 4, Think: pause, Request: func(ctx context.Context, _ int) error {
			ctx, cancel := context.WithTimeout(ctx, AnswerWithin)
			defer cancel()
			if _, err := catalog.Get(ctx, &catalogv1.GetRequest{Id: Product}); err != nil {
				return err
			}
			_, err := stock.Get(ctx, &inventoryv1.GetRequest{Product: Product})
			return err
		}},
	}, closeAll, nil
}

const (
	// AnswerWithin is how long a request may take.
	AnswerWithin = 15 * time.Second
	// Product is one of which there is always enough.
	Product = "p-1001"
)

func expect(ctx context.Context, c *http.Client, method, target, body string, status int) error {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, reader)
	if err != nil {
		return err
	}
	req.GetBody = nil // not even net/http may send it twice
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, target, err)
	}
	if res.StatusCode != status {
		return fmt.Errorf("%s %s: %s: %.200s", method, target, res.Status, answer)
	}
	return nil
}

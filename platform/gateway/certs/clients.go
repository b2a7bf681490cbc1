package certs

import (
	"crypto/x509"
	"fmt"
	"os"
	"sync/atomic"
)

// clients is the pool of authorities that vouch for clients.
type clients struct {
	path  string
	now   atomic.Pointer[x509.CertPool]
	seen  look
	wrong bool // the last look found nothing of use
}

func openClients(path string) (*clients, error) {
	c := &clients{path: path, seen: lookAt(path)}
	pool, err := readPool(path)
	if err != nil {
		return nil, fmt.Errorf("tls.clients.authorities: %w", err)
	}
	c.now.Store(pool)
	return c, nil
}

func (c *clients) pool() *x509.CertPool { return c.now.Load() }

// look reads the file again when it has changed. An error is returned once for a content; the
// pool stays then. It is for one goroutine.
func (c *clients) look() error {
	seen := lookAt(c.path)
	if seen == c.seen && !c.wrong {
		return nil
	}
	again := seen == c.seen
	pool, err := readPool(c.path)
	c.seen, c.wrong = seen, err != nil
	if err == nil {
		c.now.Store(pool)
		return nil
	}
	if again {
		return nil // told already
	}
	return err
}

func readPool(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return pool, nil
}

package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

const (
	// acmeProtocol is what an authority speaks that looks by TLS-ALPN-01 (RFC 8737).
	acmeProtocol = "acme-tls/1"
	// challengePath is where it asks by HTTP-01 (RFC 8555, section 8.3).
	challengePath = "/.well-known/acme-challenge/"
)

// challenged reports whether it is an authority that asks.
func challenged(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acmeProtocol
}

// automatic orders certificates and renews them, by certmagic. Several edges that share a
// folder share certificates, and answer each other's challenges.
type automatic struct {
	hosts  []string
	log    *slog.Logger
	cache  *certmagic.Cache
	magic  *certmagic.Config
	issuer *certmagic.ACMEIssuer

	mu      sync.Mutex
	trouble map[string]string // by host
}

func openAutomatic(ctx context.Context, cfg Automatic, env Env, log *slog.Logger) (*automatic, error) {
	a := &automatic{log: log, trouble: map[string]string{}}
	for _, h := range cfg.Hosts {
		a.hosts = append(a.hosts, strings.ToLower(h))
	}
	said := zap.New(zapTo{log})
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return a.magic, nil }, Logger: said,
	})
	a.magic = certmagic.New(a.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: filepath.Join(env.Dir, "acme")}, OnEvent: a.heard, Logger: said,
	})
	template := certmagic.ACMEIssuer{
		CA: cfg.Directory, TestCA: cfg.Directory, Email: cfg.Email, Agreed: true, Logger: said,
		DisableHTTPChallenge: env.Plain == nil, DisableTLSALPNChallenge: env.TLS == nil,
	}
	// The edge listens already; certmagic finds its ports taken, and leaves the answers to it.
	template.ListenHost, template.AltHTTPPort = hostPort(env.Plain)
	if host, port := hostPort(env.TLS); port != 0 {
		template.ListenHost, template.AltTLSALPNPort = host, port
	}
	if cfg.Roots != "" {
		pool, err := readPool(cfg.Roots)
		if err != nil {
			a.cache.Stop()
			return nil, fmt.Errorf("tls.automatic.roots: %w", err)
		}
		template.TrustedRoots = pool
	}
	if cfg.Directory == "" {
		template.CA, template.TestCA = certmagic.LetsEncryptProductionCA, certmagic.LetsEncryptStagingCA
	}
	a.issuer = certmagic.NewACMEIssuer(a.magic, template)
	a.magic.Issuers = []certmagic.Issuer{a.issuer}
	if err := a.magic.ManageAsync(ctx, a.hosts); err != nil {
		a.cache.Stop()
		return nil, fmt.Errorf("automatic certificates: %w", err)
	}
	return a, nil
}

func hostPort(at net.Addr) (host string, port int) {
	if at == nil {
		return "", 0
	}
	host, text, err := net.SplitHostPort(at.String())
	if err != nil {
		return "", 0
	}
	port, _ = strconv.Atoi(text) // 0 where there is none
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	return host, port
}

func (a *automatic) close() { a.cache.Stop() }

func (a *automatic) has(name string) bool { return slices.Contains(a.hosts, name) }

func (a *automatic) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return a.magic.GetCertificate(hello)
}

// heard is told by certmagic what became of an order.
func (a *automatic) heard(_ context.Context, event string, data map[string]any) error {
	host, _ := data["identifier"].(string) // "" for events that are of no host
	switch event {
	case "cert_obtained":
		a.note(host, "")
		a.log.Info("a certificate was issued", "host", host, "issuer", data["issuer"], "renewal", data["renewal"])
	case "cert_failed":
		why := fmt.Sprint(data["error"])
		a.note(host, why)
		a.log.Error("a certificate could not be ordered, and will be tried again", "host", host, "error", why)
	}
	return nil
}

func (a *automatic) note(host, trouble string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trouble[host] = trouble
}

// challenge answers HTTP-01, also for an order of another edge with the same folder.
func (a *automatic) challenge(host, path string) ([]byte, bool) {
	r := &http.Request{Method: http.MethodGet, Host: host, URL: &url.URL{Path: path}, Header: http.Header{}}
	var w collected
	if !a.issuer.HandleHTTPChallenge(&w, r) || w.failed {
		return nil, false
	}
	return w.body.Bytes(), true
}

func (a *automatic) status() []Certificate {
	a.mu.Lock()
	defer a.mu.Unlock()
	var list []Certificate
	for _, h := range a.hosts {
		one := Certificate{Hosts: []string{h}, Source: "automatic", Trouble: a.trouble[h]}
		for _, c := range a.cache.AllMatchingCertificates(h) {
			one.Expires = c.Leaf.NotAfter
		}
		list = append(list, one)
	}
	return list
}

// collected is an answer that some engine will write.
type collected struct {
	header http.Header
	body   bytes.Buffer
	failed bool
}

func (c *collected) Header() http.Header {
	if c.header == nil {
		c.header = http.Header{}
	}
	return c.header
}

func (c *collected) WriteHeader(status int) { c.failed = c.failed || status != http.StatusOK }

func (c *collected) Write(b []byte) (int, error) { return c.body.Write(b) }

package certs

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// Env is what a Keeper stands on. Dir is needed for automatic and local certificates.
type Env struct {
	Dir string       // folder for keys and certificates; edges may share it
	Log *slog.Logger // nil: nothing is logged
	// Plain is the address where the edge answers without TLS, for HTTP-01; nil: nowhere.
	Plain net.Addr
	// TLS is the address where it speaks TLS, for TLS-ALPN-01; nil: nowhere.
	TLS net.Addr
	// Look is how often files are looked at. 0 means 2 s.
	Look time.Duration
}

// Keeper has the certificates of an edge. It is safe for concurrent use.
type Keeper struct {
	cfg   Config
	log   *slog.Logger
	files *files
	auto  *automatic // nil: none
	local *Authority // nil: none
	peers *clients   // nil: clients are not asked

	server *tls.Config
	stop   context.CancelFunc
	tasks  sync.WaitGroup
}

// Open reads the files, makes or reads the authority, and begins to order what is to be
// ordered. It fails when a file cannot be used; an ACME authority that is away is no
// failure. Close ends it.
func Open(ctx context.Context, cfg Config, env Env) (_ *Keeper, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	k := &Keeper{cfg: cfg, log: env.Log}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if env.Dir == "" && (cfg.Automatic != nil || cfg.Local != nil) {
		return nil, errors.New("tls: automatic and local certificates need a folder for their keys: give the edge a state_dir")
	}
	ctx, k.stop = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			k.stop()
		}
	}()
	if k.files, err = openFiles(cfg.Files, k.log); err != nil {
		return nil, err
	}
	if err := cfg.checkDefault(append(cfg.named(), k.files.hosts()...)); err != nil {
		return nil, fmt.Errorf("tls.default: %w", err)
	}
	if cfg.Clients != nil {
		if k.peers, err = openClients(cfg.Clients.Authorities); err != nil {
			return nil, err
		}
	}
	if cfg.Local != nil {
		if k.local, err = OpenAuthority(env.Dir, cfg.Local.Hosts); err != nil {
			return nil, err
		}
	}
	if cfg.Automatic != nil {
		if k.auto, err = openAutomatic(ctx, *cfg.Automatic, env, k.log); err != nil {
			return nil, err
		}
	}
	k.server = k.config()
	k.tasks.Go(func() { k.follow(ctx, cmp.Or(env.Look, 2*time.Second)) })
	return k, nil
}

// Close ends following and ordering. Connections are not touched, and the *tls.Config goes
// on to work by what is known.
func (k *Keeper) Close() error {
	k.stop()
	k.tasks.Wait()
	if k.auto != nil {
		k.auto.close()
	}
	return nil
}

// Server returns the configuration of listeners: TLS 1.2 and later, ciphers with forward
// secrecy and authentication only, HTTP/2 and HTTP/1.1 by ALPN. The keys of session tickets
// are changed daily by package tls. It is one and the same at each call; do not change it.
func (k *Keeper) Server() *tls.Config { return k.server }

// Challenge returns the answer, plain text, to an authority that asks by GET at the plain
// port whether a host leads here; ok is false for whatever else is asked.
func (k *Keeper) Challenge(host, path string) (answer []byte, ok bool) {
	if k.auto == nil || !strings.HasPrefix(path, challengePath) {
		return nil, false
	}
	return k.auto.challenge(host, path)
}

// follow looks at the files again and again.
func (k *Keeper) follow(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		k.files.look(time.Now())
		if k.peers != nil {
			if err := k.peers.look(); err != nil {
				k.log.Warn("the authorities of clients' certificates cannot be used, so the old ones stay", "file", k.cfg.Clients.Authorities, "error", err)
			}
		}
	}
}

// suites are those of TLS 1.2 with forward secrecy and authenticated encryption.
func suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

func (k *Keeper) config() *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, CipherSuites: suites(), GetCertificate: k.certificate,
		NextProtos: []string{"h2", "http/1.1"},
	}
	if k.cfg.Least == "1.3" {
		c.MinVersion = tls.VersionTLS13
	}
	if k.auto != nil {
		c.NextProtos = append(c.NextProtos, acmeProtocol)
	}
	if k.peers == nil {
		return c
	}
	// A resumed session would skip the look at the certificate, which may be revoked, or
	// its authority gone, since.
	c.SessionTicketsDisabled = true
	c.ClientAuth = tls.VerifyClientCertIfGiven
	if k.cfg.Clients.Ask == Required {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	c.ClientCAs = k.peers.pool()
	base := c.Clone()
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		now := base.Clone()
		now.ClientCAs = k.peers.pool()
		if challenged(hello) {
			now.ClientAuth = tls.NoClientCert // an authority that looks whether the host leads here
		}
		return now, nil
	}
	return c
}

// certificate chooses what a client is shown. Nothing at all makes package tls send the
// alert "unrecognized name".
func (k *Keeper) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if challenged(hello) && k.auto != nil {
		return k.auto.certificate(hello)
	}
	name := strings.TrimSuffix(strings.ToLower(hello.ServerName), ".")
	if c, err := k.named(name, hello); c != nil || err != nil {
		return c, err
	}
	if k.cfg.Default != "" {
		return k.named(strings.ToLower(k.cfg.Default), hello)
	}
	return nil, nil //nolint:nilnil // documented of tls.Config: none
}

func (k *Keeper) named(name string, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := k.files.find(name, hello); c != nil {
		return c, nil
	}
	if k.auto != nil && k.auto.has(name) {
		shown := *hello
		shown.ServerName = name // which may be the default's
		return k.auto.certificate(&shown)
	}
	if k.local != nil {
		return k.local.certificate(name, time.Now())
	}
	return nil, nil //nolint:nilnil // there is none
}

// Certificate is one that is shown to clients.
type Certificate struct {
	Hosts   []string  `json:"hosts"`
	Source  string    `json:"source"` // "file", "automatic" or "local"
	Expires time.Time `json:"expires"`
	Trouble string    `json:"trouble,omitempty"` // why it could not be renewed; "" all is well
}

// Status lists the certificates there are.
func (k *Keeper) Status() []Certificate {
	all := k.files.status()
	if k.auto != nil {
		all = append(all, k.auto.status()...)
	}
	if k.local != nil {
		all = append(all, k.local.status()...)
	}
	return all
}

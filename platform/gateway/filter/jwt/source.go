package jwt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"path/filepath"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/follow"
	"github.com/musterdev/muster/platform/gateway/filter/jwt/keys"
)

// keep gets the keys of an issuer, from wherever they are.
func (f *Filter) keep(ctx context.Context, env filter.Env, i Issuer) error {
	log := env.Log.With("issuer", i.Name)
	cfg := keys.Config{Refresh: time.Duration(i.Refresh), Log: log, Changed: f.changed, Fetched: func(err error) { f.counts.fetched(i.Name, err) }}
	if err := env.CheckService(i.Service); err != nil {
		return err
	}
	client := env.HTTP
	if i.Service != "" {
		if env.Service == nil && !env.Check {
			return errors.New("services of the fleet cannot be called here")
		} else if !env.Check {
			client = env.Service(i.Service)
		}
	}
	if client == nil {
		client = &http.Client{}
	}
	plain := i.AllowHTTP || i.Service != ""
	switch {
	case env.Check:
	case i.JWKSURL != "":
		cfg.Fetch = keys.From(client, i.JWKSURL, plain)
	case i.sources() == 0:
		cfg.Fetch = keys.Discover(client, i.Name, plain)
	}
	if cfg.Fetch != nil && env.Dir != "" {
		name := sha256.Sum256([]byte(i.Name + "\n" + i.JWKSURL + "\n" + i.Service))
		cfg.File = filepath.Join(env.Dir, "jwks", hex.EncodeToString(name[:8])+".json")
	}
	k := keys.New(ctx, cfg)
	f.issuers[i.Name] = &issuer{i, k}
	switch {
	case len(i.JWKS) > 0:
		set, err := keys.Parse(i.JWKS)
		k.Set(set)
		return err
	case i.JWKSFile != "":
		return f.follow(env, i.JWKSFile, k, keys.Parse)
	case i.SecretFile != "":
		return f.follow(env, i.SecretFile, k, keys.Secret)
	}
	return nil
}

func (f *Filter) follow(env filter.Env, path string, k *keys.Keeper, parse func([]byte) ([]*keys.Key, error)) error {
	file, err := follow.Open(path, keys.MaxSet, env.Log, func(content []byte) error {
		set, err := parse(content)
		if err == nil {
			k.Set(set)
		}
		return err
	})
	if err == nil {
		f.files = append(f.files, file)
	}
	return err
}

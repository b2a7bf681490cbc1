package keys

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// Discover returns a Fetch that asks an issuer where its keys are (OpenID Connect Discovery,
// 4) and gets them. plain allows addresses without TLS, which otherwise only this machine may
// have: who can change the keys on their way can make tokens.
func Discover(client *http.Client, issuer string, plain bool) Fetch {
	return func(ctx context.Context) ([]*Key, error) {
		at := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
		body, err := get(ctx, client, at, plain)
		if err != nil {
			return nil, err
		}
		var doc struct {
			Issuer string `json:"issuer"`
			Keys   string `json:"jwks_uri"`
		}
		if err := json.Unmarshal(body, &doc); err != nil {
			return nil, fmt.Errorf("%s: no configuration of an issuer: %w", at, err)
		}
		switch {
		case doc.Issuer != issuer:
			return nil, fmt.Errorf("%s: the issuer calls itself %.200q, not %q", at, doc.Issuer, issuer)
		case doc.Keys == "":
			return nil, fmt.Errorf("%s: jwks_uri is missing", at)
		}
		return fetch(ctx, client, doc.Keys, plain)
	}
}

// From returns a Fetch that gets the keys at a URL.
func From(client *http.Client, at string, plain bool) Fetch {
	return func(ctx context.Context) ([]*Key, error) { return fetch(ctx, client, at, plain) }
}

func fetch(ctx context.Context, client *http.Client, at string, plain bool) ([]*Key, error) {
	body, err := get(ctx, client, at, plain)
	if err != nil {
		return nil, err
	}
	keys, err := Parse(body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return keys, nil
}

func get(ctx context.Context, client *http.Client, at string, plain bool) ([]byte, error) {
	if err := CheckURL(at, plain); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Cache-Control", "no-cache")
	careful := *client
	careful.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) >= 3 {
			return errors.New("too many redirects")
		}
		return CheckURL(r.URL.String(), plain)
	}
	res, err := careful.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: answered %s", at, res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxSet+1))
	if err == nil && len(body) > MaxSet {
		err = fmt.Errorf("%s: the answer is larger than %d bytes", at, MaxSet)
	}
	return body, err
}

// CheckURL returns why nothing is fetched at a URL: it must be https, or http to this machine
// unless plain allows it anywhere.
func CheckURL(at string, plain bool) error {
	u, err := url.Parse(at)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%.200q must be a URL such as https://login.example", at)
	case u.User != nil:
		return fmt.Errorf("%q must be without a user's name", u.Redacted())
	case u.Scheme == "http" && !plain && !here(u.Hostname()):
		return fmt.Errorf("%.200q must begin with https: who can change keys on their way can make tokens (allow_http allows it)", at)
	}
	return nil
}

func here(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

package certs

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// files are certificates on disk that somebody else renews.
type files struct {
	log   *slog.Logger
	index atomic.Pointer[map[string][]*tls.Certificate] // by host; "*.example" for wildcards

	mu   sync.Mutex
	list []*kept
}

// kept is one pair of files and what was in them when they last were good.
type kept struct {
	pair Pair
	cert *tls.Certificate
	seen stamp
	said string // the trouble that was told last
}

// stamp tells one content of files from the next without reading them.
type stamp struct{ cert, key look }

// look is what a file looked like.
type look struct {
	size int64
	at   time.Time
}

func openFiles(pairs []Pair, log *slog.Logger) (*files, error) {
	f := &files{log: log}
	for i, p := range pairs {
		k := &kept{pair: p, seen: stampOf(p)}
		var err error
		if k.cert, err = load(p); err != nil {
			return nil, fmt.Errorf("tls.files[%d]: %w", i, err)
		}
		if left := time.Until(k.cert.Leaf.NotAfter); left <= 0 {
			log.Warn("a certificate has expired, and is shown all the same until its file is renewed", "file", p.Cert, "expired", k.cert.Leaf.NotAfter)
		}
		f.list = append(f.list, k)
	}
	f.publish()
	return f, nil
}

// load reads a pair whose certificate names hosts.
func load(p Pair) (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		return nil, fmt.Errorf("the certificate %s with the key %s cannot be used: %w", p.Cert, p.Key, err)
	}
	if len(hosts(&c)) == 0 {
		return nil, fmt.Errorf("the certificate %s names no host (subject alternative names)", p.Cert)
	}
	return &c, nil
}

func hosts(c *tls.Certificate) []string {
	var names []string
	for _, n := range c.Leaf.DNSNames {
		names = append(names, strings.ToLower(n))
	}
	for _, a := range c.Leaf.IPAddresses {
		names = append(names, a.String())
	}
	return names
}

// hosts are those that the files have certificates for.
func (f *files) hosts() (all []string) {
	for _, k := range f.list {
		all = append(all, hosts(k.cert)...)
	}
	return all
}

func stampOf(p Pair) stamp { return stamp{lookAt(p.Cert), lookAt(p.Key)} }

func lookAt(path string) look {
	info, err := os.Stat(path)
	if err != nil {
		return look{size: -1}
	}
	return look{info.Size(), info.ModTime()}
}

// look reads again what has changed. What cannot be used leaves the old one in use, and is
// tried again at each look, as the two files are not written at the same moment.
func (f *files) look(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	changed := false
	for _, k := range f.list {
		seen := stampOf(k.pair)
		if seen == k.seen && k.said == "" {
			continue
		}
		fresh, err := load(k.pair)
		if err == nil && !now.Before(fresh.Leaf.NotAfter) {
			err = fmt.Errorf("the certificate %s has expired", k.pair.Cert)
		}
		if err != nil {
			if err.Error() != k.said {
				f.log.Warn("a renewed certificate cannot be used, so the old one stays", "error", err, "expires", k.cert.Leaf.NotAfter)
			}
			k.said = err.Error()
			continue
		}
		if k.said = ""; seen == k.seen {
			continue
		}
		k.cert, k.seen, changed = fresh, seen, true
		f.log.Info("a renewed certificate is in use", "hosts", hosts(fresh), "expires", fresh.Leaf.NotAfter)
	}
	if changed {
		f.publish()
	}
}

// publish makes the index that handshakes read; f.mu is held, or nobody else is there.
func (f *files) publish() {
	index := map[string][]*tls.Certificate{}
	for _, k := range f.list {
		for _, h := range hosts(k.cert) {
			index[h] = append(index[h], k.cert)
		}
	}
	f.index.Store(&index)
}

// find returns the certificate for a name: the first that the client can use of those for
// the very name, else of those for its wildcard. nil: there is none.
func (f *files) find(name string, hello *tls.ClientHelloInfo) *tls.Certificate {
	index := *f.index.Load()
	if name == "" || len(index) == 0 {
		return nil
	}
	found := index[name]
	if _, parent, ok := strings.Cut(name, "."); ok && len(found) == 0 {
		found = index["*."+parent]
	}
	for _, c := range found {
		if len(found) == 1 || usable(hello, c) {
			return c
		}
	}
	if len(found) > 0 {
		return found[0] // package tls says what does not match
	}
	return nil
}

// usable reports whether a client can use a certificate, whatever name it asked for.
func usable(hello *tls.ClientHelloInfo, c *tls.Certificate) bool {
	unnamed := *hello
	unnamed.ServerName = ""
	return unnamed.SupportsCertificate(c) == nil
}

func (f *files) status() []Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := make([]Certificate, 0, len(f.list))
	for _, k := range f.list {
		list = append(list, Certificate{Hosts: hosts(k.cert), Source: "file", Expires: k.cert.Leaf.NotAfter, Trouble: k.said})
	}
	return list
}

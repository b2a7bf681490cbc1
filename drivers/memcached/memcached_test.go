package memcached_test

import (
	"strings"
	"testing"

	"github.com/musterdev/muster/drivers/memcached"
)

func TestOpen(t *testing.T) {
	for _, url := range []string{"", "localhost:11211", "http://localhost", "memcached://", "memcached://a,,b", "memcached://a/b", "memcached://u@h", "memcached://:11211", "memcached://1:2:3"} {
		s, err := memcached.Open(url)
		if err == nil {
			_ = s.Close()
			t.Errorf("%q is taken", url)
			continue
		}
		if !strings.HasPrefix(err.Error(), "memcached: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", url, err)
		}
	}
	for _, url := range []string{"memcached://127.0.0.1", "memcached://127.0.0.1:11211/", "memcached://127.0.0.1:1,127.0.0.2", "memcached://[::1]:11211", "memcached://[::1]"} {
		s, err := memcached.Open(url)
		if err != nil {
			t.Errorf("%q: %v", url, err)
			continue
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

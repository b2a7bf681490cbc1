package redis_test

import (
	"strings"
	"testing"

	"github.com/musterdev/muster/drivers/redis"
)

func TestOpenRefusesWhatCannotBeMeant(t *testing.T) {
	for _, url := range []string{"", "localhost:6379", "http://localhost", "redis://user:secret@host:6379/x", "redis://user:secret@host/0?nonsense=1", "redis://user:secret@ho st"} {
		s, err := redis.Open(url)
		if err == nil {
			_ = s.Close()
			t.Errorf("%q is taken", url)
			continue
		}
		if !strings.HasPrefix(err.Error(), "redis: the URL") || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

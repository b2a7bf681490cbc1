package muster

import (
	"log/slog"
	"testing"

	"github.com/musterdev/muster/data/outbox"
)

type byLog struct{ outbox.Stream }

func (byLog) Name() string                                               { return "log" }
func (byLog) OutboxSchemes() []string                                    { return []string{"postgres"} }
func (b byLog) OutboxStream(string, *slog.Logger) (outbox.Stream, error) { return b, nil }

// A driver of outboxes is for its databases only: one process may use SQLite here and PostgreSQL there.
func TestTheOutboxLeavesByTheLogWhereItsDriverIsFor(t *testing.T) {
	for url, want := range map[string]bool{"postgres://db/orders": true, "sqlite:orders.db": false, "": false} {
		s, err := (&options{drivers: []Driver{byLog{}}}).outbox(url, nil)
		if err != nil || (s != nil) != want {
			t.Errorf("%s: %v, %v", url, s, err)
		}
		if s, err := (&options{}).outbox(url, nil); s != nil || err != nil {
			t.Errorf("%s without a driver: %v, %v", url, s, err)
		}
	}
}

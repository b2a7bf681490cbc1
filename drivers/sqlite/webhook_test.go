package sqlite

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/musterdev/muster/data/datatest/webhooktest"
)

func TestWebhooks(t *testing.T) {
	webhooktest.Run(t, func(t *testing.T) func() *sql.DB {
		path := filepath.Join(t.TempDir(), "webhooks.db")
		return func() *sql.DB { return reopen(t, path) }
	})
}

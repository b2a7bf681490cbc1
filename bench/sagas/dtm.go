package sagas

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// DTM is a client of DTM's server: it submits sagas of two calls and waits for their end.
type DTM struct {
	server, participant string
	client              *http.Client
	Stop                func()
}

// NewDTM makes the tables of the DTM that a module in a folder needs, as DTM itself has them, in a database of
// PostgreSQL, and a participant that says yes. The server is started with the variables it returns.
func NewDTM(ctx context.Context, at, folder, module string) (d *DTM, env []string, err error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, nil, err
	}
	if err := tables(ctx, at, folder, module); err != nil {
		return nil, nil, err
	}
	ports, err := freePorts(ctx, 3) // for HTTP, gRPC and JSON-RPC
	if err != nil {
		return nil, nil, err
	}
	d = &DTM{server: fmt.Sprintf("http://127.0.0.1:%d/api/dtmsvr/", ports[0]), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}}
	if d.participant, d.Stop, err = participant(ctx); err != nil {
		return nil, nil, err
	}
	// It is let in without a password, but does not start with none.
	return d, []string{
		"STORE_DRIVER=postgres", "STORE_HOST=" + u.Hostname(), "STORE_PORT=" + u.Port(), "STORE_USER=" + u.User.Username(), "STORE_PASSWORD=any", "STORE_DB=" + strings.Trim(u.Path, "/"),
		fmt.Sprint("STORE_MAX_OPEN_CONNS=", callers), fmt.Sprint("STORE_MAX_IDLE_CONNS=", callers), "LOG_LEVEL=error",
		fmt.Sprint("HTTP_PORT=", ports[0]), fmt.Sprint("GRPC_PORT=", ports[1]), fmt.Sprint("JSON_RPC_PORT=", ports[2]),
	}, nil
}

// tables runs DTM's script.
func tables(ctx context.Context, at, folder, module string) error {
	cmd := exec.CommandContext(ctx, "go", "list", "-C", folder, "-m", "-f", "{{.Dir}}", module)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		return err
	}
	script, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "sqls", "dtmsvr.storage.postgres.sql"))
	if err != nil {
		return err
	}
	db, err := sql.Open("pgx", at)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, string(script))
	return errors.Join(err, db.Close())
}

func freePorts(ctx context.Context, n int) (ports []int, err error) {
	for range n {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // all at once, so that they differ
		if addr, ok := l.Addr().(*net.TCPAddr); ok {
			ports = append(ports, addr.Port)
		}
	}
	return ports, nil
}

// Ready returns when the server answers.
func (d *DTM) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := d.One(ctx, 0, 0)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("it never carried out a saga: %w", err)
		}
	}
}

// One submits a saga and returns when it has ended.
func (d *DTM) One(ctx context.Context, _, _ int) (int, error) {
	step := map[string]string{"action": d.participant, "compensate": d.participant}
	body, err := json.Marshal(map[string]any{
		"gid": rand.Text(), "trans_type": "saga", "steps": []any{step, step}, "payloads": []string{"{}", "{}"}, "wait_result": true,
	})
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.server+"submit", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := d.client.Do(req)
	if err != nil {
		return 0, err
	}
	said, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err == nil && (res.StatusCode != http.StatusOK || !bytes.Contains(said, []byte("SUCCESS"))) {
		err = fmt.Errorf("DTM answers %s: %s", res.Status, said)
	}
	return 1, err
}

//go:build unix

package pgtest_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

// TestServerOfAChild is what the other process of TestAKilledTestLeavesNothing runs.
func TestServerOfAChild(t *testing.T) {
	if os.Getenv("MUSTER_PGTEST_CHILD") == "" {
		t.Skip("for another test only")
	}
	conn, err := pgx.Connect(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	var folder string
	if err := conn.QueryRow(t.Context(), "SHOW data_directory").Scan(&folder); err != nil {
		t.Fatal(err)
	}
	fmt.Println("\nserver", conn.Config().Port, folder)
	select {} // until killed
}

func TestAKilledTestLeavesNothing(t *testing.T) {
	pgtest.Start(t) // skips where there is no PostgreSQL
	cmd := exec.Command(os.Args[0], "-test.run=^TestServerOfAChild$")
	cmd.Env = append(os.Environ(), "MUSTER_PGTEST_CHILD=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var port int
	var folder string
	for lines := bufio.NewScanner(out); folder == "" && lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "server %d %s", &port, &folder) // other lines are not ours
	}
	if err := cmd.Process.Kill(); err != nil || folder == "" {
		t.Fatal(err, folder)
	}
	_ = cmd.Wait() // killed
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, dialErr := net.Dial("tcp", address)
		if dialErr == nil {
			_ = conn.Close()
		}
		_, statErr := os.Stat(strings.TrimSuffix(folder, "/data"))
		if dialErr != nil && os.IsNotExist(statErr) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it is still there: %v, %v", dialErr, statErr)
		}
	}
}

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

package sqlite

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/data/tx"
)

// The tests start this very binary again as other processes; what those do is
// named by an environment variable.
const childVariable = "MUSTER_SQLITE_TEST_CHILD"

func TestMain(m *testing.M) {
	if role := os.Getenv(childVariable); role != "" {
		if err := child(role, os.Args[1], os.Args[2:]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(role, path string, args []string) error {
	ctx := context.Background()
	if role == "drop rights" {
		if err := dropRights(); err != nil {
			return err
		}
		role = "open"
	}
	db, err := Driver.Open(ctx, "sqlite:"+path)
	if err != nil || role == "open" {
		return err
	}
	switch role {
	case "hold": // until killed
		w, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if _, err := w.ExecContext(ctx, "INSERT INTO t VALUES ('never committed')"); err != nil {
			return err
		}
		fmt.Println("holding")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return w.Commit()
	case "write":
		return writers(ctx, db, args)
	case "victim":
		return victim(ctx, db)
	}
	return errors.New("no such role " + role)
}

// tally is what one writer of a child reports.
type tally struct {
	Writes  int
	Longest time.Duration // wait and write together
}

// writers writes with several goroutines, half in transactions and half without,
// from a line on stdin to its end.
func writers(ctx context.Context, db *sql.DB, args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	fmt.Println("ready")
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadString('\n'); err != nil {
		return err
	}
	stop := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, in); close(stop) }()
	tallies, errs := make([]tally, n), make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			t := &tallies[i]
			for running := true; running; {
				select {
				case <-stop:
					running = false
				default:
					begin := time.Now()
					if errs[i] = writeOnce(ctx, db, i%2 == 0); errs[i] != nil {
						return
					}
					t.Writes++
					t.Longest = max(t.Longest, time.Since(begin))
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errors.Join(errs...), json.NewEncoder(os.Stdout).Encode(tallies))
}

func writeOnce(ctx context.Context, db *sql.DB, alone bool) error {
	if alone {
		_, err := db.ExecContext(ctx, "UPDATE counter SET n = n + 1")
		return err
	}
	return tx.Do(ctx, db, func(ctx context.Context, w *sql.Tx) error {
		var n int
		if err := w.QueryRowContext(ctx, "SELECT n FROM counter").Scan(&n); err != nil {
			return err
		}
		_, err := w.ExecContext(ctx, "UPDATE counter SET n = $1", n+1)
		return err
	})
}

// process is a running child.
type process struct {
	cmd *osexec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(t *testing.T, role, path string, args ...string) *process {
	t.Helper()
	cmd := osexec.Command(os.Args[0], append([]string{path}, args...)...)
	cmd.Env = append(os.Environ(), childVariable+"="+role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &process{cmd: cmd, in: in, out: bufio.NewReader(out)}
}

func (p *process) expect(t *testing.T, want string) {
	t.Helper()
	if line, err := p.out.ReadString('\n'); strings.TrimSpace(line) != want {
		t.Fatalf("the child said %q (%v), want %q", line, err, want)
	}
}

// Four processes with two writers each: all get their share, and nobody waits long.
func TestProcessesShareTheLockFairly(t *testing.T) {
	const processes, each = 4, 2
	db, path := file(t)
	exec(t, db, "CREATE TABLE counter (n INTEGER)")
	exec(t, db, "INSERT INTO counter VALUES (0)")
	children := make([]*process, processes)
	for i := range children {
		children[i] = start(t, "write", path, strconv.Itoa(each))
	}
	for _, c := range children {
		c.expect(t, "ready")
	}
	for _, c := range children {
		if _, err := io.WriteString(c.in, "go\n"); err != nil {
			t.Fatal(err)
		}
	}
	const enough = 2000
	waitFor(t, "the writes", func() bool { return value[int](t, db, "SELECT n FROM counter") >= enough })
	for _, c := range children {
		c.in.Close()
	}
	var all []tally
	for i, c := range children {
		var tallies []tally
		if err := json.NewDecoder(c.out).Decode(&tallies); err != nil {
			t.Fatalf("child %d: %v", i, err)
		}
		all = append(all, tallies...)
	}
	sum, least, longest := 0, all[0].Writes, time.Duration(0)
	for _, a := range all {
		sum += a.Writes
		least = min(least, a.Writes)
		longest = max(longest, a.Longest)
	}
	t.Logf("%d writes, the poorest of %d writers %d, the longest wait %s", sum, len(all), least, longest)
	if n := value[int](t, db, "SELECT n FROM counter"); n != sum {
		t.Errorf("the counter stands at %d after %d writes", n, sum)
	}
	if fair := sum / len(all); least < fair/4 { // on an idle machine all get theirs, within a few per cent
		t.Errorf("a writer got %d of its share of %d", least, fair)
	}
	if longest > 5*time.Second {
		t.Errorf("a writer waited %s", longest)
	}
}

func TestTheLockOfAKilledProcessIsFree(t *testing.T) {
	db, path := file(t)
	exec(t, db, "CREATE TABLE t (x)")
	c := start(t, "hold", path)
	c.expect(t, "holding")

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.ExecContext(ctx, "INSERT INTO t VALUES (1)"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("beside a holder in another process: %v", err)
	}
	done := make(chan error)
	go func() {
		_, err := db.ExecContext(t.Context(), "INSERT INTO t VALUES (2)")
		done <- err
	}()
	waitFor(t, "the writer to queue", func() bool { return waiting(t, path) })
	if n := value[int](t, db, "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("a reader saw %d rows", n)
	}
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if x := value[string](t, db, "SELECT group_concat(x) FROM t"); x != "2" {
		t.Errorf("rows %q, want only what was committed", x)
	}
}

// waiting reports whether somebody is next in line for the write lock of path.
func waiting(t *testing.T, path string) bool {
	t.Helper()
	f, err := os.Open(path + ".lock-next")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := flock(f, false)
	if err != nil {
		t.Fatal(err)
	}
	return !got
}

// Many processes that open a new database at the same time all find it in order.
func TestProcessesOpenANewDatabaseAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new.db")
	children := make([]*process, 6)
	for i := range children {
		children[i] = start(t, "open", path)
	}
	for i, c := range children {
		out, _ := io.ReadAll(c.out)
		if err := c.cmd.Wait(); err != nil {
			t.Errorf("child %d: %v: %s", i, err, out)
		}
	}
	if mode := value[string](t, reopen(t, path), "PRAGMA journal_mode"); mode != "wal" {
		t.Errorf("journal mode %s", mode)
	}
}

func TestADatabaseThatMayNotBeWrittenSaysSo(t *testing.T) {
	tests := []struct {
		name         string
		file, folder os.FileMode
		journal      string
		want         string
	}{
		{"file", 0o444, 0o755, "DELETE", "can only be read: give this user the right to write the file and its folder"},
		{"unreadable", 0o000, 0o755, "DELETE", "cannot be opened: give this user the right to read and write"},
		{"folder", 0o666, 0o555, "DELETE", "cannot open the lock file"},
		{"write-ahead logged", 0o444, 0o555, "WAL", "give this user the right to"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			folder := t.TempDir()
			t.Cleanup(func() { _ = os.Chmod(folder, 0o700) })
			path := filepath.Join(folder, "test.db")
			db := another(t, path)
			exec(t, db, "PRAGMA journal_mode="+tc.journal)
			exec(t, db, "CREATE TABLE t (x)")
			db.Close()
			for p := filepath.Dir(folder); len(p) > len(os.TempDir()); p = filepath.Dir(p) {
				if err := os.Chmod(p, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(os.Chmod(path, tc.file), os.Chmod(folder, tc.folder)); err != nil {
				t.Fatal(err)
			}
			c := start(t, "drop rights", path)
			out, err := io.ReadAll(c.out)
			if c.cmd.Wait() == nil || err != nil {
				t.Fatalf("it opened: %s (%v)", out, err)
			}
			line := strings.TrimSuffix(string(out), "\n")
			for _, want := range []string{"sqlite: ", path, tc.want} {
				if !strings.Contains(line, want) {
					t.Errorf("%q does not say %q", line, want)
				}
			}
			if strings.Contains(line, "\n") {
				t.Errorf("%q is more than a line", line)
			}
		})
	}
}

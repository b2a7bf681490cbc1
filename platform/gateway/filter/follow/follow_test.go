package follow_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter/follow"
)

func TestFollow(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "list")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var mu sync.Mutex
		var loaded []string
		load := func(content []byte) error {
			mu.Lock()
			defer mu.Unlock()
			if bytes.HasPrefix(content, []byte("bad")) {
				return errors.New("no such word")
			}
			loaded = append(loaded, string(content))
			return nil
		}
		wait := func(want string) {
			t.Helper()
			time.Sleep(follow.Every)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if got := strings.Join(loaded, " "); got != want {
				t.Errorf("loaded %q, want %q", got, want)
			}
		}
		logger := slog.New(slog.NewTextHandler(&log, nil))
		if _, err := follow.Open(path, 10, logger, load); !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		write("bad")
		if _, err := follow.Open(path, 10, logger, load); err == nil {
			t.Fatal("a bad file was taken")
		}
		write("one")
		f, err := follow.Open(path, 10, logger, load)
		if err != nil {
			t.Fatal(err)
		}
		wait("one")
		write("two") // as long, and in the same second
		if long := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC); os.Chtimes(path, long, long) != nil {
			t.Fatal("no times")
		}
		wait("one two")
		wait("one two") // it is only looked at
		write("bad")
		wait("one two")
		wait("one two")
		write("far too long for it")
		wait("one two")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		wait("one two")
		other := filepath.Join(dir, "other")
		if err := errors.Join(os.WriteFile(other, []byte("three"), 0o600), os.Rename(other, path)); err != nil {
			t.Fatal(err)
		}
		wait("one two three")
		_ = f.Close()
		write("four")
		wait("one two three")
		if n := strings.Count(log.String(), "level=ERROR"); n != 3 || !strings.Contains(log.String(), "in use again") {
			t.Errorf("%d complaints, want each once:\n%s", n, &log)
		}
	})
}

func Example() {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("muster-follow-%d", os.Getpid()))
	_ = os.WriteFile(path, []byte("alice"), 0o600)
	defer os.Remove(path)
	f, err := follow.Open(path, 1<<20, slog.Default(), func(content []byte) error {
		fmt.Println("allowed:", string(content))
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = f.Close()
	// Output: allowed: alice
}

package quota_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/cache/cachetest"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/quota"
	"github.com/musterdev/muster/problem"
)

func build(t testing.TB, env filter.Env, with string) filter.Filter {
	t.Helper()
	env.Name = "daily"
	if env.Log == nil {
		env.Log = slog.New(slog.DiscardHandler)
	}
	f, err := quota.Make(t.Context(), env, json.RawMessage(with))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(f) })
	return f
}

func end(f filter.Filter) { _ = f.(filter.Closer).Close() }

func ask(t testing.TB, f filter.Filter, who string) (*filter.Request, error) {
	t.Helper()
	r := &filter.Request{Client: netip.MustParseAddr("192.0.2.1"), Began: time.Now(), Subject: filter.Subject{ID: who}, Fields: &filter.Header{}}
	err := f.Request(t.Context(), r)
	if err != nil && problem.CodeOf(err) != problem.ResourceExhausted {
		t.Fatal(err)
	}
	return r, err
}

func passes(t testing.TB, f filter.Filter, who string, times int) (passed int) {
	t.Helper()
	for range times {
		if _, err := ask(t, f, who); err == nil {
			passed++
		}
	}
	return passed
}

func TestAround(t *testing.T) {
	for now, want := range map[string][3]string{
		"2026-11-23T22:15:07Z":      {"2026-11-23T22:00:00Z 2026-11-23T23:00:00Z", "2026-11-23T00:00:00Z 2026-11-24T00:00:00Z", "2026-11-01T00:00:00Z 2026-12-01T00:00:00Z"},
		"2026-12-31T23:59:59Z":      {"2026-12-31T23:00:00Z 2027-01-01T00:00:00Z", "2026-12-31T00:00:00Z 2027-01-01T00:00:00Z", "2026-12-01T00:00:00Z 2027-01-01T00:00:00Z"},
		"2028-02-29T00:00:00Z":      {"2028-02-29T00:00:00Z 2028-02-29T01:00:00Z", "2028-02-29T00:00:00Z 2028-03-01T00:00:00Z", "2028-02-01T00:00:00Z 2028-03-01T00:00:00Z"},
		"2026-03-01T01:30:00+05:30": {"2026-02-28T20:00:00Z 2026-02-28T21:00:00Z", "2026-02-28T00:00:00Z 2026-03-01T00:00:00Z", "2026-02-01T00:00:00Z 2026-03-01T00:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range []quota.Period{quota.Hour, quota.Day, quota.Month} {
			begin, end := p.Around(at)
			if got := begin.Format(time.RFC3339) + " " + end.Format(time.RFC3339); got != want[i] {
				t.Errorf("the %s around %s is %s, want %s", p, now, got, want[i])
			}
		}
	}
}

// The clock of a bubble begins at midnight of 2000-01-01, UTC.
func TestADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := build(t, filter.Env{}, `{"count":100,"per":"day","by":"subject","tell":true}`)
		time.Sleep(6 * time.Hour)
		r, err := ask(t, f, "u1")
		if limit, policy := r.Reply.Get("RateLimit"), r.Reply.Get("RateLimit-Policy"); err != nil || limit != `"quota";r=99;t=64800` || policy != `"quota";q=100;w=86400` {
			t.Errorf("%v, %s, %s", err, limit, policy)
		}
		if n := passes(t, f, "u1", 200); n != 99 {
			t.Errorf("%d pass", n)
		}
		if n := passes(t, f, "u2", 200); n != 100 {
			t.Errorf("of another %d pass", n)
		}
		r, err = ask(t, f, "u1")
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.RetryAfter != 18*time.Hour || r.Reply.Get("RateLimit") != `"quota";r=0;t=64800` {
			t.Errorf("%+v, %v", err, r.Reply)
		}
		time.Sleep(18*time.Hour - time.Second)
		if n := passes(t, f, "u1", 200); n != 0 {
			t.Errorf("a second before midnight %d pass", n)
		}
		time.Sleep(time.Second)
		if n := passes(t, f, "u1", 200); n != 100 {
			t.Errorf("on the next day %d pass", n)
		}
	})
}

func TestRulesTogether(t *testing.T) {
	f := build(t, filter.Env{}, `{"rules":[{"count":50,"per":"month","by":"all"},{"count":1,"per":"hour","by":"subject"}]}`)
	if n := passes(t, f, "u1", 100); n != 1 {
		t.Errorf("%d pass", n)
	}
	sum := 0
	for i := range 100 {
		sum += passes(t, f, fmt.Sprint("v", i), 2)
	}
	if sum != 49 {
		t.Errorf("%d more pass: what one rule refuses another counts", sum)
	}
	dry := build(t, filter.Env{}, `{"count":1,"per":"day","dry_run":true}`)
	if n := passes(t, dry, "u1", 10); n != 10 {
		t.Errorf("in a dry run %d pass", n)
	}
}

// A restart goes on where it was.
func TestAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kept", "counts")
	with := fmt.Sprintf(`{"count":100,"per":"month","by":"subject","file":%q}`, path)
	f := build(t, filter.Env{}, with)
	passes(t, f, "u1", 60)
	passes(t, f, "u2", 100)
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) { // it is written without an end
		if content, _ := os.ReadFile(path); strings.Count(string(content), "\n") == 2 {
			break
		} else if time.Now().After(until) {
			t.Fatalf("the file has %q", content)
		}
	}
	killed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	passes(t, f, "u1", 10)
	end(f)

	f = build(t, filter.Env{}, with)
	if n, m := passes(t, f, "u1", 100), passes(t, f, "u2", 100); n != 30 || m != 0 {
		t.Errorf("after an end %d and %d pass, want 30 and 0", n, m)
	}
	end(f)
	torn := slices.Concat(killed, []byte("nonsense\n{\"rule\":\"other\"}\n{\"rule\":\"quota\",\"key\":\"eHg=\",\"window\":1,\"co"))
	if err := os.WriteFile(path, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	f = build(t, filter.Env{}, with)
	if n, m := passes(t, f, "u1", 15), passes(t, f, "u2", 100); n != 15 || m != 0 {
		t.Errorf("after a crash %d and %d pass, want 15 and 0", n, m)
	}
	end(f)
	f = build(t, filter.Env{}, with)
	if n := passes(t, f, "u1", 100); n != 25 {
		t.Errorf("what follows a torn line is lost: %d pass, want 25", n)
	}
	dir := t.TempDir()
	for range 2 {
		f = build(t, filter.Env{Dir: dir}, `{"count":3,"per":"month"}`)
		passes(t, f, "", 2)
		end(f)
	}
	if n := passes(t, build(t, filter.Env{Dir: dir}, `{"count":5,"per":"month"}`), "", 9); n != 2 {
		t.Errorf("with the file in the edge's folder %d pass, want 2", n)
	}
}

// A table that is tried, taken or not, has a filter of the same file beside the one in use for
// a moment, and one of both may write the file anew: nothing is lost.
func TestAFileOfTwo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counts")
	with := fmt.Sprintf(`{"count":100,"per":"month","by":"subject","file":%q}`, path)
	one := build(t, filter.Env{}, with)
	end(build(t, filter.Env{}, with)) // tried
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	passes(t, one, "u1", 20)
	end(one)
	one = build(t, filter.Env{}, with)
	if n := passes(t, one, "u1", 100); n != 80 {
		t.Errorf("%d pass, want 80", n)
	}
}

// The file does not grow with what is asked.
func TestAFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counts")
	synctest.Test(t, func(t *testing.T) {
		f := build(t, filter.Env{}, fmt.Sprintf(`{"count":1000000,"per":"month","by":"subject","file":%q}`, path))
		for range 60 {
			for who := range 500 {
				passes(t, f, fmt.Sprint("user-", who), 1)
			}
			time.Sleep(time.Second)
		}
		end(f)
		info, err := os.Stat(path)
		if err != nil || info.Size() > 2<<20 {
			t.Errorf("%v, %v", info.Size(), err)
		}
		content, _ := os.ReadFile(path)
		if lines := bytes.Count(content, []byte("\n")); lines > 11_000 {
			t.Errorf("the file has %d lines for 500 keys", lines)
		}
	})
}

// Gateways that share count together, whoever of them is asked, and a restart is no new
// beginning; without the store each goes on counting, and it is added when it is back.
func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store cachetest.Memory
		var log bytes.Buffer
		env := filter.Env{Store: &store, Log: slog.New(slog.NewTextHandler(&log, nil))}
		const with = `{"count":1000,"per":"day","by":"subject","shared":true}`
		gateways := []filter.Filter{build(t, env, with), build(t, env, with), build(t, env, with)}
		passed := 0
		for range 600 { // 200 a second
			passed += passes(t, gateways[rand.IntN(3)], "u1", 2)
			time.Sleep(10 * time.Millisecond)
		}
		if passed < 1000 || passed > 1000+100 {
			t.Errorf("%d of 1000 pass", passed)
		}
		again := build(t, env, with)
		passes(t, again, "u1", 1) // it knows soon
		time.Sleep(10 * time.Millisecond)
		if n := passes(t, again, "u1", 10); n != 0 {
			t.Errorf("after a restart %d more pass", n)
		}

		passes(t, gateways[0], "u2", 300)
		time.Sleep(time.Second)
		store.Fail(errors.New("away"))
		if n := passes(t, gateways[0], "u2", 900); n != 700 {
			t.Errorf("without the store %d pass of 700 that are left", n)
		}
		passes(t, gateways[1], "u2", 50)
		time.Sleep(5 * time.Second)
		store.Fail(nil)
		time.Sleep(2 * time.Second)
		if n := passes(t, gateways[2], "u2", 1); n == 1 { // the first it hears of u2
			time.Sleep(time.Second)
		}
		if n := passes(t, gateways[2], "u2", 10); n != 0 {
			t.Errorf("what was counted without the store is forgotten: %d pass", n)
		}
		if strings.Count(log.String(), "cannot be kept") != 2 || strings.Count(log.String(), "kept again") != 2 {
			t.Errorf("the log says %s", log.String())
		}
		for _, g := range append(gateways, again) {
			end(g)
		}
	})
}

func TestConfig(t *testing.T) {
	for with, want := range map[string]string{
		`{}`: "count", `{"count":1}`: "per", `{"count":1,"per":"year"}`: "per", `{"count":-1,"per":"day"}`: "count",
		`{"rules":[{"count":1,"per":"day"},{"per":"day"}]}`: "rules[1].count", `{"count":1,"per":"day","shared":{}}`: "shared",
		`{"count":1,"rules":[{"count":1,"per":"day"}]}`: "rules", `{"count":1,"per":"day","shared":true,"file":"x"}`: "file",
		`{"count":1,"per":"day","name":"a b"}`: "name", `{"count":1,"per":"day","file":"/dev/null/x"}`: "file", `{"count":1,"per":"day","keys":-1}`: "keys",
	} {
		_, err := quota.Make(t.Context(), filter.Env{Log: slog.New(slog.DiscardHandler)}, json.RawMessage(with))
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Code != problem.InvalidArgument || len(p.Details) == 0 || p.Details[0].Field != want {
			t.Errorf("%s: %+v, want a mistake in %q", with, err, want)
		}
	}
}

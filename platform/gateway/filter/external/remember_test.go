package external

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
)

func TestAnswersAreRemembered(t *testing.T) {
	k := newKeeper(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Authorization") {
		case "good":
			w.Header().Set("X-User", "alice")
		case "cookie":
			w.Header().Set("Set-Cookie", "a=b")
		case "no-store":
			w.Header().Set("Cache-Control", "private, No-Store")
		case "slow down":
			w.WriteHeader(429)
		default:
			w.Header().Set("WWW-Authenticate", "no")
			w.WriteHeader(403)
		}
	})
	f := newFilter(t, k, Config{Remember: filter.Duration(time.Minute), Subject: "X-User"})
	asked := func(want int64, r *filter.Request, refused bool) {
		t.Helper()
		before := k.asked.Load()
		for range 3 {
			err := f.Request(context.Background(), r)
			if (err != nil) != refused {
				t.Errorf("answered %v", err)
			}
			if a, ok := errors.AsType[*filter.Answer](err); ok {
				if len(a.Header) > 0 && a.Header[0].Value != "no" {
					t.Errorf("an answer is shared: %v", a.Header)
				}
				for i := range a.Header {
					a.Header[i].Value = "changed" // must not be seen by the next
				}
			}
		}
		if n := k.asked.Load() - before; n != want {
			t.Errorf("asked %d times of 3, want %d", n, want)
		}
	}
	asked(1, request("Authorization", "good"), false)
	asked(0, request("Authorization", "good", "X-Other", "1"), false)
	asked(1, request("Authorization", "bad"), true)
	asked(3, request("Authorization", "slow down"), true)
	asked(3, request("Authorization", "cookie"), false)
	asked(3, request("Authorization", "no-store"), false)
	for name, change := range map[string]func(r *filter.Request){
		"method": func(r *filter.Request) { r.Method = "GET" }, "host": func(r *filter.Request) { r.Host = "b" }, "path": func(r *filter.Request) { r.Path = "/b" },
		"query": func(r *filter.Request) { r.Query = "" }, "client": func(r *filter.Request) { r.Client = netip.Addr{} },
		"cookie": func(r *filter.Request) { r.Fields.Set("Cookie", "a") }, "two fields": func(r *filter.Request) { r.Fields.Add("Authorization", "x") },
		"none": func(*filter.Request) {},
	} {
		r := request("Authorization", "good")
		change(r)
		before := k.asked.Load()
		_ = f.Request(context.Background(), r)
		if (k.asked.Load() > before) != (name != "none") {
			t.Errorf("with another %s: asked %v", name, k.asked.Load() > before)
		}
	}
	two := newFilter(t, k, Config{Remember: filter.Duration(time.Minute), Send: []string{"A", "B"}})
	_ = two.Request(context.Background(), request("A", "x"))
	asked0 := k.asked.Load()
	if _ = two.Request(context.Background(), request("B", "x")); k.asked.Load() == asked0 {
		t.Error("what stands in another field is taken for the same")
	}
	narrow := newFilter(t, k, Config{Remember: filter.Duration(time.Minute), Alike: []string{"header Authorization"}})
	before := k.asked.Load()
	for i := range 5 {
		r := request("Authorization", "good")
		r.Path = fmt.Sprint("/", i)
		if err := narrow.Request(context.Background(), r); err != nil {
			t.Error(err)
		}
	}
	if n := k.asked.Load() - before; n != 1 {
		t.Errorf("asked %d times, want once for all paths", n)
	}
}

package operation

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// question is a request for a status.
type question struct {
	ID          string `path:"id"`
	Prefer      string `header:"Prefer" doc:"wait=SECONDS: let the answer wait for the end (RFC 7240)."`
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of the status at hand."`
}

// shown is a status as it is answered.
type shown struct {
	Status

	RetryAfter string `header:"Retry-After" json:"-" doc:"When to ask again, in seconds; absent when it has ended."`
	Applied    string `header:"Preference-Applied" json:"-"`
	Location   string `header:"Content-Location" json:"-"`
	Cache      string `header:"Cache-Control" json:"-"`
}

// ETag is the version of the status.
func (s shown) ETag() string { return s.tag() }

// Location returns the address of an operation's status resource.
func (o *Operations) Location(id string) string { return o.c.Path + "/" + url.PathEscape(id) }

func (o *Operations) retry() string { return strconv.Itoa(int(o.c.RetryAfter / time.Second)) }

func (o *Operations) show(s Status) shown {
	out := shown{Status: s, Location: o.Location(s.ID), Cache: "no-cache"}
	if !s.ended() {
		out.RetryAfter = o.retry()
	}
	return out
}

func (o *Operations) get(ctx context.Context, q question) (shown, error) {
	wait, asked := waitOf(q.Prefer)
	wait = min(wait, o.c.MaxWait)
	s, err := o.await(ctx, q.ID, wait, q.IfNoneMatch)
	if err != nil {
		return shown{}, err
	}
	out := o.show(s)
	if asked {
		out.Applied = "wait=" + strconv.Itoa(int(wait/time.Second))
		if !s.ended() {
			out.RetryAfter = "" // it may ask at once, and wait again
		}
	}
	return out, nil
}

func (o *Operations) cancel(ctx context.Context, q struct {
	ID string `path:"id"`
},
) (shown, error) {
	if err := o.canceler.Cancel(ctx, q.ID); err != nil {
		return shown{}, err
	}
	o.Wake()
	s, err := o.find(ctx, q.ID)
	return o.show(s), err
}

func (o *Operations) find(ctx context.Context, id string) (Status, error) {
	s, err := o.c.Source.Find(ctx, id)
	s.ID = id
	return s, err
}

// early is how long before its deadline a request is answered with what is known.
const early = 200 * time.Millisecond

// await returns the status when it has ended or is another than the one at hand, and at the
// latest after wait, or when the request's time is nearly up.
func (o *Operations) await(ctx context.Context, id string, wait time.Duration, at string) (Status, error) {
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)-early)
	}
	late := time.NewTimer(wait)
	defer late.Stop()
	look := time.NewTicker(o.c.Look)
	defer look.Stop()
	for {
		bell := o.rung() // before the look, so that nothing between the two is missed
		s, err := o.find(ctx, id)
		if err != nil || wait <= 0 || s.ended() || at != "" && !strings.Contains(at, s.tag()) && at != "*" {
			return s, err
		}
		select {
		case <-bell:
		case <-look.C:
		case <-late.C:
			return o.find(ctx, id)
		case <-o.leaving:
			return s, nil
		case <-ctx.Done():
			return s, context.Cause(ctx)
		}
	}
}

// waitOf reads the preference (RFC 7240, section 4.3) of a Prefer header; what cannot be
// read is passed over, as preferences are.
func waitOf(prefer string) (wait time.Duration, asked bool) {
	for one := range strings.SplitSeq(prefer, ",") {
		one, _, _ = strings.Cut(one, ";") // its parameters
		name, value, _ := strings.Cut(one, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}
		if seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31); err == nil {
			return time.Duration(seconds) * time.Second, true
		}
		return 0, false // of several the first counts (section 2)
	}
	return 0, false
}

// folded makes one of several header fields that are lists (RFC 9110, section 5.3).
func folded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Prefer", "If-None-Match"} {
			if all := r.Header.Values(name); len(all) > 1 {
				r.Header.Set(name, strings.Join(all, ", "))
			}
		}
		next.ServeHTTP(w, r)
	})
}

package notify_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/cloudevents"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/events"
)

func must(t *testing.T, p *process, e event, status int, sent bool) answer {
	t.Helper()
	a, err := p.post(t.Context(), e)
	if err != nil || a.status != status || a.sent != sent {
		t.Errorf("event %s: %+v, %v; want %d, sent %t", e.id, a, err, status, sent)
	}
	return a
}

func TestOneMailForEachStateOfAnOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "mails")
	p := start(t, dir)
	must(t, p, confirmed("o-1", "e1"), http.StatusCreated, true)
	must(t, p, failed("o-2", "e2"), http.StatusCreated, true)
	must(t, p, confirmed("o-1", "e1"), http.StatusOK, false)
	must(t, p, confirmed("o-1", "e3"), http.StatusOK, false) // the same news in another event
	all, unfinished := mails(t, dir)
	if len(all) != 2 || len(unfinished) != 0 {
		t.Errorf("mails %v, unfinished %v", all, unfinished)
	}
	if m := all["o-1.confirmed.json"]; m.Event != "e1" || !strings.Contains(m.Text, "12.50") || !strings.Contains(m.Subject, "o-1") {
		t.Errorf("%+v", m)
	}
	if m := all["o-2.failed.json"]; m.Event != "e2" || !strings.Contains(m.Text, "card declined") {
		t.Errorf("%+v", m)
	}
	p.kill()
	must(t, start(t, dir), failed("o-2", "e2"), http.StatusOK, false)
}

// The events as orders makes them and the platform posts them.
func TestTheShopsOwnEvents(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	good, err := events.OrderConfirmed.Msg(t.Context(), "o-1", events.Confirmation{Order: "o-1", Cart: "c-1", Cents: 1250})
	if err != nil {
		t.Fatal(err)
	}
	bad, err := events.OrderFailed.Msg(t.Context(), "o-2", events.Failure{Order: "o-2", Cart: "c-1", Reason: "“p-1001” is out of stock"})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []bus.Msg{good, bad, good} {
		m.Source = "/orders"
		req, err := cloudevents.NewRequest(t.Context(), p.url+"/events", m)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := do(req); err != nil || a.problem != nil {
			t.Errorf("%s: %+v, %v", m.Topic, a, err)
		}
	}
	all, _ := mails(t, dir)
	if c, f := all["o-1.confirmed.json"], all["o-2.failed.json"]; len(all) != 2 || c.Event != good.ID || f.Event != bad.ID || !strings.Contains(f.Text, "“p-1001”") {
		t.Errorf("%+v", all)
	}
}

func TestBadEventsAreRefusedByName(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	ok := confirmed("o-1", "e")
	with := func(change func(*event)) event {
		e := ok
		change(&e)
		return e
	}
	header := func(name, value string) event {
		return with(func(e *event) { e.header = map[string]string{name: value} })
	}
	data := func(text string) event { return with(func(e *event) { e.data = text }) }
	for name, c := range map[string]struct {
		event  event
		status int
		code   problem.Code
		field  string
	}{
		"no id":                  {header("Ce-Id", ""), 400, problem.InvalidArgument, "ce-id"},
		"an endless id":          {header("Ce-Id", strings.Repeat("i", 256)), 400, problem.InvalidArgument, "ce-id"},
		"a half escape":          {header("Ce-Id", "a%f"), 400, problem.InvalidArgument, "ce-id"},
		"no source":              {header("Ce-Source", ""), 400, problem.InvalidArgument, "ce-source"},
		"no type":                {header("Ce-Type", ""), 400, problem.InvalidArgument, "ce-type"},
		"no version":             {header("Ce-Specversion", ""), 400, problem.InvalidArgument, "ce-specversion"},
		"another version":        {header("Ce-Specversion", "0.3"), 400, problem.InvalidArgument, "ce-specversion"},
		"an unknown type":        {header("Ce-Type", "orders.lost"), 422, problem.Unprocessable, "ce-type"},
		"a type of the language": {header("Ce-Type", "constructor"), 422, problem.Unprocessable, "ce-type"},
		"structured mode":        {header("Content-Type", "application/cloudevents+json"), 415, problem.InvalidArgument, ""},
		"not JSON by name":       {header("Content-Type", "text/plain"), 415, problem.InvalidArgument, "content-type"},
		"JSON's cousin":          {header("Content-Type", "application/jsonp"), 415, problem.InvalidArgument, "content-type"},
		"no media type":          {header("Content-Type", ""), 415, problem.InvalidArgument, "content-type"},
		"half JSON":              {data(`{"order":"o-1"`), 400, problem.InvalidArgument, ""},
		"nothing":                {data(``), 400, problem.InvalidArgument, ""},
		"not UTF-8":              {data("{\"order\":\"\xff\"}"), 400, problem.InvalidArgument, ""},
		"null":                   {data(`null`), 400, problem.InvalidArgument, ""},
		"a list":                 {data(`[]`), 400, problem.InvalidArgument, ""},
		"no order":               {data(`{"cart":"c","cents":1}`), 400, problem.InvalidArgument, "order"},
		"a way out":              {data(`{"order":"../o-1","cart":"c","cents":1}`), 400, problem.InvalidArgument, "order"},
		"a hidden file":          {data(`{"order":".o-1","cart":"c","cents":1}`), 400, problem.InvalidArgument, "order"},
		"half a cent":            {data(`{"order":"o-1","cart":"c","cents":0.5}`), 400, problem.InvalidArgument, "cents"},
		"less than nothing":      {data(`{"order":"o-1","cart":"c","cents":-1}`), 400, problem.InvalidArgument, "cents"},
		"a cart that is none":    {data(`{"order":"o-1","cart":7,"cents":1}`), 400, problem.InvalidArgument, "cart"},
		"too large":              {data(`{"order":"` + strings.Repeat("o", 1<<20) + `"}`), 413, problem.TooLarge, ""},
		"another method":         {with(func(e *event) { e.method = http.MethodPut }), 405, problem.Unimplemented, ""},
		"another path":           {with(func(e *event) { e.path = "/event" }), 404, problem.NotFound, ""},
	} {
		a, err := p.post(t.Context(), c.event)
		if err != nil || a.status != c.status || a.problem.Code != c.code || a.problem.Message == "" ||
			a.header.Get("Content-Type") != problem.ContentType ||
			c.field != "" && !slices.ContainsFunc(a.problem.Details, func(d problem.Detail) bool { return d.Field == c.field && d.Reason != "" }) {
			t.Errorf("%s: %+v, %v; want %d %s about %q", name, a, err, c.status, c.code, c.field)
		}
	}
	if all, unfinished := mails(t, dir); len(all)+len(unfinished) != 0 {
		t.Errorf("there are %v and %v", all, unfinished)
	}
	must(t, p, with(func(e *event) {
		e.header = map[string]string{"Content-Type": "Application/JSON ; charset=utf-8", "Ce-Id": "%C3%A4"}
	}), http.StatusCreated, true)
	if all, _ := mails(t, dir); all["o-1.confirmed.json"].Event != "ä" {
		t.Errorf("%v: the id is percent-encoded on the wire", all)
	}
}

// Many copies of every event reach two processes at the same time.
func TestDuplicatesAtOnceAreOneMail(t *testing.T) {
	const orders, copies = 30, 6
	dir := t.TempDir()
	replicas := []*process{start(t, dir), start(t, dir)}
	var posting sync.WaitGroup
	var mu sync.Mutex
	sent := map[string]int{}
	for i := range orders * copies {
		order := fmt.Sprint("o-", i/copies)
		posting.Go(func() {
			a, err := replicas[i%2].post(t.Context(), confirmed(order, "e-"+order))
			if err != nil || a.status >= 300 {
				t.Errorf("%s: %+v, %v", order, a, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if a.sent {
				sent[order]++
			}
		})
	}
	posting.Wait()
	for order, n := range sent {
		if n != 1 {
			t.Errorf("%s was sent %d times", order, n)
		}
	}
	if all, unfinished := mails(t, dir); len(all) != orders || len(sent) != orders || len(unfinished) != 0 {
		t.Errorf("%d mails, %d said to be sent, unfinished %v; want %d and none", len(all), len(sent), unfinished, orders)
	}
}

package webhooktest

import (
	"context"
	"database/sql"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/webhook"
	"github.com/musterdev/muster/webhook/web"
)

func replayed(t *testing.T, open func() *sql.DB) {
	db := open()
	w := hooks(t, db, local())
	p := newPartner(t)
	id, _ := endpoint(t, w, p.URL)
	other, _ := endpoint(t, w, p.URL)
	running(t, w)
	for n := range 3 {
		appended(t, db, w, "", event(n))
	}
	until(t, w, webhook.Delivered, 6)
	list := deliveries(t, w, webhook.Filter{Endpoint: id})
	dbtest.Want(t, "the newest first", list[0].Event, "e-2")
	dbtest.Want(t, "of one", list[0].Endpoint, id)
	dbtest.Want(t, "a page on", deliveries(t, w, webhook.Filter{Endpoint: id, Before: list[0].ID, Most: 1})[0].Event, "e-1")
	dbtest.Succeed(t, w.Replay(t.Context(), list[0].ID, by()))
	dbtest.Eventually(t, "the post again", func() bool { return len(p.posts()) == 7 })
	dbtest.Want(t, "its id", p.posts()[6].id, list[0].Message)
	until(t, w, webhook.Delivered, 6)

	dbtest.Execute(t, db, `UPDATE muster_webhook_event SET created = 1000 WHERE event = 'e-0'`)
	for what, tt := range map[string]struct {
		f webhook.Filter
		n int64
	}{
		"dead ones, of which there are none": {webhook.Filter{Endpoint: id}, 0},
		"delivered before":                   {webhook.Filter{Endpoint: id, State: webhook.Delivered, To: time.UnixMilli(2000)}, 1},
		"delivered since":                    {webhook.Filter{Endpoint: other, State: webhook.Delivered, From: time.UnixMilli(2000)}, 2},
	} {
		n, err := w.ReplayAll(t.Context(), tt.f, by())
		dbtest.Succeed(t, err)
		dbtest.Want(t, what, n, tt.n)
	}
	dbtest.Eventually(t, "the posts again", func() bool { return len(p.posts()) == 10 })
	until(t, w, webhook.Delivered, 6)

	dbtest.Execute(t, db, `UPDATE muster_webhook_delivery SET leased_until = 32503680000000 WHERE endpoint = $1`, id)
	n, err := w.ReplayAll(t.Context(), webhook.Filter{Endpoint: id, State: webhook.Delivered}, by())
	dbtest.Succeed(t, err)
	dbtest.Want(t, "of those that are being posted", n, 0)
	for what, tt := range map[string]struct {
		err  error
		code problem.Code
	}{
		"being posted":  {w.Replay(t.Context(), list[0].ID, by()), problem.FailedPrecondition},
		"none":          {w.Replay(t.Context(), "99999", by()), problem.NotFound},
		"no number":     {w.Replay(t.Context(), "x", by()), problem.NotFound},
		"nobody":        {w.Replay(t.Context(), list[0].ID, webhook.Note{Why: "x"}), problem.InvalidArgument},
		"no reason":     {w.Disable(t.Context(), id, webhook.Note{By: "x"}), problem.InvalidArgument},
		"no endpoint":   {w.Disable(t.Context(), "ep-x", by()), problem.NotFound},
		"nor to enable": {w.Enable(t.Context(), "ep-x", true, by()), problem.NotFound},
		"nor to delete": {w.Delete(t.Context(), "ep-x"), problem.NotFound},
	} {
		dbtest.Want(t, what, problem.CodeOf(tt.err), tt.code)
	}
	if _, err := w.ReplayAll(t.Context(), webhook.Filter{State: webhook.Dead}, by()); problem.CodeOf(err) != problem.NotFound {
		t.Errorf("all of everybody: %v", err)
	}
}

func forgotten(t *testing.T, open func() *sql.DB) {
	db := open()
	w := hooks(t, db, local())
	endpoint(t, w, "http://127.0.0.1:1/")
	for n := range 3 {
		appended(t, db, w, "", event(n))
	}
	dbtest.Execute(t, db, `UPDATE muster_webhook_event SET created = 1000 WHERE event <> 'e-2'`)
	stop := running(t, w)
	dbtest.Eventually(t, "the old ones to be forgotten", func() bool { return dbtest.Value[int](t, db, `SELECT count(*) FROM muster_webhook_event`) == 1 })
	stop()
	dbtest.Want(t, "their deliveries", dbtest.Value[int](t, db, `SELECT count(*) FROM muster_webhook_delivery`), 1)
}

// What is left of an event that was forgotten is not tried for ever.
func noMore(t *testing.T, open func() *sql.DB) {
	db := open()
	w := hooks(t, db, local())
	p := newPartner(t)
	endpoint(t, w, p.URL)
	appended(t, db, w, "", event(1))
	dbtest.Execute(t, db, `DELETE FROM muster_webhook_event`)
	appended(t, db, w, "", event(2))
	running(t, w)
	dbtest.Eventually(t, "one to be left", func() bool { return dbtest.Value[int](t, db, `SELECT count(*) FROM muster_webhook_delivery`) == 1 })
	until(t, w, webhook.Delivered, 1)
	dbtest.Want(t, "posts", len(p.posts()), 1)
}

func wrong(t *testing.T, open func() *sql.DB) {
	c := local()
	c.Plain = false
	w := hooks(t, open(), c)
	topics := []string{"orders.*"}
	for what, e := range map[string]webhook.Endpoint{
		"begin with https://": {URL: "http://example.com/", Topics: topics},
		"absolute URL":        {URL: "example.com/x", Topics: topics},
		"absolute":            {URL: "https://" + strings.Repeat("x", 2000) + ".com/", Topics: topics},
		"neither a user":      {URL: "https://ann:pw@example.com/", Topics: topics},
		"nor a fragment":      {URL: "https://example.com/#x", Topics: topics},
		"not an address":      {URL: "https://[::1]/", Topics: topics},
		"1 to 100 patterns":   {URL: "https://example.com/"},
		"has 1 segments":      {URL: "https://example.com/", Topics: []string{"orders"}},
		"bytes of text":       {URL: "https://example.com/", Topics: topics, Description: "\x00"},
	} {
		if _, _, err := w.Create(t.Context(), e); problem.CodeOf(err) != problem.InvalidArgument || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, _, err := w.Create(t.Context(), webhook.Endpoint{URL: "https://example.com/hooks", Topics: topics}); err != nil {
		t.Error(err)
	}
	for _, f := range []webhook.Filter{{State: "x"}, {Before: "x"}, {Most: 1001}} {
		if _, err := w.Deliveries(t.Context(), f); problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("%+v: %v", f, err)
		}
	}
}

func unmigrated(t *testing.T, open func() *sql.DB) {
	db := open()
	w, err := webhook.New(db, webhook.Config{})
	dbtest.Succeed(t, err)
	if err := w.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "call webhook.Migrate before") {
		t.Errorf("Run: %v", err)
	}
	if _, err := webhook.New(nil, webhook.Config{}); err == nil {
		t.Error("of no database")
	}
	if _, err := webhook.New(db, webhook.Config{Workers: -1}); err == nil {
		t.Error("of a negative number")
	}
	w = hooks(t, db, local())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	began := make(chan struct{})
	go func() { close(began); done <- w.Run(ctx) }()
	<-began
	cancel()
	dbtest.Succeed(t, <-done)
}

func operators(t *testing.T, open func() *sql.DB) {
	db := open()
	w := hooks(t, db, local())
	h := web.Handler(w)
	ask := func(method, path, body string, status int, out any) {
		t.Helper()
		r := httptest.NewRequest(method, "/.muster/webhooks"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		dbtest.Want(t, method+" "+path+" "+body, rec.Code, status)
		if out != nil {
			dbtest.Succeed(t, json.Unmarshal(rec.Body.Bytes(), out))
		}
	}
	p := newPartner(t, 500)
	const note = `{"by":"ann","why":"test"}`
	var made web.Created
	ask("POST", "", `{"url":"`+p.URL+`","topics":["orders.*"],"tenant":"acme"}`, http.StatusCreated, &made)
	appended(t, db, w, "acme", event(1))
	var list web.Listing
	ask("GET", "?tenant=acme", "", 200, &list)
	if len(list.Endpoints) != 1 || list.Endpoints[0].ID != made.ID || list.Endpoints[0].Waiting != 1 || !strings.HasPrefix(string(made.Secret), "whsec_") {
		t.Errorf("%+v, made %+v", list, made)
	}
	var found web.Deliveries
	ask("GET", "/-/deliveries?endpoint="+made.ID+"&state=waiting&most=1", "", 200, &found)
	dbtest.Want(t, "deliveries", len(found.Deliveries), 1)
	dbtest.Want(t, "more", found.More, true)
	var e webhook.Endpoint
	ask("POST", "/"+made.ID+"/disable", note, 200, &e)
	dbtest.Want(t, "why", e.Disabled, "by ann: test")
	ask("POST", "/"+made.ID+"/enable", `{"by":"ann","why":"test","skip":true}`, 200, &e)
	dbtest.Want(t, "dead", e.Dead, 1)
	var turned web.Created
	ask("POST", "/"+made.ID+"/rotate", `{"by":"ann","why":"test","keep_seconds":60}`, 200, &turned)
	if turned.Secret == made.Secret || turned.Secret == "" {
		t.Error("the secret is the same")
	}
	var n web.Replayed
	ask("POST", "/-/replay", `{"by":"ann","why":"test","endpoint":"`+made.ID+`"}`, 200, &n)
	dbtest.Want(t, "replayed", n.Replayed, 1)
	ask("POST", "/-/deliveries/"+found.Deliveries[0].ID+"/replay", note, 200, &n)
	ask("GET", "/"+made.ID, "", 200, &e)
	for _, bad := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "?x=1", "", 400},
		{"GET", "/-/deliveries?x=1", "", 400},
		{"GET", "/-/deliveries?most=0", "", 400},
		{"GET", "/-/deliveries?state=waiting&state=dead", "", 400},
		{"GET", "/ep-none", "", 404},
		{"POST", "/ep-none/disable", note, 404},
		{"POST", "/ep-none/frob", note, 404},
		{"POST", "", `{"url":"x","topics":["orders.*"]}`, 400},
		{"POST", "", `{"secret":"x"}`, 400},
		{"POST", "", note + note, 400},
		{"POST", "/" + made.ID + "/disable", `{"by":"ann","why":"x","skip":true}`, 400},
		{"POST", "/" + made.ID + "/disable", `{}`, 400},
		{"POST", "", `{"description":"` + strings.Repeat("x", 20<<10) + `"}`, 413},
	} {
		ask(bad.method, bad.path, bad.body, bad.status, nil)
	}
	r := httptest.NewRequest("POST", "/.muster/webhooks/"+made.ID+"/disable", strings.NewReader(note))
	rec := httptest.NewRecorder() // as a page of another site can send it
	h.ServeHTTP(rec, r)
	dbtest.Want(t, "without its type", rec.Code, http.StatusUnsupportedMediaType)
	ask("DELETE", "/"+made.ID, "", 204, nil)
	ask("GET", "", "", 200, &list)
	dbtest.Want(t, "endpoints", len(list.Endpoints), 0)
}

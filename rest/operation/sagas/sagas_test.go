package sagas_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest/operation"
	"github.com/musterdev/muster/rest/operation/sagas"
)

// engine shows one saga.
type engine struct {
	d    saga.Detail
	show error
	no   error
	note saga.Note
}

func (e *engine) Show(context.Context, string, string) (saga.Detail, error) { return e.d, e.show }

func (e *engine) Compensate(_ context.Context, _, _ string, n saga.Note) error {
	e.note = n
	return e.no
}

func detail(state saga.State, undoing bool, history ...saga.Event) saga.Detail {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return saga.Detail{Entry: saga.Entry{Name: "checkout", ID: "o-1", State: state, Undoing: undoing, Reason: "no stock", Error: "dial tcp 10.0.0.7: refused", Created: at, Updated: at}, History: history}
}

func TestFind(t *testing.T) {
	done := func(step, direction string) saga.Event {
		return saga.Event{Step: step, Direction: direction, Outcome: "done"}
	}
	people := func(by string) saga.Event { return saga.Event{Outcome: "compensated", By: by, Why: "a secret"} }
	for name, tt := range map[string]struct {
		d         saga.Detail
		state     operation.State
		percent   int // -1: none
		canceling bool
		result    string
		failure   string
	}{
		"begun":             {detail(saga.Running, false), operation.Running, 0, false, "", ""},
		"half done":         {detail(saga.Waiting, false, done("reserve", "do"), done("reserve", "do"), done("pay", "do")), operation.Running, 50, false, "", ""},
		"stopped by a bug":  {detail(saga.Paused, false), operation.Running, 0, false, "", ""},
		"goes back":         {detail(saga.Compensating, true, done("reserve", "do"), done("reserve", "undo")), operation.Running, -1, true, "", ""},
		"waits going back":  {detail(saga.Waiting, true), operation.Running, -1, true, "", ""},
		"completed":         {detail(saga.Completed, false), operation.Succeeded, -1, false, "/v1/orders/o-1", ""},
		"refused":           {detail(saga.Compensated, true), operation.Failed, -1, false, "", "no stock"},
		"canceled":          {detail(saga.Compensated, true, people("the client")), operation.Canceled, -1, false, "", ""},
		"by the own people": {detail(saga.Compensated, true, people("ann")), operation.Failed, -1, false, "", "it was stopped, and what it did was taken back"},
	} {
		src := sagas.Source{Engine: &engine{d: tt.d}, Name: "checkout", Steps: 4, Result: func(d saga.Detail) string { return "/v1/orders/" + d.ID }}
		s, err := src.Find(t.Context(), "o-1")
		percent, failure := -1, ""
		if s.Percent != nil {
			percent = *s.Percent
		}
		if s.Error != nil {
			failure = s.Error.Detail
		}
		if err != nil || s.State != tt.state || percent != tt.percent || s.Canceling != tt.canceling || s.Result != tt.result || failure != tt.failure {
			t.Errorf("%s: %+v, %d, %q, %v", name, s, percent, failure, err)
		}
		if ended := s.State != operation.Running; ended != s.Expires.Equal(tt.d.Updated.Add(30*24*time.Hour)) {
			t.Errorf("%s: it expires %s", name, s.Expires)
		}
	}
	_, err := sagas.Source{Engine: &engine{show: saga.ErrNotFound}}.Find(t.Context(), "o-2")
	if problem.CodeOf(err) != problem.NotFound || problem.From(err).Message != `there is no operation "o-2"` {
		t.Errorf("%v", err)
	}
}

func TestCancel(t *testing.T) {
	late := problem.New(problem.FailedPrecondition, "not now")
	lost := errors.New("the database is away")
	for name, tt := range map[string]struct {
		e    engine
		code problem.Code
		none bool
	}{
		"in time":        {engine{}, "", true},
		"too late":       {engine{no: late, d: detail(saga.Running, false)}, problem.FailedPrecondition, false},
		"ended":          {engine{no: late, d: detail(saga.Completed, false)}, problem.FailedPrecondition, false},
		"goes back":      {engine{no: late, d: detail(saga.Compensating, true)}, "", true},
		"went":           {engine{no: late, d: detail(saga.Compensated, true)}, "", true},
		"unknown":        {engine{no: saga.ErrNotFound}, problem.NotFound, false},
		"away":           {engine{no: lost}, problem.Internal, false},
		"away meanwhile": {engine{no: late, show: lost}, problem.Internal, false},
	} {
		err := sagas.Source{Engine: &tt.e, Name: "checkout"}.Cancel(t.Context(), "o-1")
		if (err == nil) != tt.none || err != nil && problem.CodeOf(err) != tt.code {
			t.Errorf("%s: %v", name, err)
		}
		if tt.e.note.By != "the client" {
			t.Errorf("%s: by %q", name, tt.e.note.By)
		}
	}
}

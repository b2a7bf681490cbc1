package plan

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/problem"
)

type stated string

func (s stated) Error() string    { return "state " + string(s) }
func (s stated) SQLState() string { return string(s) }

func TestJudge(t *testing.T) {
	boom := errors.New("boom")
	tests := []struct {
		err   error
		kind  Kind
		sure  bool
		after time.Duration
	}{
		{nil, Done, true, 0},
		{ErrWait, Waits, false, 0},
		{fmt.Errorf("asked: %w", ErrWait), Waits, false, 0},
		{&Ended{Kind: Rejected, Reason: "no"}, Rejected, true, 0},
		{fmt.Errorf("stock: %w", &Ended{Kind: Rejected, Reason: "no"}), Rejected, true, 0},
		{&Ended{Kind: Retry, Err: boom, After: time.Hour}, Retry, true, time.Hour},
		{&Ended{Kind: Unknown, Err: boom}, Unknown, false, 0},
		{&Ended{Kind: Bug, Err: problem.New(problem.NotFound, "x")}, Bug, false, 0},
		{problem.New(problem.InvalidArgument, "x"), Rejected, true, 0},
		{problem.New(problem.NotFound, "x"), Rejected, true, 0},
		{problem.New(problem.Conflict, "x"), Rejected, true, 0},
		{problem.New(problem.Conflict, "x").WithRetryAfter(time.Second), Retry, false, time.Second},
		{problem.New(problem.Gone, "x"), Rejected, true, 0},
		{problem.New(problem.FailedPrecondition, "x"), Rejected, true, 0},
		{problem.New(problem.Unprocessable, "x"), Rejected, true, 0},
		{problem.New(problem.Unavailable, "x"), Retry, false, 0},
		{problem.New(problem.Unavailable, "x").WithRetryAfter(time.Hour), Retry, false, time.Minute},
		{problem.New(problem.ResourceExhausted, "x"), Retry, false, 0},
		{context.Canceled, Retry, false, 0},
		{context.DeadlineExceeded, Unknown, false, 0},
		{table.ErrLost, Unknown, false, 0}, // why the context ended, as a client tells it
		{fmt.Errorf("bank: %w", table.ErrLost), Unknown, false, 0},
		{problem.New(problem.Unknown, "x"), Unknown, false, 0},
		{problem.New(problem.Internal, "x"), Fault, false, 0},
		{problem.New(problem.Unimplemented, "x"), Fault, false, 0},
		{problem.New(problem.PermissionDenied, "x"), Fault, false, 0},
		{problem.New(problem.Unauthenticated, "x"), Fault, false, 0},
		{problem.New(problem.TooLarge, "x"), Fault, false, 0},
		{status.Error(codes.NotFound, "x"), Rejected, true, 0},
		{status.Error(codes.Unavailable, "x"), Retry, false, 0},
		{status.Error(codes.DeadlineExceeded, "x"), Unknown, false, 0},
		{stated("40P01"), Retry, false, 0},
		{stated("23505"), Fault, false, 0},
		{boom, Fault, false, 0},
	}
	for _, tc := range tests {
		o := Judge(tc.err)
		if o.Kind != tc.kind || o.Sure != tc.sure || o.After != tc.after {
			t.Errorf("%v: %+v, want %s, sure %t, after %s", tc.err, o, tc.kind, tc.sure, tc.after)
		}
		if o.Text == "" && tc.kind != Done && tc.kind != Waits {
			t.Errorf("%v: no text", tc.err)
		}
	}
	if got := Judge(problem.Wrap(boom, problem.Conflict, "sold out")).Text; got != "sold out" {
		t.Errorf("a refusal says %q", got)
	}
}

// What is kept must be text that PostgreSQL takes.
func TestClip(t *testing.T) {
	for _, s := range []string{"", "plain", "a\x00b", "bad \xff", strings.Repeat("é", maxText)} {
		got := Clip(s)
		if !utf8.ValidString(got) || strings.Contains(got, "\x00") || len(got) > maxText+10 {
			t.Errorf("%.20q became %.20q, %d bytes", s, got, len(got))
		}
	}
	if Clip("plain") != "plain" {
		t.Error("a plain text was changed")
	}
}

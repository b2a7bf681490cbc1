package problem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var errSentinel = errors.New("secret cause")

// sqlError is a database's error with its SQLSTATE.
type sqlError string

func (e sqlError) Error() string    { return "SQL error " + string(e) }
func (e sqlError) SQLState() string { return string(e) }

func TestCodeOf(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	<-ctx.Done()
	var none *Error
	for name, tt := range map[string]struct {
		err  error
		want Code
	}{
		"nil":                 {nil, ""},
		"nil *Error":          {none, Internal},
		"plain":               {errSentinel, Internal},
		"own":                 {New(NotFound, "x"), NotFound},
		"wrapped own":         {fmt.Errorf("while: %w", New(Gone, "x")), Gone},
		"joined own":          {errors.Join(errSentinel, New(Conflict, "x")), Conflict},
		"own over a context":  {Wrap(context.Canceled, Unavailable, "x"), Unavailable},
		"foreign code":        {&Error{Code: "nonsense"}, Internal},
		"deadline":            {fmt.Errorf("q: %w", ctx.Err()), DeadlineExceeded},
		"canceled":            {context.Canceled, Canceled},
		"status":              {status.Error(codes.AlreadyExists, "x"), Conflict},
		"wrapped status":      {fmt.Errorf("dial: %w", status.Error(codes.Unavailable, "x")), Unavailable},
		"disk full":           {fmt.Errorf("insert: %w", sqlError("53100")), Unavailable},
		"other SQL":           {sqlError("23505"), Internal},
		"body over its bound": {fmt.Errorf("read: %w", &http.MaxBytesError{Limit: 1}), TooLarge},
	} {
		if got := CodeOf(tt.err); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestWrapKeepsTheCauseReachableAndPrivate(t *testing.T) {
	err := fmt.Errorf("outer: %w", Wrap(fmt.Errorf("inner: %w", errSentinel), NotFound, "no product %d", 7))
	if !errors.Is(err, errSentinel) {
		t.Error("errors.Is does not reach the cause")
	}
	if !strings.Contains(err.Error(), "secret cause") {
		t.Errorf("the log does not learn the cause: %s", err)
	}
	shown := From(err)
	if shown.Message != "no product 7" {
		t.Errorf("message %q", shown.Message)
	}
	if !errors.Is(shown, errSentinel) {
		t.Error("From loses the cause")
	}
	var path *fs.PathError
	if deep := Wrap(&fs.PathError{Op: "open", Err: errSentinel}, Internal, "x"); !errors.As(deep, &path) {
		t.Error("errors.As does not reach the cause")
	}
	if Wrap(nil, NotFound, "x") == nil {
		t.Error("Wrap(nil) is a nil that would be a non-nil error")
	}
}

func TestWrapTakesTheTextAsItIsWithoutArguments(t *testing.T) {
	wrap := Wrap // by a variable, because vet would rightly object to the text
	if got := wrap(nil, NotFound, "100% gone").Message; got != "100% gone" {
		t.Errorf("message %q", got)
	}
}

func TestErrorText(t *testing.T) {
	e := Wrap(errSentinel, InvalidArgument, "2 fields are wrong").WithField("name", "is missing").WithField("", "is odd")
	if got, want := e.Error(), "invalid_argument: 2 fields are wrong (name: is missing; is odd): secret cause"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestNilErrorIsSafe(t *testing.T) {
	var e *Error
	_ = e.WithField("a", "b").WithMeta("a", "b").WithRetryAfter(time.Second)
	if e.Error() == "" || e.Unwrap() != nil || e.HTTPStatus() != 500 || e.Is(context.Canceled) {
		t.Error("a nil *Error is not an internal error")
	}
	if e.GRPCStatus().Code() != codes.Internal {
		t.Error("a nil *Error is not an internal status")
	}
	if From(nil) != nil || FromGRPC(nil) != nil || ToGRPC(nil) != nil {
		t.Error("nil does not stay nil")
	}
	if got := From(e); got == nil || got.Code != Internal {
		t.Errorf("From(nil *Error) = %v", got)
	}
}

func TestFromHidesWhatIsNotMeantForTheCaller(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		code Code
		has  string
	}{
		"plain":             {errSentinel, Internal, ""},
		"dial":              {status.Error(codes.Unavailable, "dial 10.0.0.3: secret cause"), Unavailable, ""},
		"wrapped not found": {fmt.Errorf("secret cause: %w", status.Error(codes.NotFound, "no such order")), NotFound, "no such order"},
		"context":           {fmt.Errorf("secret cause: %w", context.DeadlineExceeded), DeadlineExceeded, ""},
	} {
		got := From(tt.err)
		if got.Code != tt.code || got.Message == "" || strings.Contains(got.Message, "secret") {
			t.Errorf("%s: %s, message %q", name, got.Code, got.Message)
		}
		if tt.has != "" && got.Message != tt.has {
			t.Errorf("%s: message %q, want %q", name, got.Message, tt.has)
		}
		if !errors.Is(got, tt.err) {
			t.Errorf("%s: the cause is lost", name)
		}
	}
}

func TestStatusMustGoWithTheCode(t *testing.T) {
	for _, tt := range []struct {
		code   Code
		status int
		want   int
	}{
		{Unimplemented, 405, 405}, {InvalidArgument, 415, 415}, {Internal, 404, 500}, {NotFound, 200, 404}, {NotFound, 0, 404},
	} {
		if got := (&Error{Code: tt.code, Status: tt.status}).HTTPStatus(); got != tt.want {
			t.Errorf("%s with %d: %d, want %d", tt.code, tt.status, got, tt.want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"price", "name", "limit", "cursor", "created"}
	for word, want := range map[string]string{
		"prize": "price", "pirce": "price", "Price": "price", "nam": "name", "limits": "limit", "curser": "cursor",
		"xyzzy": "", "": "", "n": "", "created_at": "created", strings.Repeat("a", 200): "",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("%q: %q, want %q", word, got, want)
		}
	}
	if got := Nearest("x", nil); got != "" {
		t.Errorf("nothing known: %q", got)
	}
}

func TestWithLeavesItsReceiverAsItIs(t *testing.T) {
	base := New(Conflict, "busy").WithField("a", "1").WithMeta("k", "v").WithRetryAfter(time.Second)
	base.Details = append(make([]Detail, 0, 8), base.Details...) // with room, where an append could write
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			n := fmt.Sprint(i)
			e := base.WithField("b", n).WithMeta("k", n).WithRetryAfter(time.Minute)
			if len(e.Details) != 2 || e.Details[1].Reason != n || e.Meta["k"] != n || e.RetryAfter != time.Minute {
				t.Errorf("the copy is %+v", e)
			}
			if !errors.Is(e, base) || !errors.Is(fmt.Errorf("outer: %w", e), base) || !errors.Is(From(fmt.Errorf("outer: %w", e)), base) {
				t.Error("the copy does not match what it was made from")
			}
			if errors.Is(base, e) || errors.Is(e, New(Conflict, "busy")) || errors.Is(e, base.WithField("b", n)) {
				t.Error("the copy matches what it was not made from")
			}
		})
	}
	all.Wait()
	if len(base.Details) != 1 || base.Meta["k"] != "v" || base.RetryAfter != time.Second {
		t.Errorf("the original has become %+v", base)
	}
}

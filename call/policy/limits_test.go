package policy_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/musterdev/muster/call/policy"
	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/problem"
)

func TestLimitsTravel(t *testing.T) {
	s := policy.Service{Limits: quota.Limits{
		Default: quota.Rate{Count: 500, Per: time.Second},
		From:    map[string]quota.Rate{"search": {Count: 50, Per: time.Second, Burst: 100}, "admin": {}},
	}}
	text, err := s.Encode()
	if want := `{"limits":{"default":"500/s","from":{"admin":"none","search":"50/s burst 100"}}}`; err != nil || string(text) != want {
		t.Fatalf("written as %s, want %s (%v)", text, want, err)
	}
	if back, err := policy.Parse(text); err != nil || !reflect.DeepEqual(back, s) {
		t.Errorf("read as %+v (%v)", back, err)
	}
	_, err = policy.Parse([]byte(`{"limits": {"from": {"No": "5/s"}}}`))
	if e, ok := errors.AsType[*problem.Error](err); !ok || len(e.Details) != 1 || e.Details[0].Field != `limits.from."No"` {
		t.Errorf("got %v", err)
	}
	if _, err := policy.Parse([]byte(`{"limits": {"default": 5}}`)); problem.CodeOf(err) != problem.InvalidArgument {
		t.Errorf("got %v", err)
	}
}

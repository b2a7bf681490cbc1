package balance_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/musterdev/muster/call/balance"
)

func TestPolicyNames(t *testing.T) {
	for p := balance.PeakEWMA; p <= balance.Maglev; p++ {
		text, err := json.Marshal(balance.Config{Policy: p})
		if err != nil {
			t.Fatal(err)
		}
		var back balance.Config
		if err := json.Unmarshal(text, &back); err != nil || back.Policy != p {
			t.Errorf("%s came back as %s (%v)", text, back.Policy, err)
		}
	}
	var p balance.Policy
	if err := p.UnmarshalText([]byte("best")); err == nil || !strings.Contains(err.Error(), `"best"`) || !strings.Contains(err.Error(), "peak-ewma") {
		t.Errorf("a policy that does not exist: %v", err)
	}
	if _, err := balance.Policy(99).MarshalText(); err == nil {
		t.Error("policy 99 has a name")
	}
}

func TestCheck(t *testing.T) {
	if err := (balance.Config{}).Check(); err != nil {
		t.Errorf("the zero value: %v", err)
	}
	for want, cfg := range map[string]balance.Config{
		"policy 9":            {Policy: 9},
		"spill is 1.5":        {Spill: 1.5},
		"consecutive is -1":   {Eject: balance.Ejection{Consecutive: -1}},
		"eject.share is 30":   {Eject: balance.Ejection{Share: 30}},
		"eject.first is -1ns": {Eject: balance.Ejection{First: -1}},
	} {
		if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want an error with %q", cfg, err, want)
		}
	}
}

package muster_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster"
)

type settings struct {
	Title  string
	Expiry time.Duration
	Limits struct {
		MaxLines int `yaml:"max_lines"`
		Ratio    float64
	}
	Hosts []string
	Debug bool
}

func (s *settings) Validate() error {
	if s.Limits.MaxLines == 13 {
		return errors.New("max_lines must not be 13")
	}
	return nil
}

// read runs a service whose only work is to read its configuration.
func read(t *testing.T, file string, pairs ...string) (settings, error) {
	t.Helper()
	s := settings{Title: "default", Expiry: time.Hour}
	if file != "" {
		path := filepath.Join(t.TempDir(), "cart.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, "MUSTER_CONFIG", path)
	}
	err := muster.Run(t.Context(), []muster.Service{{Name: "cart", Run: func(_ context.Context, app *muster.App) error {
		return app.Config(&s)
	}}}, env(pairs...), muster.LogTo(io.Discard))
	return s, err
}

func TestConfig(t *testing.T) {
	s, err := read(t, "title: Cart\nlimits: {max_lines: 7, ratio: 0.5}\nhosts: [a, b]\n", "CART_LIMITS_MAX_LINES", "9", "CART_EXPIRY", "2m", "CART_DEBUG", "true")
	if err != nil {
		t.Fatal(err)
	}
	if s.Title != "Cart" || s.Limits.MaxLines != 9 || s.Limits.Ratio != 0.5 || len(s.Hosts) != 2 || s.Expiry != 2*time.Minute || !s.Debug {
		t.Errorf("%+v", s)
	}
	if s, err := read(t, ""); err != nil || s.Title != "default" || s.Expiry != time.Hour {
		t.Errorf("without a file: %+v, %v", s, err)
	}
}

func TestBadConfig(t *testing.T) {
	for name, test := range map[string]struct {
		file string
		env  []string
		want string
	}{
		"unknown key":       {"titel: x\n", nil, `cart.yaml:1:1: unknown key "titel"; did you mean "title"?`},
		"unknown inner key": {"limits:\n  max_line: 3\n", nil, `cart.yaml:2:3: unknown key "max_line"; did you mean "max_lines"?`},
		"wrong type":        {"debug: maybe\n", nil, `cart.yaml:1:8: "debug" wants true or false; found the text "maybe"`},
		"wrong duration":    {"expiry: 5\n", nil, `"expiry" wants a duration`},
		"not YAML":          {"a: [1, 2\n", nil, "cart.yaml:1:4: the [ opened here is not closed"},
		"environment":       {"", []string{"CART_LIMITS_MAX_LINES", "many"}, `CART_LIMITS_MAX_LINES is "many"`},
		"validation":        {"limits: {max_lines: 13}", nil, "max_lines must not be 13"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := read(t, test.file, test.env...)
			if err == nil || !strings.Contains(err.Error(), test.want) || !errors.Is(err, muster.ErrConfig) || strings.Contains(err.Error(), "\n") {
				t.Errorf("err = %v, want one line with %q", err, test.want)
			}
		})
	}
}

func TestConfigNeedsAStruct(t *testing.T) {
	err := muster.Run(t.Context(), []muster.Service{{Name: "cart", Run: func(_ context.Context, app *muster.App) error {
		return app.Config(map[string]string{})
	}}}, env(), muster.LogTo(io.Discard))
	if err == nil || !strings.Contains(err.Error(), "pointer to a struct") {
		t.Errorf("err = %v", err)
	}
}

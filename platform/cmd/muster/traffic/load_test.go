package traffic

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/local"
)

// The files in the playbook are plans.
func TestThePlaybooksFilesAreRead(t *testing.T) {
	page, err := os.ReadFile("../../../../docs/playbook/load.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```yaml load.*?\n(.*?)^```$").FindAllSubmatch(page, -1)
	for _, b := range blocks {
		plan, err := load.Parse("load.yaml", b[1])
		if plan.NeedsURL() {
			plan.URL = "http://127.0.0.1:8080"
		}
		if err := errors.Join(err, plan.Validate()); err != nil {
			t.Errorf("%v\n%s", err, b[1])
		}
	}
	if len(blocks) < 2 {
		t.Errorf("%d files", len(blocks))
	}
}

// Whoever looks at a screen sees how the run stands, and at its end the result alone.
func TestAScreenShowsHowItStands(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	rate, length := load.Rate(20), time.Hour
	var out, screen bytes.Buffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := watched{&screen, func(text string) {
		if strings.Contains(text, " of 1h0m0s: ") {
			cancel() // as Ctrl-C does
		}
	}}
	c := Load{What: s.URL, Rate: &rate, For: &length, MaxLag: time.Minute}
	if err := c.run(ctx, terminal.Terminal{Out: &out, Err: seen}, true); !errors.Is(err, local.ErrInterrupted) {
		t.Errorf("%v", err)
	}
	if got := screen.String(); !regexp.MustCompile(`\r\x1b\[K\d+s of 1h0m0s: \d+ offered, 0 ok, \d+ failed, 0 dropped, \d+ inside; now p50 .*, p99 `).MatchString(got) || !strings.HasSuffix(got, "\r\x1b[K") {
		t.Errorf("%q", got)
	}
	if !strings.Contains(out.String(), "visitors in ") || strings.Contains(out.String(), "\x1b") {
		t.Errorf("%q", out.String())
	}
}

type watched struct {
	to  *bytes.Buffer
	saw func(string)
}

func (w watched) Write(p []byte) (int, error) {
	defer w.saw(string(p))
	return w.to.Write(p)
}

// Flags go before the file.
func TestFlagsGoBeforeTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "load.yaml")
	text := "load: {url: http://a, seed: 3, stages: [{rate: 1/s, for: 1s}, {rate: 2/s, for: 2s}], flow: [{request: /}]}"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rate, length := load.Rate(7), time.Minute
	for name, test := range map[string]struct {
		c    Load
		want string // of the plan
	}{
		"nothing said":  {Load{}, "http://a 3 1/s 3s"},
		"rate":          {Load{Rate: &rate}, "http://a 3 7/s 3s"},
		"rate and time": {Load{Rate: &rate, For: &length}, "http://a 3 7/s 1m0s"},
		"url and seed":  {Load{URL: "http://b", Seed: 9}, "http://b 9 1/s 3s"},
	} {
		test.c.What = file
		p, err := test.c.plan(t.Context())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		seed := string(rune('0' + p.Seed))
		if got := p.URL + " " + seed + " " + p.Stages[0].Rate.String() + " " + p.For().String(); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	c := Load{What: file, For: &length}
	if _, err := c.plan(t.Context()); !errors.Is(err, muster.ErrConfig) {
		t.Errorf("a time for two stages: %v", err)
	}
	c = Load{What: filepath.Dir(file)}
	if _, err := c.plan(t.Context()); !errors.Is(err, muster.ErrConfig) {
		t.Errorf("a folder: %v", err)
	}
}

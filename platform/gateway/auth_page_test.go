package gateway_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway"
)

// TestThePageOnWhoAsks does what the playbook's page says, but for the ports.
func TestThePageOnWhoAsks(t *testing.T) {
	for _, program := range []string{"sh", "curl", "openssl", "sha256sum"} {
		if _, err := exec.LookPath(program); err != nil && os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing", program)
		} else if err != nil {
			t.Skipf("suite gateway-auth page: %s is missing", program)
		}
	}
	page, err := os.ReadFile("../../docs/playbook/gateway-auth.md")
	if err != nil {
		t.Fatal(err)
	}
	_, try, _ := strings.Cut(string(page), "## Try it")
	blocks := regexp.MustCompile("(?ms)^```(sh|json|text)\n(.*?)^```$").FindAllStringSubmatch(try, 4)
	if len(blocks) != 4 {
		t.Fatal("the page has not the blocks it had")
	}
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "subject: %s\n", strings.Join(r.Header.Values("X-Auth-Subject"), ","))
	}))
	defer service.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	ports := strings.NewReplacer("127.0.0.1:8080", l.Addr().String(), "127.0.0.1:9000", service.Listener.Addr().String())
	sh := func(script string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		c := exec.CommandContext(ctx, "sh", "-c", ports.Replace(script))
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	sh(blocks[0][2])
	if err := os.WriteFile("edge.json", []byte(ports.Replace(blocks[1][2])), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := gateway.ReadConfig("edge.json")
	if err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan error, 1)
	cfg.Listener, cfg.Ready = l, func(net.Addr) { close(ready) }
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- gateway.Run(ctx, cfg) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	if got := sh(blocks[2][2]); got != blocks[3][2] {
		t.Errorf("the page's commands say\n%swant\n%s", got, blocks[3][2])
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

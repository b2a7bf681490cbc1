package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/gateway/route"
)

func TestReadConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "edge.json")
	for text, want := range map[string]string{
		`{"listen":"127.0.0.1:8080","admin":"/tmp/s","registry":"http://127.0.0.1:8081","state_dir":"s","routes":"r","access_log":"l"}`: "",
		`{"admin":"/tmp/s","registry":"http://127.0.0.1:8081"}`:                                                                         "",
		`{"admin":"/tmp/s"}`:                                       "registry: the URL",
		`{"registry":"http://127.0.0.1:8081"}`:                     "admin: the path",
		`{"admin":"/tmp/s","registry":"http://x","port":8080}`:     `"port"`,
		`{"admin":"/tmp/s","registry":"http://x","listen":"8080"}`: "not host:port",
		`{"admin":7}`: "admin",
		`{`:           "cannot be read",
		"{\"admin\":\"/tmp/s\",\n \"admin\":\"/tmp/t\"}":                           file + `:2:8: the edge's configuration cannot be read: "admin" is there twice`,
		`{"admin":"/tmp/s","registry":"http://x"} {}`:                              file + ":1:42: ",
		"{\n\"registry\": \"http://x\",\n\"table\": {\"routes\": [{\"pth\": 1}]}}": file + ":3:",
		`{"admin":"/tmp/s","registry":"http://x","table":{"filters":{}}}`:          "table.routes: is missing",
		`{"admin":"/tmp/s","instances":{"site":[]}}`:                               "instances.site: there are none",
		`{"admin":"/tmp/s","instances":{"site":["a:1","a:http"]}}`:                 `instances.site[1]: "a:http" is not host:port`,
		`{"admin":"/tmp/s","instances":{"site":["a:70000"]}}`:                      `instances.site[0]`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := gateway.ReadConfig(file)
		if want == "" && (err != nil || c.Admin != "/tmp/s") {
			t.Errorf("%s: %+v, %v", text, c, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file)) {
			t.Errorf("%s: %v, want %q and the file's name", text, err, want)
		}
	}
	if _, err := gateway.ReadConfig(file + ".not"); err == nil {
		t.Error("a file that is not there was read")
	}
}

// What keeps an edge from starting is one clear error, and leaves nothing behind.
func TestCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	served, err := net.Listen("unix", filepath.Join(dir, "served"))
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	for name, test := range map[string]struct {
		change func(*gateway.Config)
		want   string
	}{
		"port":           {func(c *gateway.Config) { c.Listen = taken.Addr().String() }, "choose another port"},
		"socket, served": {func(c *gateway.Config) { c.Admin = served.Addr().String() }, "another edge serves"},
		"socket, file":   {func(c *gateway.Config) { c.Admin = plain }, "file of another kind"},
		"socket, folder": {func(c *gateway.Config) { c.Admin = filepath.Join(dir, "no", "s") }, "its folder must exist"},
		"socket, long":   {func(c *gateway.Config) { c.Admin = filepath.Join(dir, strings.Repeat("s", 200)) }, "at most about 100 bytes"},
		"registry":       {func(c *gateway.Config) { c.Resolver, c.Registry = nil, "::" }, "registry"},
		"no registry":    {func(c *gateway.Config) { c.Resolver = nil }, "registry"},
		"routes, folder": {func(c *gateway.Config) { c.Routes = dir }, dir},
		"log, folder":    {func(c *gateway.Config) { c.AccessLog = dir }, "access log"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := gateway.Config{Listen: "127.0.0.1:0", Admin: filepath.Join(dir, "sock"), Resolver: &registry{}}
			test.change(&cfg)
			err := gateway.Run(t.Context(), cfg)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("err = %v, want %q", err, test.want)
			}
			if _, err := os.Stat(filepath.Join(dir, "sock")); err == nil {
				t.Error("the socket is left behind")
			}
		})
	}
	if b, _ := os.ReadFile(plain); string(b) != "precious" {
		t.Error("a file was removed")
	}
}

// The socket of an edge that was killed is in nobody's way.
func TestSocketLeftBehind(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	err = gateway.Run(ctx, gateway.Config{Listen: "127.0.0.1:0", Admin: socket, Resolver: &registry{}, Ready: func(net.Addr) { cancel() }})
	if err != nil {
		t.Error(err)
	}
}

func TestAccessLogFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "access.log")
	ctx, cancel := context.WithCancel(t.Context())
	err := gateway.Run(ctx, gateway.Config{
		Listen: "127.0.0.1:0", Admin: filepath.Join(dir, "s"), Resolver: &registry{}, AccessLog: file,
		Ready: func(a net.Addr) {
			defer cancel()
			get(t, "http://"+a.String()+"/nothing")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), `"path":"/nothing","status":404`) {
		t.Errorf("%s, %v", b, err)
	}
}

func ExampleRun() {
	catalog := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintln(w, "products for", r.Header.Get("X-Forwarded-For"))
	}))
	defer catalog.Close()
	dir, err := os.MkdirTemp("", "edge")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	ctx, cancel := context.WithCancel(context.Background())
	socket := filepath.Join(dir, "edge.sock")
	err = gateway.Run(ctx, gateway.Config{
		Listen: "127.0.0.1:0", Admin: socket,
		Resolver: discovery.Fixed(map[string][]discovery.Instance{
			"catalog": {{ID: "catalog-1", Endpoints: map[string]string{discovery.HTTP: catalog.Listener.Addr().String()}}},
		}),
		Ready: func(addr net.Addr) {
			go func() {
				defer cancel()
				edge := admin.NewClient(socket)
				fmt.Println(edge.SetRoutes(ctx, []route.Route{{Path: "/v1/products", Service: "catalog"}}))
				res, err := http.Get("http://" + addr.String() + "/v1/products")
				if err != nil {
					fmt.Println(err)
					return
				}
				_, _ = io.Copy(os.Stdout, res.Body)
				_ = res.Body.Close()
				fmt.Println(edge.Drain(ctx, "catalog-1"))
			}()
		},
	})
	fmt.Println(err)
	// Output:
	// <nil>
	// products for 127.0.0.1
	// <nil>
	// <nil>
}

package local_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/gateway/local"
)

func TestAddressesInAnswers(t *testing.T) {
	f := newFleet()
	f.serve(t, "catalog", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Query().Get("to"))
		w.WriteHeader(http.StatusCreated)
	})
	addr := start(t, f, local.Config{})
	for to, want := range map[string]string{
		"/v1/products/7":             "/catalog/v1/products/7",
		"/v1/a%20b?x=%2F#f":          "/catalog/v1/a%20b?x=%2F#f",
		"http://catalog/v1/7":        "/catalog/v1/7",
		"http://catalog":             "/catalog/",
		"7":                          "7",
		"../7":                       "../7",
		"?a":                         "?a",
		"https://other.example/v1/7": "https://other.example/v1/7",
		"//other.example/v1/7":       "//other.example/v1/7",
		"mailto:a@b":                 "mailto:a@b",
		"http://u@catalog/":          "http://u@catalog/",
		"ftp://catalog/x":            "ftp://catalog/x",
	} {
		q := "/x?to=" + url.QueryEscape(to)
		if res, _ := get(t, http.DefaultClient, request(t, "http://"+addr+"/catalog"+q)); res.Header.Get("Location") != want {
			t.Errorf("%s became %s", to, res.Header.Get("Location"))
		}
		if res, _ := get(t, http.DefaultClient, request(t, "http://"+addr+q, "Host", "catalog")); res.Header.Get("Location") != to {
			t.Errorf("by host, %s became %s", to, res.Header.Get("Location"))
		}
	}
}

// Streams and switched protocols pass the writer that puts prefixes back.
func TestStreams(t *testing.T) {
	f := newFleet()
	next := make(chan struct{})
	f.serve(t, "live", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, "first\n")
			_ = http.NewResponseController(w).Flush()
			<-next
			_, _ = io.WriteString(w, "second\n")
			return
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		line, _ := rw.ReadString('\n')
		fmt.Fprint(conn, line)
	})
	addr := start(t, f, local.Config{})

	res, err := http.DefaultClient.Do(request(t, "http://"+addr+"/live/log"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	if l, err := lines.ReadString('\n'); l != "first\n" {
		t.Fatal(l, err)
	}
	close(next)
	if l, err := lines.ReadString('\n'); l != "second\n" {
		t.Fatal(l, err)
	}

	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /live/talk HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n")
	b, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(b), "HTTP/1.1 101 ") || !strings.HasSuffix(string(b), "\r\n\r\nhello\n") {
		t.Errorf("%s %v", b, err)
	}
}

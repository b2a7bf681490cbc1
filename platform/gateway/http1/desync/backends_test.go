package desync_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nginx and haproxy are real servers between the edge and the recorder, which so sees the
// requests as they read them. They inherit their listener, so no port is guessed.

func startNginx(t *testing.T, to string) string {
	dir, whoever := t.TempDir(), ""
	if os.Geteuid() == 0 {
		whoever = "user root root; " // else its worker may not write here
	}
	return startBackend(t, "nginx", dir, func(addr string) (args, env []string) {
		conf := fmt.Sprintf(`%[4]sdaemon off; worker_processes 1; error_log stderr crit; pid %[1]s/pid;
events { worker_connections 512; }
http {
	access_log off; underscores_in_headers on; ignore_invalid_headers off; client_max_body_size 0; keepalive_requests 1000000;
	client_header_buffer_size 64k; large_client_header_buffers 8 128k;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	upstream recorder { server %[2]s; keepalive 8; keepalive_requests 1000000; }
	server {
		listen %[3]s;
		location / { proxy_pass http://recorder; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; }
	}
}
`, dir, to, addr, whoever)
		if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"-p", dir, "-c", filepath.Join(dir, "nginx.conf")}, []string{"NGINX=3;"}
	})
}

func startHAProxy(t *testing.T, to string) string {
	dir := t.TempDir()
	return startBackend(t, "haproxy", dir, func(string) (args, env []string) {
		conf := fmt.Sprintf(`global
	maxconn 500
	nbthread 1
	tune.bufsize 131072
	tune.http.maxhdr 256
defaults
	mode http
	option http-keep-alive
	timeout connect 5s
	timeout client 15s
	timeout server 15s
frontend f
	bind fd@3
	default_backend b
backend b
	server recorder %s
`, to)
		if err := os.WriteFile(filepath.Join(dir, "haproxy.cfg"), []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
		return []string{"-db", "-f", filepath.Join(dir, "haproxy.cfg")}, nil
	})
}

// startBackend starts a program with a listener as its file 3, and returns its address.
func startBackend(t *testing.T, program, dir string, conf func(addr string) (args, env []string)) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + program)
	}
	if err != nil {
		t.Skipf("suite desync: %s is not installed: run scripts/install-test-deps.sh", program)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		t.Fatalf("%T", l)
	}
	file, err := tcp.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	addr := l.Addr().String()
	args, env := conf(addr)
	cmd := exec.Command(path, args...)
	var said bytes.Buffer
	cmd.Dir, cmd.Env, cmd.ExtraFiles, cmd.Stdout, cmd.Stderr = dir, append(os.Environ(), env...), []*os.File{file}, &said, &said
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("%s said: %s", program, strings.TrimSpace(said.String()))
		}
	})
	return addr
}

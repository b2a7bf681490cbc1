package observe

import (
	"bufio"
	"io"
	"net"
	"net/http"
)

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int // 0: the answer has not begun
}

func (s *statusWriter) WriteHeader(status int) {
	if s.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) { // other 1xx only announce it
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusWriter) begun() {
	if s.status == 0 {
		s.status = http.StatusOK
	}
}

func (s *statusWriter) Write(p []byte) (int, error) {
	s.begun()
	return s.ResponseWriter.Write(p)
}

// ReadFrom keeps what io.Copy saves on a connection of net/http.
func (s *statusWriter) ReadFrom(r io.Reader) (int64, error) {
	s.begun()
	return io.Copy(s.ResponseWriter, r)
}

func (s *statusWriter) FlushError() error {
	s.begun()
	return http.NewResponseController(s.ResponseWriter).Flush()
}

// Flush is for handlers that ask for an http.Flusher.
func (s *statusWriter) Flush() { _ = s.FlushError() }

// Hijack hands over the connection where it has one of its own, as in HTTP/1.1.
func (s *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(s.ResponseWriter).Hijack()
	if err == nil && s.status == 0 {
		s.status = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}

// Unwrap lets http.ResponseController reach what else the writer can do.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

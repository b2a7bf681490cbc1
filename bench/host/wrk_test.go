package host

import (
	"testing"
	"time"
)

const report = `Running 10s test @ http://127.0.0.1:8080/
  1 threads and 32 connections
  Latency Distribution
     50%    1.02ms
     99%    4.56ms
  123456 requests in 10.00s, 50.00MB read
  Socket errors: connect 0, read 2, write 0, timeout 1
  Non-2xx or 3xx responses: 7
Requests/sec:  12345.60
Transfer/sec:      5.00MB
`

func TestParseWrk(t *testing.T) {
	w, err := ParseWrk(report)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Wrk{123456, 12345.6, 10, 1020 * time.Microsecond, 4560 * time.Microsecond}); w != want {
		t.Errorf("%+v, want %+v", w, want)
	}
	if _, err := ParseWrk("wrk: unable to connect"); err == nil {
		t.Error("nonsense was understood")
	}
}

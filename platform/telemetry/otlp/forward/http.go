package forward

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
)

// overHTTP sends OTLP/HTTP in protobuf, packed with gzip.
type overHTTP struct {
	client  *http.Client
	base    string
	headers map[string]string
}

func newOverHTTP(u *url.URL, cfg Config) *overHTTP {
	tr := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: cfg.TLS, MaxIdleConnsPerHost: len(units), IdleConnTimeout: time.Minute}
	return &overHTTP{client: &http.Client{Transport: tr}, base: strings.TrimSuffix(u.String(), "/"), headers: cfg.Headers}
}

func (o *overHTTP) export(ctx context.Context, signal string, body []byte) verdict {
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
	if err != nil {
		return verdict{err: err}
	}
	if _, err := z.Write(body); err != nil {
		return verdict{err: err}
	}
	if err := z.Close(); err != nil {
		return verdict{err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.base+"/v1/"+signal, &packed)
	if err != nil {
		return verdict{err: err}
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "gzip")
	for k, v := range o.headers {
		req.Header.Set(k, v)
	}
	res, err := o.client.Do(req)
	if err != nil {
		return verdict{err: err, again: true}
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return verdict{err: err, again: true}
	}
	if res.StatusCode/100 == 2 {
		rejected, why := partial(answer)
		return verdict{rejected: rejected, why: why}
	}
	v := verdict{err: fmt.Errorf("%s answered %s%s", req.URL.Redacted(), res.Status, said(res.Header.Get("Content-Type"), answer))}
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		v.again, v.after = true, retryAfter(res.Header.Get("Retry-After"))
	}
	return v
}

func (o *overHTTP) close() error {
	o.client.CloseIdleConnections()
	return nil
}

// said is what a refusing answer says, after ": "; "" where it says nothing.
func said(form string, answer []byte) string {
	text := string(answer)
	if strings.HasPrefix(form, "application/x-protobuf") {
		var st statuspb.Status
		if proto.Unmarshal(answer, &st) != nil {
			return ""
		}
		text = st.GetMessage()
	}
	if text = reason(strings.ToValidUTF8(text, "")); text == "" {
		return ""
	}
	return ": " + text
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 where it is neither.
func retryAfter(s string) time.Duration {
	if n, err := strconv.ParseInt(s, 10, 32); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}

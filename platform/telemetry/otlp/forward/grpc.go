package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"

	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/platform/telemetry/otlp/wire"
)

// overGRPC sends OTLP/gRPC, packed with gzip.
type overGRPC struct {
	conn    *grpc.ClientConn
	headers metadata.MD
}

func newOverGRPC(u *url.URL, cfg Config) (*overGRPC, error) {
	if strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("the path %s has no place in gRPC: leave it out", u.Path)
	}
	creds := insecure.NewCredentials()
	if u.Scheme == "https" {
		c := cfg.TLS
		if c == nil {
			c = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		creds = credentials.NewTLS(c)
	}
	host := u.Host
	if u.Port() == "" {
		host += ":4317"
	}
	conn, err := grpc.NewClient(host, grpc.WithTransportCredentials(creds))
	if err != nil {
		return nil, err
	}
	return &overGRPC{conn: conn, headers: metadata.New(cfg.Headers)}, nil
}

func (o *overGRPC) export(ctx context.Context, signal string, body []byte) verdict {
	method := map[string]string{
		wire.Traces:  "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
		wire.Metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
		wire.Logs:    "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
	}[signal]
	var answer []byte
	ctx = metadata.NewOutgoingContext(ctx, o.headers)
	err := o.conn.Invoke(ctx, method, body, &answer, grpc.ForceCodecV2(raw{}), grpc.UseCompressor(gzip.Name))
	if err == nil {
		rejected, why := partial(answer)
		return verdict{rejected: rejected, why: why}
	}
	st := status.Convert(err)
	v := verdict{err: fmt.Errorf("%s%s answered %s: %s", o.conn.Target(), method, st.Code(), reason(st.Message()))}
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			v.after, v.again = info.GetRetryDelay().AsDuration(), st.Code() == codes.ResourceExhausted
		}
	}
	switch st.Code() { // those that OTLP/gRPC lets be sent again
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
		v.again = true
	default:
	}
	return v
}

func (o *overGRPC) close() error { return o.conn.Close() }

// raw is a codec for what is protobuf already.
type raw struct{}

// Name is the content subtype: it is protobuf on the wire.
func (raw) Name() string { return "proto" }

// Marshal takes a []byte.
func (raw) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, errors.New("not bytes")
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

// Unmarshal fills a *[]byte.
func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return errors.New("not bytes")
	}
	*b = data.Materialize()
	return nil
}

// partial reads the partial success of an answer; it has the same form for all signals.
func partial(answer []byte) (rejected int64, why string) {
	var res collecttrace.ExportTraceServiceResponse
	if proto.Unmarshal(answer, &res) != nil {
		return 0, ""
	}
	return max(res.GetPartialSuccess().GetRejectedSpans(), 0), res.GetPartialSuccess().GetErrorMessage()
}

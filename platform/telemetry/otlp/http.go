package otlp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	collectlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/platform/telemetry/otlp/wire"
	"github.com/musterdev/muster/problem"
)

// The media types of OTLP/HTTP.
const (
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
)

// Handler answers POST /v1/traces, /v1/metrics and /v1/logs as OTLP/HTTP wants it:
// protobuf and JSON, gzip or not. What was left out is told as partial success.
// Failures are a google.rpc.Status in the request's form: 400 malformed, 413 too large,
// 415 neither form, 429 and 503 with Retry-After when it is to be sent again, 500 when
// it was dropped.
func (r *Receiver) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, sig := range []string{Traces, Metrics, Logs} {
		mux.HandleFunc("POST /v1/"+sig, func(w http.ResponseWriter, req *http.Request) { r.serve(w, req, sig) })
	}
	return mux
}

func (r *Receiver) serve(w http.ResponseWriter, req *http.Request, sig string) {
	form, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	switch {
	case err == nil && form == jsonType:
	case err == nil && (form == protobufType || form == "application/protobuf"):
		form = protobufType
	default:
		r.tally.request("unsupported")
		refuse(w, jsonType, &problem.Error{
			Code: problem.InvalidArgument, Status: http.StatusUnsupportedMediaType,
			Message: fmt.Sprintf("Content-Type is %q: send %s or %s", req.Header.Get("Content-Type"), protobufType, jsonType),
		})
		return
	}
	lim := r.Limits.withDefaults()
	// A sender that stops in the middle must not keep others' room. Not every
	// ResponseWriter can; then its server's own bound holds.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lim.Read))
	body, charged, err := r.read(req, lim)
	defer func() { r.release(body, charged) }()
	var out outcome
	if err == nil {
		raw := *body
		if form == jsonType {
			raw, err = r.fromJSON(sig, raw, lim)
		}
		if err == nil {
			out, err = r.take(req.Context(), sig, raw)
		}
	}
	if err != nil {
		refuse(w, form, err)
		return
	}
	answer(w, form, http.StatusOK, response(sig, out))
}

// fromJSON makes protobuf of a body in JSON.
func (r *Receiver) fromJSON(sig string, body []byte, lim Limits) ([]byte, error) {
	if n := bytes.Count(body, []byte("{")); n > lim.Items*partsPerPoint { // each is an object that takes many times its braces
		r.tally.request("too large")
		return nil, problem.New(problem.TooLarge, "the request has %d JSON objects, more than %d: send smaller batches", n, lim.Items*partsPerPoint)
	}
	raw, err := wire.FromJSON(sig, body)
	if err != nil {
		r.tally.request("malformed")
		return nil, malformed(err)
	}
	return raw, nil
}

// response is what a sender is told of a request that was taken.
func response(sig string, o outcome) proto.Message {
	partial := o.rejected > 0
	switch sig {
	case Traces:
		res := &collecttrace.ExportTraceServiceResponse{}
		if partial {
			res.PartialSuccess = &collecttrace.ExportTracePartialSuccess{RejectedSpans: o.rejected, ErrorMessage: o.why}
		}
		return res
	case Logs:
		res := &collectlogs.ExportLogsServiceResponse{}
		if partial {
			res.PartialSuccess = &collectlogs.ExportLogsPartialSuccess{RejectedLogRecords: o.rejected, ErrorMessage: o.why}
		}
		return res
	}
	res := &collectmetrics.ExportMetricsServiceResponse{}
	if partial {
		res.PartialSuccess = &collectmetrics.ExportMetricsPartialSuccess{RejectedDataPoints: o.rejected, ErrorMessage: o.why}
	}
	return res
}

func refuse(w http.ResponseWriter, form string, err error) {
	e := problem.From(err)
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((e.RetryAfter+time.Second-1)/time.Second), 10))
	}
	answer(w, form, e.HTTPStatus(), status.Convert(problem.ToGRPC(err)).Proto())
}

func answer(w http.ResponseWriter, form string, code int, m proto.Message) {
	var body []byte
	var err error
	if form == jsonType {
		body, err = protojson.Marshal(m)
		var compact bytes.Buffer // protojson varies its spaces on purpose
		if err == nil && json.Compact(&compact, body) == nil {
			body = compact.Bytes()
		}
	} else {
		body, err = proto.Marshal(m)
	}
	if err != nil { // our own texts, made of UTF-8
		code, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", form)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body) //nolint:gosec // JSON or protobuf by its type; where it fails the sender is gone
}

package telemetry

import (
	"fmt"
	"net/url"
	"strings"
)

// ParseHeaders reads OTEL_EXPORTER_OTLP_HEADERS: key=value pairs separated by commas, the
// values percent-encoded (OpenTelemetry specification, "Protocol Exporter"; W3C Baggage).
func ParseHeaders(text string) (map[string]string, error) {
	headers := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		key = strings.ToLower(strings.TrimSpace(key))
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || key == "" || strings.ContainsAny(key, " \t:\r\n") || err != nil || strings.ContainsAny(value, "\r\n") {
			return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_HEADERS has a part that is no KEY=VALUE: %.20q", key)
		}
		headers[key] = value
	}
	return headers, nil
}

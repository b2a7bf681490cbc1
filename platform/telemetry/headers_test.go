package telemetry_test

import (
	"fmt"
	"testing"

	"github.com/musterdev/muster/platform/telemetry"
)

func TestParseHeaders(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "map[] <nil>",
		"Api-Key=a%20b, x=1=2 ,": "map[api-key:a b x:1=2] <nil>",
		"nothing":                `map[] OTEL_EXPORTER_OTLP_HEADERS has a part that is no KEY=VALUE: "nothing"`,
		"a=b,=c":                 `map[] OTEL_EXPORTER_OTLP_HEADERS has a part that is no KEY=VALUE: ""`,
		"a=%0Ab":                 `map[] OTEL_EXPORTER_OTLP_HEADERS has a part that is no KEY=VALUE: "a"`,
		"a=%zz":                  `map[] OTEL_EXPORTER_OTLP_HEADERS has a part that is no KEY=VALUE: "a"`,
	} {
		got, err := telemetry.ParseHeaders(text)
		if s := fmt.Sprint(got, " ", err); s != want && fmt.Sprint(got, err) != want {
			t.Errorf("%q: %s, want %s", text, s, want)
		}
	}
}

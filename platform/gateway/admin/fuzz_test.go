package admin_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/problem"
)

// FuzzParseTCP: what is read is written and read again as the same, or refused as wrong.
func FuzzParseTCP(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"ports":null}`, `{"ports":{"127.0.0.1:5433":{"default":{"service":"db"}}}}`,
		`{"ports":{"[::1]:1":{"names":{"*.a.b":{"service":"x","endpoint":"grpc"}},"idle_seconds":9}}}`,
		`{"ports":{"x":{}}}`, `{"ports":{"127.0.0.1:1":{"default":{"service":"DB"}}}}`, `{} {}`, `[`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		doc, err := admin.ParseTCP(data)
		if err != nil {
			if problem.CodeOf(err) != problem.InvalidArgument {
				t.Errorf("%v", err)
			}
			return
		}
		text, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		again, err := admin.ParseTCP(text)
		if err != nil || !reflect.DeepEqual(again.Ports, doc.Ports) && len(doc.Ports) > 0 {
			t.Errorf("%s: %v", text, err)
		}
	})
}

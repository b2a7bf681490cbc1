package discovery

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestNames(t *testing.T) {
	for s, want := range map[string]bool{
		"cart": true, "a": true, "a-1": true, strings.Repeat("x", 63): true,
		"": false, "1a": false, "-a": false, "a-": false, "Cart": false, "a_b": false, "a.b": false, "é": false,
		strings.Repeat("x", 64): false, "../x": false, "a/b": false,
	} {
		if got := ValidName(s); got != want {
			t.Errorf("name %q: got %v", s, got)
		}
	}
	for s, want := range map[string]bool{
		"cart-1": true, "A": true, "9": true, "a.b_c~d:e": true, strings.Repeat("x", 128): true,
		"": false, ".": false, "..": false, "-a": false, "a b": false, "a/b": false, "a%b": false, "ü": false,
		strings.Repeat("x", 129): false,
	} {
		if got := ValidID(s); got != want {
			t.Errorf("id %q: got %v", s, got)
		}
	}
}

func TestValidateNamesEveryField(t *testing.T) {
	err := Instance{Endpoints: map[string]string{"http": "x", "Bad": "a:1"}, Weight: -1}.Validate()
	want := `invalid_argument: the instance cannot be registered (endpoints: the name "Bad"`
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s…", err, want)
	}
	for _, field := range []string{"endpoints.http: ", "id: ", "service: ", "state: ", "weight: "} {
		if !strings.Contains(err.Error(), "; "+field) {
			t.Errorf("got %v, want %s in it", err, field)
		}
	}
	if err := instance("a").Validate(); err != nil {
		t.Error(err)
	}
}

func TestEqualLooksAtEveryField(t *testing.T) {
	var full Instance
	v := reflect.ValueOf(&full).Elem()
	for _, f := range v.Fields() {
		switch f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Int:
			f.SetInt(1)
		case reflect.Map:
			f.Set(reflect.ValueOf(map[string]string{"k": "v"}))
		default:
			t.Fatalf("a field of kind %s", f.Kind())
		}
	}
	if same := full; !full.Equal(same) {
		t.Error("not equal to itself")
	}
	for i := range v.NumField() {
		other := full
		f := reflect.ValueOf(&other).Elem().Field(i)
		f.SetZero()
		if full.Equal(other) {
			t.Errorf("%s makes no difference", v.Type().Field(i).Name)
		}
	}
}

func FuzzParseWatch(f *testing.F) {
	f.Add("service=a&service=b&epoch=E&index=7&wait=20s")
	f.Add("wait=1h")
	f.Add("index=18446744073709551615&epoch=x")
	f.Add("")
	f.Fuzz(func(t *testing.T, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		w, err := ParseWatch(q)
		if err != nil {
			return
		}
		w.Wait = w.Wait.Truncate(time.Millisecond)
		again, err := ParseWatch(w.Query())
		if w.Epoch == "" {
			w.Index = 0 // means nothing without an epoch
		}
		if err != nil || !slices.Equal(again.Services, w.Services) || again.Epoch != w.Epoch || again.Index != w.Index || again.Wait != w.Wait {
			t.Errorf("%q: %+v became %+v, %v", query, w, again, err)
		}
	})
}

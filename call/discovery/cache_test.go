package discovery

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestCache(t *testing.T) {
	c := cache(filepath.Join(t.TempDir(), "made"))
	if list, _, err := c.load("cart"); list != nil || err != nil {
		t.Errorf("without a file: %v, %v", list, err)
	}
	for _, want := range []string{"a b", ""} {
		var list []Instance
		for id := range strings.FieldsSeq(want) {
			list = append(list, instance(id))
		}
		settings := Settings(`{"timeout":"` + want + `"}`)
		if err := c.save("cart", list, settings); err != nil {
			t.Fatal(err)
		}
		if got, said, err := c.load("cart"); ids(got) != want || string(said) != string(settings) || err != nil {
			t.Errorf("got %q, %s, %v, want %q, %s", ids(got), said, err, want, settings)
		}
	}
	if list, _, err := cache("").load("cart"); list != nil || err != nil || cache("").save("cart", nil, nil) != nil {
		t.Errorf("no folder: %v, %v", list, err)
	}
}

func TestCacheRefusesWhatIsCorrupt(t *testing.T) {
	good := `{"format":1,"service":"cart","instances":[{"id":"a","service":"cart","state":"ready","endpoints":{"http":"h:1"}}]}`
	for name, content := range map[string]string{
		"empty":             "",
		"half":              good[:40],
		"another format":    strings.Replace(good, "1", "2", 1),
		"another service":   strings.Replace(good, "cart", "stock", 1),
		"a foreigner":       strings.Replace(good, `"a","service":"cart"`, `"a","service":"stock"`, 1),
		"an impossible one": strings.Replace(good, "h:1", "h", 1),
		"a list":            "[]",
	} {
		c := cache(t.TempDir())
		if err := os.WriteFile(c.file("cart"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if list, _, err := c.load("cart"); err == nil || list != nil || !strings.Contains(err.Error(), c.file("cart")) {
			t.Errorf("%s: got %v, %v, want an error with the file's name", name, list, err)
		}
	}
	c := cache(t.TempDir())
	if err := os.Mkdir(c.file("cart"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.load("cart"); err == nil {
		t.Error("a folder was read")
	}
	if err := c.save("cart", nil, nil); err == nil {
		t.Error("a folder was replaced")
	}
	if files, _ := os.ReadDir(string(c)); len(files) != 1 {
		t.Errorf("a failed write leaves %v", files)
	}
}

// Processes of one machine may share the folder: a reader sees a whole file, always.
func TestCacheIsShared(t *testing.T) {
	c := cache(t.TempDir())
	var work sync.WaitGroup
	defer work.Wait()
	for _, id := range []string{"a", "b"} {
		work.Go(func() {
			for range 50 {
				if err := c.save("cart", []Instance{instance(id)}, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 100 {
		if list, _, err := c.load("cart"); err != nil || len(list) > 1 {
			t.Errorf("got %v, %v", list, err)
		}
	}
}

func FuzzCache(f *testing.F) {
	f.Add(`{"format":1,"service":"cart","instances":[{"id":"a","service":"cart","state":"ready","endpoints":{}}]}`)
	f.Add(`{"format":1,"service":"cart"}`)
	f.Fuzz(func(t *testing.T, content string) {
		c := cache(t.TempDir())
		if err := os.WriteFile(c.file("cart"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		list, _, err := c.load("cart")
		if err != nil {
			return
		}
		for _, in := range list {
			if in.Validate() != nil || in.Service != "cart" {
				t.Errorf("took %+v", in)
			}
		}
	})
}

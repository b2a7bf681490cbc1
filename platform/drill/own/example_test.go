package own_test

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/musterdev/muster/platform/drill/own"
)

// What a drill cannot do to a fleet is said before anything is started.
func ExampleOpen() {
	dir, err := os.MkdirTemp("", "own")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	files := own.Files{Fleet: filepath.Join(dir, "muster.yaml"), Load: filepath.Join(dir, "load.yaml")}
	for name, text := range map[string]string{
		files.Fleet: "fleet: f\nservices: {stock: {run: ./stock, replicas: 2, route: /item}}\n",
		files.Load:  "load: {rate: 50/s, for: 30s, flow: [{request: GET /item}]}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			fmt.Println(err)
			return
		}
	}
	fleet, err := own.Open(files)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = fleet.SlowReplica(own.Terms{For: 10 * time.Second, Services: []string{"stok"}})
	fmt.Println(err)
	drill, err := fleet.SlowReplica(own.Terms{For: 10 * time.Second})
	fmt.Println(drill != nil, err) // fleet.Start and drill.Run follow
	// Output:
	// there is no service "stok" in the fleet; did you mean "stock"?
	// true <nil>
}

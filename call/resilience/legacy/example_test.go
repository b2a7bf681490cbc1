package legacy_test

import (
	"encoding/json"
	"fmt"

	"github.com/musterdev/muster/call/resilience/legacy"
)

func ExampleResilience4j() {
	im, err := legacy.Resilience4j("application.yml", []byte(`
resilience4j.circuitbreaker.instances.stock:
  failureRateThreshold: 40
  recordExceptions: [java.io.IOException]
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := json.Marshal(im.Targets["stock"])
	fmt.Println(string(text), err)
	fmt.Println(im.Notes[0])
	// Output:
	// {"breaker":{"failures":"40%"}} <nil>
	// application.yml:4: resilience4j.circuitbreaker.instances.stock.recordExceptions: not carried over: which errors count is decided by their code here: those that mean the target is at fault
}

func ExampleHystrix() {
	im, err := legacy.Hystrix("config.properties", []byte("hystrix.command.stock.execution.isolation.thread.timeoutInMilliseconds=1000\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := json.Marshal(im.Targets["stock"])
	fmt.Println(string(text), err)
	// Output: {"breaker":{"probes":1},"timeout":"1s"} <nil>
}

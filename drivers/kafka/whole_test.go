//go:build !race

package kafka_test

import (
	"testing"

	"github.com/musterdev/muster/bus/bustest"
	"github.com/musterdev/muster/drivers/kafka/kafkatest"
)

// Under the race detector the broker, which is in this process, takes what the members need
// to keep their sessions; the other tests of the package run under it.
func TestTheSuite(t *testing.T) {
	s := kafkatest.Start(t)
	all := target(s.URL())
	all.Restart = func(*testing.T) { s.Restart() }
	bustest.Run(t, all)
}

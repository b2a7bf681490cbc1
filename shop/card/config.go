package card

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Config says how often the processor is unkind. The shares are percent of all
// references; what is left of a hundred is treated plainly.
type Config struct {
	Seed    int64 `yaml:"seed"`    // CARD_SEED: which references fare how
	Decline int   `yaml:"decline"` // CARD_DECLINE; default 10, as all shares
	Delay   int   `yaml:"delay"`   // CARD_DELAY
	Timeout int   `yaml:"timeout"` // CARD_TIMEOUT
	Twice   int   `yaml:"twice"`   // CARD_TWICE
}

// defaults are the shares of a demo: two fifths of all orders have trouble.
var defaults = Config{Decline: 10, Delay: 10, Timeout: 10, Twice: 10}

// Validate refuses shares that are no percentages, or more than all together.
func (c Config) Validate() error {
	sum := 0
	for _, share := range c.shares() {
		if sum += share.percent; share.percent < 0 || sum > 100 {
			return fmt.Errorf("%s is %d, and the shares up to it are %d percent together: each must be 0 or more, all of them 100 at most", share.of, share.percent, sum)
		}
	}
	return nil
}

// behaviour is how a call is treated.
type behaviour string

const (
	plain   behaviour = "plain"
	decline behaviour = "decline" // the charge is refused
	delay   behaviour = "delay"   // it is carried out late
	timeout behaviour = "timeout" // it is carried out, and answered too late
	twice   behaviour = "twice"   // it is answered, and told by webhook, two times
)

type share struct {
	of      behaviour
	percent int
}

func (c Config) shares() []share {
	return []share{{decline, c.Decline}, {delay, c.Delay}, {timeout, c.Timeout}, {twice, c.Twice}}
}

// fate is how the charge or the refund of a reference is treated: always alike for
// the same seed, and of the two independently. A refund is never declined.
func (c Config) fate(kind, reference string) behaviour {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", c.Seed, kind, reference))
	drawn := int(binary.BigEndian.Uint64(sum[:8]) % 100)
	for _, share := range c.shares() {
		if drawn -= share.percent; drawn < 0 {
			if kind == refund && share.of == decline {
				break
			}
			return share.of
		}
	}
	return plain
}

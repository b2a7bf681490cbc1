package card

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// Config says how often the processor is unkind. The shares are percent of all
// references; what is left of a hundred is treated plainly.
type Config struct {
	Seed    int64 `yaml:"seed"`    // CARD_SEED: which references fare how
	Decline int   `yaml:"decline"` // CARD_DECLINE; default 8, as all shares
	Delay   int   `yaml:"delay"`   // CARD_DELAY
	Timeout int   `yaml:"timeout"` // CARD_TIMEOUT
	Twice   int   `yaml:"twice"`   // CARD_TWICE
}

// defaults are the shares of a demo: about a third of all orders has trouble.
var defaults = Config{Decline: 8, Delay: 8, Timeout: 8, Twice: 8}

// Validate refuses shares that are no percentages, or more than all together.
func (c Config) Validate() error {
	for _, share := range c.shares() {
		if share.percent < 0 || share.percent > 100 {
			return fmt.Errorf("%s is %d: it must be from 0 to 100 percent", share.of, share.percent)
		}
	}
	if sum := c.Decline + c.Delay + c.Timeout + c.Twice; sum > 100 {
		return errors.New("decline, delay, timeout and twice are " + strconv.Itoa(sum) + " percent together: they must be 100 at most")
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
		if drawn -= share.percent; drawn >= 0 {
			continue
		}
		if kind == refund && share.of == decline {
			return plain
		}
		return share.of
	}
	return plain
}

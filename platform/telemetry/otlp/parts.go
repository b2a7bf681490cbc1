package otlp

// parts charges Limits.InFlight for the attributes, events and links of one request's items
// as they are read: in memory they take many times what they take on the wire.
type parts struct {
	r       *Receiver
	lim     Limits
	most    int64 // bytes to charge for: a request that is alone has room
	used    int64
	charged int64
	busy    bool // others have the room
}

// chunk is how much is charged for at once.
const chunk = 64 << 10

// newParts begins to charge for a request for which so many bytes are charged already.
func (r *Receiver) newParts(charged int64, lim Limits) parts {
	return parts{r: r, lim: lim, most: max(0, min(lim.InFlight/2, lim.InFlight-charged))}
}

// charge reports whether there is room for n more.
func (p *parts) charge(n int) bool {
	p.used += int64(n) * attributeCost
	if more := min(max(p.used, p.charged+chunk), p.most) - p.charged; p.used > p.charged && more > 0 && !p.busy {
		if p.busy = !p.r.reserve(more, p.lim.InFlight); !p.busy {
			p.charged += more
		}
	}
	return !p.busy
}

func (p *parts) release() { p.r.inFlight.Add(-p.charged) }

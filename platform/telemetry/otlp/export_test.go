package otlp

// UnderWay is how many calls over gRPC are being worked on.
func (r *Receiver) UnderWay() int64 { return r.calls.Load() }

package grammar

// Bounds are the sizes up to which a message is read. The zero value has the defaults.
type Bounds struct {
	// MaxHead bounds a head in bytes, first line and empty line included, and so the memory
	// that a connection needs; more is 431. 0 means 64 KiB.
	MaxHead int
	// MaxTarget bounds the target of a request in bytes; more is 414. 0 means 8 KiB.
	MaxTarget int
	// MaxFields bounds the number of field lines; more is 431. 0 means 100.
	MaxFields int
	// MaxTrailer bounds the trailer section of a chunked body in bytes; more is 431. 0
	// means 8 KiB.
	MaxTrailer int
}

func (b Bounds) head() int    { return or(b.MaxHead, 64<<10) }
func (b Bounds) target() int  { return or(b.MaxTarget, 8<<10) }
func (b Bounds) fields() int  { return or(b.MaxFields, 100) }
func (b Bounds) trailer() int { return or(b.MaxTrailer, 8<<10) }

func or(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

package wire

// Count returns how many spans, records or data points a request holds, and whether it
// is well-formed as far down as they are; for metrics also how many messages there are
// in the points, which is what they cost once they are decoded.
func Count(signal, body string) (items, parts int64, err error) {
	c := over(body)
	err = each(&c, 1, "the request", func(rs string) error {
		in := over(rs)
		return each(&in, 2, "a resource", func(ss string) error {
			scope := over(ss)
			return each(&scope, 2, "a scope", func(item string) error {
				if signal != Metrics {
					items++
					return nil
				}
				n, m, err := points(item)
				items, parts = items+n, parts+m
				return err
			})
		})
	})
	return items, parts, err
}

// each calls f with every message in a field.
func each(c *cursor, field uint64, what string, f func(string) error) error {
	for c.next() {
		if c.key != field<<3|delimited {
			c.skip()
			continue
		}
		if s := c.text(); !c.bad {
			if err := f(s); err != nil {
				return err
			}
		}
	}
	return c.err(what)
}

// points counts the data points of a Metric and the messages in them: attributes,
// exemplars, buckets, quantiles.
func points(metric string) (items, parts int64, err error) {
	c := over(metric)
	for c.next() {
		switch c.key {
		case 5<<3 | delimited, 7<<3 | delimited, 9<<3 | delimited, 10<<3 | delimited, 11<<3 | delimited:
			data := over(c.text())
			if err := each(&data, 1, "a metric", func(point string) error {
				items++
				p := over(point)
				for p.next() {
					if p.key&7 == delimited {
						parts++
					}
					p.skip()
				}
				return p.err("a data point")
			}); err != nil {
				return items, parts, err
			}
		default:
			parts++ // metadata, too
			c.skip()
		}
	}
	return items, parts, c.err("a metric")
}

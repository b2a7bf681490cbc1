// Package limits proves that gateways share limits over what the binary does not link.
package limits

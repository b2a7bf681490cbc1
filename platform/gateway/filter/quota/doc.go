// Package quota bounds how often is asked in an hour, a day or a month of the calendar, in
// UTC: the kind "quota". What was asked is counted in memory and kept, a moment later, in the
// store that gateways share, or in a file of this one; so a restart begins where it was.
//
// For rates, which let nothing through in a flood, see package limit.
package quota

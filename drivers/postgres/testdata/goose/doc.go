// Package goose compares package migrate with goose itself: the same files lead
// to the same database and the same records, and a team may come and go. It is a
// module of its own, so that nobody gets goose by way of a driver.
package goose

// Package balancetest simulates a service of many replicas and its callers, to compare
// ways of balancing by what callers feel. A run is a discrete-event simulation in
// virtual time, without goroutines: the same Setting and policy always give the same
// Result, in about a second for a million calls.
package balancetest

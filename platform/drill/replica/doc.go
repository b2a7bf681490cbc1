// Package replica shows what one slow replica of many does to those who call the service,
// by the policy that their instances are chosen by: the same fleet, the same load, one
// policy after the other in many short rounds.
package replica

// Package overload shows what becomes of the edge when more is asked of it than it can do: whether
// it goes on doing nearly as much, the most important first and as quickly as on a good day,
// says no to the others at once, and is as before when it is over.
package overload

// Package stage is the services of a drill: a [Service] that works a while and calls the
// next, and a [Fleet] of such services behind the edge, each instance a process of its
// own. What a stage can do is bounded by workers and not by the machine, so that a drill
// knows what was physically possible; how fast it works can be changed while it runs.
package stage

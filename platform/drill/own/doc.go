// Package own is the drills on a team's own fleet: its muster.yaml is started beside
// whatever runs already, with a folder and ports of its own, its load file says who comes
// and what they do, something is broken, and the fleet is ended. What the visitors of the
// load file meet is what is judged.
package own

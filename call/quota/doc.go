// Package quota bounds how much each caller may ask of a service: so many calls a second,
// and so many at once after it was quiet. [Bucket] is the decision, for one caller; a
// [Keeper] has one for each and is what a server's door asks. It is no limit on what the
// server can do, which package admission finds out by itself, and none on who may call.
package quota

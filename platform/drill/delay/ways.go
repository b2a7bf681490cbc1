package delay

// The ways in which front makes its pages.
const (
	oneByOne       = "one-by-one"
	newConnections = "new-connections"
	nearCache      = "near-cache"
	atOnce         = "at-once"
	batched        = "batch"
	sameZone       = "same-zone"

	plain  = "plain"
	packed = "gzip"

	wait  = "wait"
	event = "event"

	nothing = "nothing"
	farAll  = "all-but-placement"
	nearAll = "all"
)

// way is how a page is made, in words.
type way struct{ name, what string }

func ways() []way {
	return []way{
		{oneByOne, "10 look-ups one after the other, by kept connections"},
		{newConnections, "10 look-ups, each by a connection of its own"},
		{nearCache, "10 look-ups one after the other, in a cache"},
		{atOnce, "10 look-ups at the same time"},
		{batched, "10 look-ups at the same time, batched"},
		{sameZone, "10 look-ups one after the other, of a replica in the same zone"},
		{plain, "100 KB as they are"},
		{packed, "100 KB compressed"},
		{wait, "a note, taken while the visitor waits"},
		{event, "a note, left with the broker"},
		{nothing, "a page of all three: one by one, as they are, and waiting"},
		{farAll, "the same: cached and batched, compressed, by event"},
		{nearAll, "the same, of a replica in the same zone"},
	}
}

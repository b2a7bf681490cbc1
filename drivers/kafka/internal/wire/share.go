package wire

import (
	"cmp"
	"encoding/json"
	"slices"
)

// Lanes is how many partitions a log has.
const Lanes = 16

// Protocol is the name of the way in which members of a group share its lanes.
const Protocol = "muster-1"

// Member is what a member tells when it joins.
type Member struct {
	Topics []string `json:"topics"`
	Holds  []int    `json:"holds"` // lanes that it has, and keeps
	Gave   []int    `json:"gave"`  // lanes that it lets go of: better for somebody else
	Serial int      `json:"n"`     // differs from time to time, so that Kafka tells everybody
}

// Share is what a member is told then.
type Share struct {
	Lanes   []int    `json:"lanes"`
	Members int      `json:"members"`
	Topics  []string `json:"topics"` // of all members
}

// Shares says who has which lane. What a member holds it keeps: nobody's work is
// interrupted because another comes. What nobody holds goes to who has the fewest, if
// possible not to one that gave it away. A lane that two say they hold is the first
// one's, by name.
func Shares(members map[string]Member, lanes int) map[string]Share {
	names := make([]string, 0, len(members))
	var topics []string
	gave := map[string]map[int]bool{}
	for name, m := range members {
		names = append(names, name)
		topics = Union(topics, m.Topics)
		gave[name] = map[int]bool{}
		for _, l := range m.Gave {
			gave[name][l] = true
		}
	}
	slices.Sort(names)
	has := map[string][]int{}
	held := make([]bool, lanes)
	for _, name := range names {
		for _, l := range members[name].Holds {
			if l >= 0 && l < lanes && !held[l] {
				held[l] = true
				has[name] = append(has[name], l)
			}
		}
	}
	for l := range lanes {
		if held[l] || len(names) == 0 {
			continue
		}
		best := slices.MinFunc(names, func(a, b string) int {
			if gave[a][l] != gave[b][l] {
				if gave[a][l] {
					return 1
				}
				return -1
			}
			return cmp.Or(cmp.Compare(len(has[a]), len(has[b])), cmp.Compare(a, b))
		})
		has[best] = append(has[best], l)
	}
	shares := make(map[string]Share, len(names))
	for _, name := range names {
		slices.Sort(has[name])
		shares[name] = Share{Lanes: has[name], Members: len(names), Topics: topics}
	}
	return shares
}

// Write writes what a member tells, or is told.
func Write[T Member | Share](v T) ([]byte, error) { return json.Marshal(v) }

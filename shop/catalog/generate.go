package catalog

import (
	"fmt"
	"math/rand/v2"
)

// Product is one thing the shop sells.
type Product struct {
	ID          string `json:"id" doc:"For example p-1001."`
	Name        string `json:"name"`
	Category    string `json:"category"`
	Price       int64  `json:"price" doc:"The price of one piece in cents."`
	Description string `json:"description"`
}

// kinds are what the generator makes products of: in each category five things and
// the cents around which their prices lie. There are as many products as things times
// adjectives, so every name is there once.
var kinds = []struct {
	category  string
	materials [2]string
	things    [5]string
	prices    [5]int64
}{
	{"tea", [2]string{"porcelain", "cast iron"}, [5]string{"Teapot", "Tea Bowl", "Tea Caddy", "Strainer", "Kettle"}, [5]int64{3900, 1800, 2400, 900, 6900}},
	{"coffee", [2]string{"steel", "glass"}, [5]string{"Grinder", "Dripper", "Carafe", "Filter Stand", "Canister"}, [5]int64{8900, 2200, 3400, 1500, 2600}},
	{"mugs", [2]string{"stoneware", "enamel"}, [5]string{"Mug", "Espresso Mug", "Soup Mug", "Travel Mug", "Milk Jug"}, [5]int64{1400, 1100, 1900, 2600, 2300}},
	{"kitchen", [2]string{"beech wood", "linen"}, [5]string{"Chopping Board", "Bread Knife", "Mixing Bowl", "Ladle", "Apron"}, [5]int64{4200, 5400, 2900, 1600, 3100}},
	{"desk", [2]string{"oak", "brass"}, [5]string{"Notebook", "Pencil Case", "Letter Tray", "Ruler", "Bookend"}, [5]int64{1200, 1900, 3600, 700, 2700}},
	{"garden", [2]string{"zinc", "copper"}, [5]string{"Watering Can", "Trowel", "Planter", "Bird House", "Hand Rake"}, [5]int64{4400, 1700, 5200, 3800, 2000}},
	{"light", [2]string{"brass", "glass"}, [5]string{"Candle", "Lantern", "Table Lamp", "Night Light", "Candle Holder"}, [5]int64{800, 4700, 11900, 2300, 2100}},
	{"travel", [2]string{"wool", "leather"}, [5]string{"Rucksack", "Wash Bag", "Flask", "Blanket", "Purse"}, [5]int64{12900, 3300, 2800, 7400, 4100}},
}

var (
	adjectives = []string{
		"Amber", "Birch", "Calm", "Dusky", "Early", "Fine", "Gentle", "Hazel", "Ivory", "Jolly", "Keen", "Little", "Mossy",
		"Northern", "Olive", "Plain", "Quiet", "Russet", "Silver", "Tidy", "Umber", "Velvet", "Warm", "Yellow", "Zesty",
	}
	manners = []string{"made by hand", "made in small numbers", "made to be repaired", "made without glue", "made to last"}
)

// seed makes the generator's choices the same everywhere.
const seed = 20261123

// Generate returns the catalogue: 1,000 products with the ids p-1001 to p-2000, the
// same at every call.
func Generate() []Product {
	random := rand.New(rand.NewPCG(seed, 0))
	products := make([]Product, 0, 1000)
	for i := range cap(products) {
		thing := i % 5
		kind, adjective := kinds[i/5%len(kinds)], adjectives[i/5/len(kinds)]
		material, manner := kind.materials[random.IntN(2)], manners[random.IntN(len(manners))]
		products = append(products, Product{
			ID:          fmt.Sprintf("p-%d", 1001+i),
			Name:        adjective + " " + kind.things[thing],
			Category:    kind.category,
			Price:       kind.prices[thing] * (75 + random.Int64N(51)) / 100 / 5 * 5,
			Description: fmt.Sprintf("Of %s, %s.", material, manner),
		})
	}
	return products
}

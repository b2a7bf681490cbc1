package asyncapi

import "github.com/musterdev/muster/rest/openapi"

// The parts of a document, under the names of the specification.
type (
	document struct {
		AsyncAPI    string                 `json:"asyncapi"`
		Info        infoObject             `json:"info"`
		ContentType string                 `json:"defaultContentType"`
		Channels    openapi.Map[channel]   `json:"channels"`
		Operations  openapi.Map[operation] `json:"operations"`
		Components  struct {
			Messages openapi.Map[message]         `json:"messages"`
			Schemas  openapi.Map[*openapi.Schema] `json:"schemas"`
		} `json:"components"`
	}
	infoObject struct {
		Title       string `json:"title"`
		Version     string `json:"version"`
		Description string `json:"description,omitempty"`
	}
	channel struct {
		Address  string           `json:"address"`
		Messages openapi.Map[ref] `json:"messages"`
	}
	operation struct {
		Action   string `json:"action"`
		Channel  ref    `json:"channel"`
		Summary  string `json:"summary,omitempty"`
		Messages []ref  `json:"messages"`
	}
	message struct {
		Name        string `json:"name"`
		Summary     string `json:"summary"`
		ContentType string `json:"contentType"`
		Headers     ref    `json:"headers"`
		Correlation struct {
			Location string `json:"location"`
		} `json:"correlationId"`
		Payload any `json:"payload"`
	}
	foreign struct {
		Format string `json:"schemaFormat"`
		Schema string `json:"schema"`
	}
	ref struct {
		Ref string `json:"$ref"`
	}
)

// attributesName is the component that describes a message's headers.
const attributesName = "CloudEventAttributes"

// attributes is the schema of the headers of all messages.
func attributes() *openapi.Schema {
	text := func(doc string) *openapi.Schema {
		return &openapi.Schema{Type: openapi.Types{"string"}, Description: doc}
	}
	return &openapi.Schema{
		Type: openapi.Types{"object"}, Required: []string{"specversion", "id", "source", "type"},
		Description: "The attributes of a CloudEvent 1.0, by their plain names: HTTP and NATS write them as headers that begin with ce-, Kafka with ce_, AMQP with cloudEvents:.",
		Properties: openapi.Map[*openapi.Schema]{
			{Key: "specversion", Value: &openapi.Schema{Type: openapi.Types{"string"}, Enum: []any{"1.0"}}},
			{Key: "id", Value: text("Unique within source: the same twice is the same event.")},
			{Key: "source", Value: text("Who published it.")},
			{Key: "type", Value: text("The topic.")},
			{Key: "subject", Value: text("What it is about.")},
			{Key: "time", Value: &openapi.Schema{Type: openapi.Types{"string"}, Format: "date-time", Description: "When it happened."}},
			{Key: "partitionkey", Value: text("What it is ordered by: events of one key come one after the other.")},
			{Key: "causationid", Value: text("The id of the event that led to it.")},
			{Key: "correlationid", Value: text("The same for all that one request led to.")},
			{Key: "traceparent", Value: text("W3C trace context.")},
		},
	}
}

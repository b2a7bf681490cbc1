package rest

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest/openapi"
)

// document makes the whole OpenAPI document.
func (a *API) document() ([]byte, error) {
	doc := openapi.Document{
		OpenAPI:    openapi.Version,
		Info:       openapi.Info{Title: a.info.Title, Version: a.info.Version, Description: a.info.Description},
		Components: &openapi.Components{Schemas: a.schemas.Components("Problem")},
	}
	for _, url := range a.info.Servers {
		doc.Servers = append(doc.Servers, openapi.Server{URL: url})
	}
	for _, r := range a.resources {
		doc.Paths.Set(r.path, r.item)
		for _, o := range r.item.Operations() {
			for _, tag := range o.Tags {
				if !slices.ContainsFunc(doc.Tags, func(t openapi.Tag) bool { return t.Name == tag }) {
					doc.Tags = append(doc.Tags, openapi.Tag{Name: tag})
				}
			}
		}
	}
	doc.Components.Schemas.Set("Problem", problemSchema())
	doc.Components.Responses.Set("Problem", &openapi.Response{
		Description: "A problem; its code says of what kind.",
		Content:     openapi.Map[openapi.MediaType]{{Key: problem.ContentType, Value: openapi.MediaType{Schema: problemRef()}}},
	})
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("rest: the OpenAPI document: %w", err)
	}
	return text, nil
}

func problemRef() *openapi.Schema { return &openapi.Schema{Ref: "#/components/schemas/Problem"} }

// problemSchema is the JSON that problem.Write writes.
func problemSchema() *openapi.Schema {
	text := func(doc string) *openapi.Schema {
		return &openapi.Schema{Type: openapi.Types{"string"}, Description: doc}
	}
	code := text("What kind of failure it is.")
	for _, c := range problem.Codes() {
		code.Enum = append(code.Enum, string(c))
	}
	detail := &openapi.Schema{
		Type: openapi.Types{"object"}, Required: []string{"reason"},
		Properties: openapi.Map[*openapi.Schema]{
			{Key: "field", Value: text(`The field, such as "lines[2].quantity"; absent for the request as a whole.`)},
			{Key: "reason", Value: text("What is wrong with it and what is expected.")},
		},
	}
	return &openapi.Schema{
		Type: openapi.Types{"object"}, Required: []string{"type", "status", "code"},
		Description: "A problem as of RFC 9457.",
		Properties: openapi.Map[*openapi.Schema]{
			{Key: "type", Value: &openapi.Schema{Type: openapi.Types{"string"}, Format: "uri-reference", Description: "The kind of problem; about:blank where the code says it all."}},
			{Key: "title", Value: text("The kind of problem in words.")},
			{Key: "status", Value: &openapi.Schema{Type: openapi.Types{"integer"}, Description: "The HTTP status."}},
			{Key: "detail", Value: text("What happened this time.")},
			{Key: "instance", Value: &openapi.Schema{Type: openapi.Types{"string"}, Format: "uri-reference", Description: "Where it happened."}},
			{Key: "code", Value: code},
			{Key: "details", Value: &openapi.Schema{Type: openapi.Types{"array"}, Items: detail, Description: "What is wrong with single fields."}},
			{Key: "meta", Value: &openapi.Schema{Type: openapi.Types{"object"}, Additional: text(""), Description: "Facts for programs."}},
			{Key: "retry_after", Value: text(`When the same request may be tried again, in seconds, such as "1.5s".`)},
		},
	}
}

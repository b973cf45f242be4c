package openitcockpit

import "tocsin/internal/source"

// Way is how openitcockpit is told by its API.
type Way struct{}

// API is that way.
func API() Way { return Way{} }

// Name is the word of the setting.
func (Way) Name() string { return "openitcockpit" }

// Title is its name for people.
func (Way) Title() string { return Kind{}.Title() + "'s API" }

// For is the one kind of source that it can be used with.
func (Way) For() []string { return []string{"openitcockpit"} }

// Fields are what its form asks for.
func (Way) Fields() []source.Field { return nil }

// Releases says whether it must be told of an alert's end.
func (Way) Releases(source.WriteBack) bool { return false }

// Open checks the settings and makes the engine.
func (Way) Open(w source.WriteBack, o source.EngineOptions) (source.Engine, error) {
	return nil, &source.FieldError{Field: "write_back.url", Problem: "is missing", Mend: "give the API's address"}
}

package api

import (
	"fmt"

	"tocsin/internal/auth"
)

// Document is the OpenAPI document of this program, without a hub behind it.
func Document(version string) ([]byte, error) {
	who, err := auth.NewService(nil, auth.Options{})
	if err != nil {
		return nil, fmt.Errorf("describe the API: %w", err)
	}
	return New(Deps{Store: struct{ Store }{}, Auth: who, Version: version}).OpenAPI()
}

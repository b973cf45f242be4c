package web

import "context"

// RequestHeader carries the id of a request, of ours and of proxies that are trusted.
const RequestHeader = "X-Request-Id"

type requestKey struct{}

// WithRequest puts the id of a request into its context.
func WithRequest(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestID answers the id of the request that ctx is of, empty for none.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

// Occurrence is a request's id as the instance of a problem document; empty without id.
func Occurrence(id string) string {
	if id == "" {
		return ""
	}
	return "urn:request:" + id
}

package app

import (
	"log/slog"
	"net/http"

	"tocsin/internal/config"
	"tocsin/internal/health"
)

// Gate is who may come in, by itself, and what health is told of it.
func Gate(cfg config.Config, next http.Handler) (http.Handler, func() *health.HTTPS) {
	g, err := newGate(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	return g.handler(next), g.facts
}

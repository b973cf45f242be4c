// Package prometheus has Prometheus' own tool look at what deploy/prometheus gives it.
package prometheus

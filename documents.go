// Package tocsin carries the texts for people, as they stand in the project, so
// that the built program has them: `tocsin docs` and a hub's /docs/ show them by
// the package internal/site.
package tocsin

import "embed"

// Documents are the pages, their pictures, and the samples that they link to, by
// their paths in the project.
//
//go:embed README.md ARCHITECTURE.md CHANGELOG.md docs deploy
var Documents embed.FS

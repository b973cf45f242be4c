package main

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// The bill of materials, as CycloneDX 1.6 has it: https://cyclonedx.org/docs/1.6/json/.
type bom struct {
	Schema       string       `json:"$schema"`
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Serial       string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Ref        string     `json:"bom-ref"`
	Type       string     `json:"type"`
	Name       string     `json:"name"`
	Version    string     `json:"version,omitempty"`
	Scope      string     `json:"scope,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Purl       string     `json:"purl"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn,omitempty"`
}

// made is a program of a folder, and what it was really built of: Go writes it there.
func (r *release) made(built, name, arch string) (component, *debug.BuildInfo, error) {
	info, err := buildinfo.ReadFile(filepath.Join(built, name))
	if err != nil {
		return component{}, nil, fmt.Errorf("read what the program is made of: %w", err)
	}
	body, err := os.ReadFile(filepath.Join(built, name))
	if err != nil {
		return component{}, nil, fmt.Errorf("read the program: %w", err)
	}
	sum := sha256.Sum256(body)
	c := component{Type: "application", Name: name, Version: r.version, Hashes: []hash{{"SHA-256", hex.EncodeToString(sum[:])}},
		Purl: "pkg:generic/" + name + "@" + url.PathEscape(r.version) + "?arch=" + arch + "&os=linux", Properties: []property{{"tocsin:commit", r.commit}, {"tocsin:go", info.GoVersion}}}
	c.Ref = c.Purl
	return c, info, nil
}

// bill lists what the programs of a folder are made of. All that the small one has the
// whole one has too.
func (r *release) bill(built, arch string) ([]byte, error) {
	self, info, err := r.made(built, programs[0], arch)
	if err != nil {
		return nil, err
	}
	small, of, err := r.made(built, programs[1], arch)
	if err != nil {
		return nil, err
	}
	b := bom{Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", Spec: "1.6", Version: 1,
		Metadata: metadata{r.date.Format(time.RFC3339), self}}
	// The standard library is part of it, and has its weaknesses too.
	std := component{Type: "library", Name: "std", Version: strings.TrimPrefix(info.GoVersion, "go"), Scope: "required"}
	std.Purl = "pkg:golang/std@" + std.Version
	std.Ref = std.Purl
	b.Components = append(b.Components, std)
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		c := component{Type: "library", Name: m.Path, Version: m.Version, Scope: "required", Purl: "pkg:golang/" + m.Path + "@" + url.PathEscape(m.Version)}
		c.Ref = c.Purl
		// go.sum has the SHA-256 over the hashes of a module's files.
		if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(raw) == sha256.Size {
			c.Hashes = []hash{{"SHA-256", hex.EncodeToString(raw)}}
		}
		b.Components = append(b.Components, c)
	}
	slices.SortFunc(b.Components, func(a, b component) int { return strings.Compare(a.Ref, b.Ref) })
	on, part := dependency{Ref: self.Ref}, dependency{Ref: small.Ref, On: []string{std.Ref}}
	for _, c := range b.Components {
		on.On = append(on.On, c.Ref)
		b.Dependencies = append(b.Dependencies, dependency{Ref: c.Ref})
		if slices.ContainsFunc(of.Deps, func(m *debug.Module) bool { return m.Path == c.Name }) {
			part.On = append(part.On, c.Ref)
		}
	}
	b.Dependencies = append([]dependency{on, part}, b.Dependencies...)
	b.Components = append([]component{small}, b.Components...)
	// The number of this bill follows from what is in it, so that it is the same each time.
	id := sha256.Sum256([]byte(strings.Join(on.On, "\n") + self.Ref + self.Hashes[0].Content + small.Hashes[0].Content))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // a UUID of version 8 (RFC 9562)
	b.Serial = fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16])
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the bill of materials: %w", err)
	}
	return append(text, '\n'), nil
}

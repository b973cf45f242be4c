package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tocsin/internal/auth"
	"tocsin/internal/web/api"
)

var update = flag.Bool("update", false, "write testdata/openapi.json anew")

func document(t *testing.T) []byte {
	t.Helper()
	who, err := auth.NewService(nil, auth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// The document needs no store behind the routes.
	doc, err := api.New(api.Deps{Store: struct{ api.Store }{}, Auth: who}).OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	return append(doc, '\n')
}

func TestOpenAPIIsAsAgreed(t *testing.T) {
	got := document(t)
	const golden = "testdata/openapi.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the API's document has changed; if that is meant, run go test ./internal/web/api -update\n%s", cmp.Diff(string(want), string(got)))
	}
}

func TestOpenAPIRefersOnlyToWhatItHas(t *testing.T) {
	var doc map[string]any
	if err := json.Unmarshal(document(t), &doc); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch x := v.(type) {
		case []any:
			for _, e := range x {
				walk(path, e)
			}
		case map[string]any:
			if ref, ok := x["$ref"].(string); ok {
				at := any(doc)
				for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
					m, _ := at.(map[string]any)
					at = m[part]
				}
				if at == nil {
					t.Errorf("%s: %s leads nowhere", path, ref)
				}
			}
			if id, ok := x["operationId"].(string); ok {
				if ids[id] {
					t.Errorf("operation id %s is there twice", id)
				}
				ids[id] = true
				if x["summary"] == nil || x["security"] == nil {
					t.Errorf("%s has no summary or no security", id)
				}
				answers, _ := x["responses"].(map[string]any)
				if strings.Contains(path, "/{id}") && answers["404"] == nil {
					t.Errorf("%s does not say what it answers for an id that there is not", id)
				}
				for status, answer := range answers {
					content, _ := answer.(map[string]any)["content"].(map[string]any)
					if status >= "400" && content["application/problem+json"] == nil {
						t.Errorf("%s: %s is no problem document", id, status)
					}
				}
			}
			for k, e := range x {
				walk(path+"/"+k, e)
			}
		}
	}
	walk("#", doc)
	if len(ids) < 40 {
		t.Errorf("only %d operations", len(ids))
	}
}

// What programs may say of a user's role is what the program knows.
func TestRolesAreAllRoles(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Properties map[string]struct{ Enum []string }
			}
		}
	}
	if err := json.Unmarshal(document(t), &doc); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, r := range auth.AllRoles() {
		want = append(want, string(r))
	}
	for _, name := range []string{"UserIn", "UserChangeIn", "UserOut"} {
		if diff := cmp.Diff(want, doc.Components.Schemas[name].Properties["role"].Enum); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

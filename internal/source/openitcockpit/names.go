package openitcockpit

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"tocsin/internal/alert"
	"tocsin/internal/source"
)

// How many names are asked for in one call, after how many failures it ends, and
// how many names are kept.
const (
	maxFailed = 3
	maxAsked  = 100
	maxKnown  = 100_000
)

// engine is one openITCOCKPIT. It honours source.Engine,
// Watcher, Prober and Namer.
type engine struct {
	client *source.Client
	notify bool
	now    func() time.Time

	mu    sync.Mutex
	known map[string]named // names by UUID
	turn  int              // the acknowledgement that Watch begins with
}

// named is a name and when it was read; an empty one is of a UUID that
// openITCOCKPIT does not know, or shows us no name of.
type named struct {
	name string
	at   time.Time
}

// Names are what people call the objects. Names are kept for an hour; of those
// that must be asked for, the first hundred are, and the others at the next call.
func (e *engine) Names(ctx context.Context, objects []alert.Object) (map[string]source.Names, error) {
	names := make(map[string]source.Names, len(objects))
	asked, failed := 0, 0
	var problem error
	for _, o := range objects {
		n, err := e.names(ctx, o, &asked)
		if err != nil {
			failed++
			if problem = err; failed == maxFailed || ctx.Err() != nil {
				break
			}
		}
		if n.Host != "" || n.Service != "" {
			names[o.ID] = n
		}
	}
	return names, problem
}

// names are those of one object.
func (e *engine) names(ctx context.Context, o alert.Object, asked *int) (n source.Names, err error) {
	if n.Host, err = e.name(ctx, "host", o.Host, asked); err != nil || o.Kind() == alert.Host {
		return n, err
	}
	n.Service, err = e.name(ctx, "service", o.Service, asked)
	return n, err
}

func (e *engine) name(ctx context.Context, kind, id string, asked *int) (string, error) {
	if len(id) != 36 || uuid.Validate(id) != nil {
		return "", nil
	}
	e.mu.Lock()
	k, ok := e.known[id]
	e.mu.Unlock()
	if ok && e.now().Sub(k.at) < remembered || *asked == maxAsked {
		return k.name, nil
	}
	*asked++
	name, err := e.ask(ctx, kind, id)
	if err != nil {
		return "", err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.known) >= maxKnown {
		clear(e.known)
	}
	e.known[id] = named{name, e.now()}
	return name, nil
}

// ask reads one name. A service without one bears its template's.
func (e *engine) ask(ctx context.Context, kind, id string) (string, error) {
	a, err := e.client.Call(ctx, http.MethodGet, "/"+kind+"s/byUuid/"+id+".json", nil, nil)
	if err != nil {
		return "", fmt.Errorf("openITCOCKPIT: %w", err)
	}
	switch {
	case a.Status == http.StatusUnauthorized:
		return "", denied(a)
	case a.Status >= 500 || a.Status == http.StatusTooManyRequests:
		return "", fmt.Errorf("openITCOCKPIT: answered %d", a.Status)
	case a.Status != http.StatusOK:
		return "", nil // not known there, or not for us
	}
	type object struct {
		Name     *string `json:"name"`
		Template struct {
			Name string `json:"name"`
		} `json:"servicetemplate"`
	}
	var body struct {
		Host    object `json:"host"`
		Service object `json:"service"`
	}
	if err := a.JSON(&body); err != nil {
		return "", fmt.Errorf("openITCOCKPIT: %w", err)
	}
	found := body.Host
	if kind == "service" {
		found = body.Service
	}
	name := found.Template.Name
	if found.Name != nil && strings.TrimSpace(*found.Name) != "" {
		name = *found.Name
	}
	name, _, _ = source.Line(name, source.MaxName)
	return strings.TrimSpace(name), nil
}

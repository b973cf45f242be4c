package main

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"tocsin/internal/audit"
	"tocsin/internal/auth"
	"tocsin/internal/fault"
	"tocsin/internal/health"
	"tocsin/internal/publish"
	"tocsin/internal/push"
	"tocsin/internal/status"
	"tocsin/internal/status/transfer"
	"tocsin/internal/store"
)

// Bounds of an import of subscriptions.
const (
	handedAtOnce = 500 // in one transaction
	refusedShown = 20  // to people; --json has all
)

// handing is `tocsin import subscriptions`.
type handing struct {
	*moving
	kinds    []string
	language string
	key      string
	from     string

	db    *store.DB
	into  *status.Page
	parts map[string]bool // ids of the page's components
	bound push.Key
	hosts []string // push services besides those that are known
	seen  map[string]bool
	begun bool // the trail has a line of it
	out   handedJSON
}

// handedJSON is what was taken, and what not.
type handedJSON struct {
	PageID    string        `json:"page_id"`
	Slug      string        `json:"slug"`
	Name      string        `json:"name"`
	KeyID     string        `json:"key_id"`
	PublicKey string        `json:"public_key"`
	DryRun    bool          `json:"dry_run"`
	New       int           `json:"new"`
	Same      int           `json:"same"`       // follow the page already: left as they are
	NoDevice  int           `json:"no_device"`  // subscribers without a push subscription
	Chosen    int           `json:"chosen"`     // of the new: they hear of some components
	WholePage int           `json:"whole_page"` // of the new: none of their components is here
	Refused   []refusedJSON `json:"refused"`
}

type refusedJSON struct {
	Place  int    `json:"place"`
	Reason string `json:"reason"`
}

func (m *moving) subscriptions() *cobra.Command {
	h := &handing{moving: m, seen: map[string]bool{}}
	cmd := &cobra.Command{
		Use: "subscriptions FILE", Short: "Visitors' push subscriptions of another program",
		Long: "Import the push subscriptions of visitors that another program had, at the same address and with the\nsame key pair: JSON, one a line or as a list, or CSV; see docs/moving-atstatus.md. Nobody is told of it.\n" +
			"Who follows the page already stays as they are, so an import that was stopped goes on when it is\nstarted again. With --dry-run nothing is changed, and what would be is said.",
		Example: "  tocsin import subscriptions subscribers.json --page main --dry-run",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{fmt.Errorf("%s takes one file, not %d; see %s --help", cmd.CommandPath(), len(args), cmd.CommandPath())}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return m.c.with(cmd.Context(), func(db *store.DB, _ *auth.Service) error {
				h.db = db
				return h.run(cmd.Context(), args[0])
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&m.page, "page", "", "slug of the page that they follow (default: the main page)")
	f.StringVar(&h.from, "from", "", "slug that the page had at ATStatus, if another (default: the page's own)")
	f.StringSliceVar(&h.kinds, "kinds", []string{string(push.IncidentNew), string(push.IncidentUpdate), string(push.IncidentResolved), string(push.Maintenance)},
		"what they are told of")
	f.Lookup("kinds").DefValue = strings.Join(h.kinds, ",")
	f.StringVar(&h.language, "language", "", "language of those who have none in the file, such as de")
	f.StringVar(&h.key, "key", "", "public key that they were made with (default: the one that is given as VAPID_PUBLIC_KEY)")
	f.BoolVar(&m.dryRun, "dry-run", false, "change nothing, and say what would be")
	m.c.jsonFlag(cmd)
	return cmd
}

func (h *handing) run(ctx context.Context, name string) error {
	file, err := readAll(h.c.in, name, transfer.MaxDocument)
	if err != nil {
		return err
	}
	list, err := push.ReadForeign(file)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := h.prepare(ctx); err != nil {
		return err
	}
	h.out = handedJSON{PageID: h.into.ID, Slug: h.into.Slug, Name: h.into.Name, KeyID: h.bound.ID, PublicKey: h.bound.Public, DryRun: h.dryRun, Refused: []refusedJSON{}}
	done := 0
	for piece := range slices.Chunk(list, handedAtOnce) {
		if err = h.take(ctx, piece); err != nil {
			break
		}
		done += len(piece)
		h.say(fmt.Sprintf("subscriptions: %d of %d", done, len(list)))
	}
	if h.out.New > 0 && !h.dryRun {
		taken := health.Count(h.out.New, "visitor's push subscription was taken", "visitors' push subscriptions were taken") + " from a file."
		err = errors.Join(err, h.record(context.WithoutCancel(ctx), taken))
	}
	if err != nil {
		return fmt.Errorf("stopped after %d of %d: %w; started again it goes on from there", done, len(list), err)
	}
	return h.c.answer(h.out, handed(&h.out))
}

// prepare finds page and key, and looks whether visitors can be told at all.
func (h *handing) prepare(ctx context.Context) error {
	settings, err := h.db.Settings(ctx)
	if err != nil {
		return err
	}
	if !settings.WebPush {
		return errors.New("the hub tells nobody by Web Push: switch webpush_enabled on first, under Settings → Notifications")
	}
	h.hosts = settings.PushHosts
	if err := h.findPage(ctx); err != nil {
		return err
	}
	_, components, err := h.db.StatusParts(ctx, h.into.ID)
	if err != nil {
		return err
	}
	h.parts = map[string]bool{}
	for i := range components {
		h.parts[components[i].ID] = true
	}
	want := h.want(nil)
	if err := want.Validate(); err != nil {
		return &usageError{fmt.Errorf("--kinds: %w", err)}
	}
	return h.findKey(ctx)
}

func (h *handing) findPage(ctx context.Context) error {
	pages, err := h.db.StatusPages(ctx)
	if err != nil {
		return err
	}
	var slugs []string
	for i := range pages {
		if p := &pages[i]; p.Slug == h.page || h.page == "" && p.Main {
			h.into = p
			return nil
		}
		slugs = append(slugs, pages[i].Slug)
	}
	switch {
	case len(pages) == 0:
		return errors.New("there is no status page yet; make one, or import it, first")
	case h.page == "":
		return fmt.Errorf("none is the main page; say which one they follow by --page: %s", strings.Join(slugs, ", "))
	}
	return fmt.Errorf("there is no page %q; there are: %s", h.page, strings.Join(slugs, ", "))
}

// findKey finds the key that the subscriptions are bound to. One that this hub made
// itself no other program had: with it nobody of them could be told.
func (h *handing) findKey(ctx context.Context) error {
	keys, err := h.db.PushKeys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if h.key != "" && k.Public == strings.TrimRight(strings.TrimSpace(h.key), "=") || h.key == "" && k.Environment && k.Retired.IsZero() {
			h.bound = k
			return nil
		}
	}
	const mend = "set VAPID_PUBLIC_KEY and VAPID_PRIVATE_KEY to the pair of the program that had them, and start the hub once"
	if h.key != "" {
		return &usageError{errors.New("--key: is none of this hub's keys (tocsin vapid show); " + mend)}
	}
	return errors.New("this hub made its key itself, and subscriptions are bound to the key that they were made with; " + mend + ", or name another of its keys by --key")
}

func (h *handing) want(components []string) push.Want {
	w := push.Want{Components: components}
	for _, k := range h.kinds {
		w.Kinds = append(w.Kinds, push.Kind(strings.TrimSpace(k)))
	}
	return w
}

// take takes some, those whose browser is not known here in one transaction.
func (h *handing) take(ctx context.Context, list []push.Foreign) error {
	var fresh []push.Subscription
	for i := range list {
		f := &list[i]
		s, err := h.subscription(f)
		if errors.Is(err, push.ErrNoDevice) {
			h.out.NoDevice++
			continue
		}
		if err != nil {
			h.refuse(f, err)
			continue
		}
		have, err := h.db.SubscriptionByEndpoint(ctx, s.Endpoint)
		switch known := err == nil; {
		case !known && !errors.Is(err, fault.ErrNotFound):
			return err
		case known && have.Follows(h.into.ID) != nil:
			h.out.Same++
			continue
		case known && subtle.ConstantTimeCompare(have.Auth, s.Auth) != 1:
			h.refuse(f, errors.New("its browser is known here with another secret: it subscribed anew since"))
			continue
		case !known:
			fresh = append(fresh, s)
		case !h.dryRun:
			if err := h.begin(ctx); err != nil {
				return err
			}
			if _, _, err := h.db.SaveSubscription(ctx, s, nil); err != nil {
				return err
			}
		}
		h.out.New++
		if len(s.Pages[0].Wants[0].Components) > 0 {
			h.out.Chosen++
		} else if len(f.Components) > 0 {
			h.out.WholePage++
		}
	}
	if h.dryRun || len(fresh) == 0 {
		return nil
	}
	if err := h.begin(ctx); err != nil {
		return err
	}
	n, err := h.db.AddSubscriptions(ctx, fresh)
	// Whoever subscribed by themselves in this moment is passed over.
	h.out.New, h.out.Same = h.out.New-len(fresh)+n, h.out.Same+len(fresh)-n
	return err
}

// subscription is what one of the file becomes here.
func (h *handing) subscription(f *push.Foreign) (push.Subscription, error) {
	s := f.Subscription
	if f.Err != nil {
		return s, f.Err
	}
	if h.seen[s.Endpoint] {
		return s, errors.New("is in the file once more")
	}
	h.seen[s.Endpoint] = true
	if !s.Expires.IsZero() && !s.Expires.After(time.Now()) {
		return s, errors.New("its time is over, as its browser said")
	}
	id, err := uuid.NewV7()
	if err != nil {
		return s, fmt.Errorf("make an id: %w", err)
	}
	s.ID, s.KeyID, s.Language = id.String(), h.bound.ID, cmp.Or(s.Language, h.language)
	var chosen []string
	for _, c := range f.Components {
		if id := h.component(c); id != "" && !slices.Contains(chosen, id) {
			chosen = append(chosen, id)
		}
	}
	s.Pages = []push.Follow{{PageID: h.into.ID, Wants: []push.Want{h.want(chosen)}}}
	return s, s.Validate(h.hosts)
}

// component is the id here of a component there, empty if the page does not have it.
func (h *handing) component(there string) string {
	if h.parts[there] {
		return there
	}
	for _, from := range []string{h.from, h.into.Slug, transfer.FromATStatus} {
		if id := publish.Derived(h.into.ID, transfer.FromATStatus, from, publish.OfComponent, there); h.parts[id] {
			return id
		}
	}
	return ""
}

func (h *handing) refuse(f *push.Foreign, why error) {
	h.out.Refused = append(h.out.Refused, refusedJSON{f.Place, why.Error()})
}

// begin writes that some are taken before the first one is: whatever happens then, the
// trail says whose work they are.
func (h *handing) begin(ctx context.Context) error {
	if h.begun {
		return nil
	}
	h.begun = true
	return h.record(ctx, "Visitors' push subscriptions are taken from a file.")
}

// record writes a line of the audit trail: of people who choose for themselves it has
// none, but here somebody chose for them.
func (h *handing) record(ctx context.Context, note string) error {
	return h.db.Record(ctx, audit.Entry{
		Action: "page.subscriptions", PageID: h.into.ID, Note: note,
		Subject: audit.Subject{Kind: "page", ID: h.into.ID, Name: h.into.Name},
	})
}

// handed says what became of them, for people.
func handed(d *handedJSON) string {
	var b strings.Builder
	would := "Taken"
	if d.DryRun {
		would = "Would be taken"
	}
	fmt.Fprintf(&b, "%s for the page “%s” (%s), with the key %s:\n", would, d.Name, d.Slug, d.PublicKey)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, t := range []struct {
		n    int
		what string
	}{
		{d.New, "new"}, {d.Chosen, "of them for some components"}, {d.WholePage, "of them for the whole page, as none of their components is on it"},
		{d.Same, "follow the page already, and stay as they are"}, {d.NoDevice, "have no push subscription"}, {len(d.Refused), "refused"},
	} {
		if t.n > 0 || t.what == "new" {
			fmt.Fprintf(w, "  %d\t%s\n", t.n, t.what)
		}
	}
	_ = w.Flush() // a strings.Builder takes everything
	for _, r := range d.Refused[:min(len(d.Refused), refusedShown)] {
		fmt.Fprintf(&b, "  Refused, number %d: %s\n", r.Place, r.Reason)
	}
	if more := len(d.Refused) - refusedShown; more > 0 {
		fmt.Fprintf(&b, "  and %d more: --json has them all\n", more)
	}
	if d.DryRun {
		b.WriteString("Nothing was changed.\n")
	}
	return b.String()
}

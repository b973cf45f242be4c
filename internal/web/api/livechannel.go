package api

import (
	"context"
	"encoding/json"
	"net/http"

	"tocsin/internal/auth"
	"tocsin/internal/delivery"
	"tocsin/internal/live"
)

// ReceiptIn is what a tab says of a notification that it was handed.
type ReceiptIn struct {
	DeliveryID string `json:"delivery_id" maxLength:"100"`
	Result     string `json:"result" enum:"shown,page,collapsed,failed" doc:"page: in the page alone, for want of permission"`
	Detail     string `json:"detail,omitempty" maxLength:"300" doc:"Which browser, or what failed" example:"Firefox 153 on Linux"`
}

type receiptsIn struct {
	Body struct {
		Receipts []ReceiptIn `json:"receipts" minItems:"1" maxItems:"500"`
	}
}

// EndedOut says how many deliveries were ended.
type EndedOut struct {
	Ended int `json:"ended" doc:"Those that had not ended before"`
}

// PendingOut are notifications that are still to be shown.
type PendingOut struct {
	Items []json.RawMessage `json:"items" doc:"As the frames of kind notification in the stream"`
}

// TestOut names the test notification that is on its way.
type TestOut struct {
	ID string `json:"id" doc:"The frame's tag is test- and this"`
}

func (a *API) liveRoutes() {
	a.mux.HandleFunc("GET "+Prefix+"/live", a.live)
	a.streamOperation()
	mine := access{scope: auth.ReadAlerts, sessionOnly: true}
	register(a, mine, route("live", http.MethodPost, "/live/receipts", "live-receipts", "Say what became of notifications"),
		func(ctx context.Context, in *receiptsIn) (*body[EndedOut], error) {
			p, _ := auth.From(ctx)
			n, err := a.d.Store.Receive(ctx, p.UserID, each(in.Body.Receipts, func(r ReceiptIn) delivery.Receipt { return delivery.Receipt(r) }))
			if err != nil {
				return nil, err
			}
			return give(EndedOut{n}), nil
		})
	register(a, mine, route("live", http.MethodGet, "/live/pending", "live-pending", "My notifications that are still to be shown"),
		func(ctx context.Context, _ *struct{}) (*body[PendingOut], error) {
			p, _ := auth.From(ctx)
			ds, err := a.d.Store.Pending(ctx, p.UserID, 200)
			if err != nil {
				return nil, err
			}
			items, err := a.d.Pending(ctx, ds)
			if err != nil {
				return nil, err
			}
			if items == nil {
				items = []json.RawMessage{}
			}
			return give(PendingOut{items}), nil
		})
	test := route("live", http.MethodPost, "/live/test", "live-test", "Send me a test notification")
	test.DefaultStatus = http.StatusAccepted
	register(a, mine, test, func(ctx context.Context, _ *struct{}) (*body[TestOut], error) {
		p, _ := auth.From(ctx)
		id := newID()
		frame, err := a.d.Test(ctx, id)
		if err != nil {
			return nil, err
		}
		f := live.Frame{UserID: p.UserID, Kind: "notification", Body: string(frame), At: a.d.Now()}
		if err := a.d.Store.AppendLive(ctx, []live.Frame{f}); err != nil {
			return nil, err
		}
		return give(TestOut{id}), nil
	})
}

// live hands the request to the hub, for people who are signed in: a stream
// ends with the session that it belongs to.
func (a *API) live(w http.ResponseWriter, r *http.Request) {
	if p := refused(r.Context(), access{scope: auth.ReadAlerts, sessionOnly: true}); p != nil {
		writeProblem(w, p)
		return
	}
	p, _ := auth.From(r.Context())
	a.d.Streams.Serve(w, r, live.Viewer{UserID: p.UserID, Session: p.Session})
}

package nodes_test

import (
	"net/http"
	"slices"
	"strings"

	"tocsin/internal/demo/chat"
	"tocsin/test/hub"
	"tocsin/test/nodes"
)

// callbacks: whichever node has posted an alert in Mattermost, each of them takes the
// click on its button, once.
func (w *world) callbacks() {
	mm := chat.New(chat.Options{})
	w.must(mm.Start("127.0.0.1:0"))
	w.Cleanup(mm.Close)
	team := mm.AddTeam("ops", "Operations")
	room := mm.AddChannel(team.ID, "alerts", "Alerts", false)
	jane := mm.AddUser("jane", "Jane Doe")
	bot, token := mm.AddBot("tocsin", "Tocsin")
	mm.Join(room.ID, jane.ID, bot.ID)
	set := func(what map[string]any) {
		w.Helper()
		w.must(w.Nodes[0].Call(w.ctx, http.MethodPut, "/mattermost", w.Nodes[0].Key, what, nil))
	}
	w.must(w.Nodes[0].Post(w.ctx, "/mattermost/key", nil, nil))
	set(map[string]any{"enabled": true, "two_way": true, "allow_unlinked": true, "server_url": mm.URL(), "bot_token": token})
	w.must(w.Nodes[0].Post(w.ctx, "/mattermost/rooms", map[string]any{"name": "Alerts", "kind": "bot", "team": team.Name, "channel": room.Name, "everything": true}, nil))
	of := func(n int) (found []chat.Post) {
		for _, p := range mm.Posts(room.ID) {
			if p.RootID == "" && strings.Contains(p.Text(), nodes.Service(n)) {
				found = append(found, p)
			}
		}
		return found
	}
	for _, node := range w.Nodes[:3] {
		set(map[string]any{"callback_url": "http://" + node.Listen})
		w.sent++
		n := w.sent
		if a := nodes.Send(w.ctx, nil, node.Listen, w.Token, n); !a.Taken() {
			w.Fatalf("answered %d: %s", a.Status, a.Body)
		}
		w.must(mm.Wait(w.ctx, func() bool { return len(of(n)) > 0 }))
		post := of(n)[0]
		w.must(mm.Click(w.ctx, jane.ID, post.ID, "ack", ""))
		w.must(mm.Wait(w.ctx, func() bool {
			now := of(n)
			return len(now) > 0 && !slices.Contains(now[0].Actions(), "ack")
		}))
		if err := mm.Click(w.ctx, jane.ID, post.ID, "ack", ""); err == nil {
			w.Error("the button is still there")
		}
		if posts := of(n); len(posts) != 1 {
			w.Errorf("there are %d posts of one alert", len(posts))
		}
		open, err := nodes.Open(w.ctx, w.Nodes[0])
		w.must(err)
		for _, at := range w.Nodes[:3] {
			w.acknowledged(at, open[nodes.Service(n)])
		}
	}
	hosts := map[string]bool{}
	for _, c := range mm.Calls() {
		hosts[c.URL] = true
	}
	if len(hosts) < 2 {
		w.Errorf("Mattermost called only %v", hosts)
	}
}

// acknowledged looks at an alert on a node.
func (w *world) acknowledged(at *hub.Hub, id string) {
	w.Helper()
	var a struct{ Status string }
	w.must(at.Get(w.ctx, "/alerts/"+id, &a))
	if a.Status != "acknowledged" {
		w.Errorf("on %s it is %s", at.Listen, a.Status)
	}
}

package kill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	bench "tocsin/bench/nodes"
	"tocsin/test/hub"
	"tocsin/test/nodes"
)

// RunNodes does the same to several nodes behind a balancer: one of them, by chance,
// is killed at a random moment and started again, while events come in. The others
// go on, so a sender is answered by them.
func RunNodes(ctx context.Context, o Options, several int) (Result, error) {
	res := Result{}
	c, err := nodes.Start(ctx, nodes.Options{Bin: o.Bin, Dir: o.Dir, Database: o.Database, Nodes: several}, people...)
	if c != nil {
		defer c.Close()
	}
	if err != nil {
		return res, err
	}
	following, stop := context.WithCancel(ctx)
	var tabs []*hub.Tab
	var open sync.WaitGroup
	defer open.Wait()
	defer stop()
	for _, name := range people {
		tab, err := c.All.SignIn(ctx, name, nodes.Password)
		if err != nil {
			return res, err
		}
		tabs = append(tabs, tab)
		open.Go(func() { tab.Follow(following) })
	}
	random := rand.New(rand.NewPCG(o.Seed, 11))
	sending := bench.Send(ctx, c, o.Clients, 2*time.Millisecond)
	for i := range o.Rounds {
		after := sending.Taken() + 1 + random.IntN(o.Most)
		if err := taken(ctx, sending, after); err != nil {
			return res, fmt.Errorf("round %d: %w", i+1, err)
		}
		node := c.Nodes[random.IntN(len(c.Nodes))]
		node.Kill()
		begin := time.Now()
		if err := node.Start(ctx); err != nil {
			return res, fmt.Errorf("round %d: %w", i+1, err)
		}
		res.Slowest = max(res.Slowest, time.Since(begin))
		res.Rounds++
	}
	sent, err := sending.End()
	res.Answered, res.Again, res.Duplicates = len(sent.All), sent.Again, sent.Duplicates
	if err != nil {
		return res, err
	}
	res.Told, err = bench.Complete(ctx, c.Nodes[0], tabs, sent.All, 3*time.Minute)
	return res, err
}

// taken waits until so many events were answered.
func taken(ctx context.Context, s *bench.Sending, n int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.Taken() < n {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the nodes stopped to answer: %w", ctx.Err())
		}
	}
	return nil
}

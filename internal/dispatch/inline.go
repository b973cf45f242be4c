package dispatch

import "context"

// inline answers a request by a transaction of its own, at once: see
// Options.Inline.
func (s *Service) inline(ctx context.Context, r *request) (answer, error) {
	group := []*request{r}
	answers, err := s.attempt(ctx, group)
	if err != nil {
		return answer{}, err
	}
	return answers[0], answers[0].err
}

// Tick does at once what is due of that which the loops do when its time has come:
// acknowledgements and storms that end, steps of policies, what no longer flaps. It is for who goes through time step by step instead
// of living in it, with Options.Inline.
func (s *Service) Tick(ctx context.Context) {
	s.expire(ctx)
	s.calm(ctx)
	s.escalate(ctx)
	s.settle(ctx)
}

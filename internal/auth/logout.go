package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"tocsin/internal/auth/oidc"
	"tocsin/internal/fault"
)

// ProviderLogout ends the sessions that began by an account of the provider, which says
// by a logout token that its owner signed out there, and answers how many; all of the
// account where it names no session of its own. A token counts once, when all of that
// is done. *ProviderError, *LimitError.
func (s *Service) ProviderLogout(ctx context.Context, token, remote string) (int, error) {
	if s.o.Provider == nil {
		return 0, &ProviderError{Problem: "This hub has no sign-in provider.", Mend: "Set one up first."}
	}
	from, now := remoteKey(remote), s.o.Now()
	if wait, ok := s.byRemote.take(from, now); !ok {
		return 0, &LimitError{wait}
	}
	out, err := s.o.Provider.Logout(ctx, token)
	if err != nil {
		return 0, s.logged(err, remote)
	}
	s.byRemote.giveBack(from)
	once := Step{Hash: Hash(stepLogout + "\x00" + out.ID), Kind: stepLogout, Body: "{}", Expires: now.Add(2 * oidc.OutFor)}
	_, err = s.st.Step(ctx, once.Hash, stepLogout)
	if err == nil {
		return 0, &ProviderError{Problem: "This was said before.", Mend: "Nothing is to be done."}
	} else if !errors.Is(err, fault.ErrNotFound) {
		return 0, fmt.Errorf("look for a logout token: %w", err)
	}
	n, err := s.endProvided(ctx, out)
	if err != nil {
		return n, err // not spent: the provider says it again
	}
	if err := s.st.SaveStep(ctx, once); err != nil {
		return n, fmt.Errorf("keep that a logout token was used: %w", err)
	}
	return n, nil
}

// endProvided ends the sessions that a sign-out at the provider is about.
func (s *Service) endProvided(ctx context.Context, out oidc.Out) (total int, err error) {
	session := providedHash(out.Session)
	about := func(x Session) bool {
		_, values, err := jsonCodec{}.Decode(x.Data)
		if err != nil || values[keyWay] != string(ByProvider) {
			return false
		}
		of, _ := values[keyProvided].(string)
		// Of one that began before its name was kept only the account is known.
		return session == "" || of == session || of == "" && out.Subject != ""
	}
	var users []string
	if out.Subject != "" {
		i, err := s.st.Identity(ctx, out.Issuer, out.Subject)
		if errors.Is(err, fault.ErrNotFound) {
			return 0, nil
		} else if err != nil {
			return 0, err
		}
		users = []string{i.UserID}
	} else {
		all, err := s.st.Sessions(ctx)
		if err != nil {
			return 0, fmt.Errorf("look for sessions by the provider: %w", err)
		}
		for _, x := range all {
			if about(x) && !slices.Contains(users, x.UserID) {
				users = append(users, x.UserID)
			}
		}
	}
	for _, id := range users {
		n, err := s.endThose(ctx, id, "Signed out at the sign-in provider. ", about)
		total += n
		if err != nil && !errors.Is(err, fault.ErrNotFound) {
			return total, err
		}
	}
	return total, nil
}

// providedHash is what a session of the provider is kept as; its name may be long.
func providedHash(session string) string {
	if session == "" {
		return ""
	}
	return Hash("provided\x00" + session)[:32]
}

package auth

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"tocsin/internal/auth/passkey"
	"tocsin/internal/fault"
)

// ErrSecond says that the password was right, and that a second factor is to follow.
var ErrSecond = errors.New("a second factor is to follow")

// ErrNoPasskeys says that nobody can use a passkey here; Options.PasskeysOff says why.
var ErrNoPasskeys = errors.New("there are no passkeys here")

// ErrFactor is a passkey or a recovery code that was not the right one.
var ErrFactor = errors.New("this passkey or recovery code was refused")

// Recovery codes: how many, and of which letters, without those that look alike.
const (
	codesMade   = 10
	codeLetters = "abcdefghjkmnpqrstuvwxyz23456789"
	codeLength  = 16 // 79 bits: nobody finds one by its hash
)

// maxPasskeys is how many somebody may have.
const maxPasskeys = 20

// PasskeysOff says why nobody can use a passkey here; nil: they can.
func (s *Service) PasskeysOff() error {
	if s.o.Passkeys != nil {
		return nil
	}
	if s.o.PasskeysOff != nil {
		return s.o.PasskeysOff
	}
	return ErrNoPasskeys
}

// pending is what a step after the password keeps.
type pending struct {
	Stamp string `json:"stamp"` // the user as it was then
}

// second finds out whether a password is enough, and else begins what follows.
func (s *Service) second(ctx context.Context, u User) (bool, error) {
	have, err := s.st.Passkeys(ctx, u.ID)
	if err != nil {
		return false, fmt.Errorf("look for the passkeys of %q: %w", u.Name, err)
	}
	if len(have) == 0 {
		must, err := s.mustHave(ctx, u.Role)
		if err != nil || !must {
			return false, err
		}
	}
	if _, ok := ctx.Value(carrierKey{}).(carrier); !ok {
		return true, nil
	}
	body, err := json.Marshal(pending{stamp(u)})
	if err != nil {
		return false, fmt.Errorf("write a sign-in under way: %w", err)
	}
	// A cookie that somebody planted before is worth nothing.
	browser, _ := s.browser(ctx, true)
	return true, s.keep(ctx, stepSecond, browser, "", u.ID, string(body))
}

// mustHave says whether users of a role need a passkey. Where none can be used, none
// is asked for: else nobody could sign in to mend that.
func (s *Service) mustHave(ctx context.Context, r Role) (bool, error) {
	if s.o.NeedsPasskey == nil || s.o.Passkeys == nil {
		return false, nil
	}
	must, err := s.o.NeedsPasskey(ctx, r)
	if err != nil {
		return false, fmt.Errorf("read whether a passkey is needed: %w", err)
	}
	return must, nil
}

// Pending is a sign-in whose password was right.
type Pending struct {
	User  User
	Enrol bool // there is no passkey yet: one is to be made now
	Codes int  // recovery codes that are left
}

// Pending answers the sign-in of this browser that waits for a second factor; ErrStep.
func (s *Service) Pending(ctx context.Context) (Pending, error) {
	x, err := s.at(ctx, stepSecond)
	if err != nil {
		return Pending{}, err
	}
	return s.pendingOf(ctx, x)
}

func (s *Service) pendingOf(ctx context.Context, x Step) (Pending, error) {
	var p pending
	if err := json.Unmarshal([]byte(x.Body), &p); err != nil {
		return Pending{}, fmt.Errorf("read a sign-in under way: %w", err)
	}
	u, err := s.st.UserByID(ctx, x.UserID)
	if errors.Is(err, fault.ErrNotFound) {
		return Pending{}, ErrStep
	}
	if err != nil {
		return Pending{}, fmt.Errorf("look up user %q: %w", x.UserID, err)
	}
	// What an admin changed meanwhile is not to be gone round.
	if u.Disabled || stamp(u) != p.Stamp {
		return Pending{}, ErrStep
	}
	have, err := s.st.Passkeys(ctx, u.ID)
	if err != nil {
		return Pending{}, fmt.Errorf("look for the passkeys of %q: %w", u.Name, err)
	}
	left, _, err := s.st.RecoveryCodes(ctx, u.ID)
	if err != nil {
		return Pending{}, fmt.Errorf("look for the recovery codes of %q: %w", u.Name, err)
	}
	return Pending{User: u, Enrol: len(have) == 0, Codes: left}, nil
}

// member is a user for the ceremonies.
func (s *Service) member(ctx context.Context, userID string) (User, passkey.User, []Passkey, error) {
	u, err := s.st.UserByID(ctx, userID)
	if err != nil {
		return u, passkey.User{}, nil, fmt.Errorf("look up user %q: %w", userID, err)
	}
	have, err := s.st.Passkeys(ctx, userID)
	if err != nil {
		return u, passkey.User{}, nil, fmt.Errorf("look for the passkeys of %q: %w", u.Name, err)
	}
	m := passkey.User{ID: u.ID, Name: u.Name, Display: u.Label()}
	for _, p := range have {
		m.Have = append(m.Have, p.Body)
	}
	return u, m, have, nil
}

// AskPasskey begins a sign-in with nothing but a passkey, and answers what the browser
// is to ask for.
func (s *Service) AskPasskey(ctx context.Context, remote string) ([]byte, error) {
	if s.o.Passkeys == nil {
		return nil, s.PasskeysOff()
	}
	if err := s.mayBegin(remote); err != nil {
		return nil, err
	}
	options, state, err := s.o.Passkeys.Begin(nil)
	if err != nil {
		return nil, err
	}
	return options, s.challenge(ctx, "", state)
}

// AskSecond does the same after the password.
func (s *Service) AskSecond(ctx context.Context, remote string) ([]byte, error) {
	if s.o.Passkeys == nil {
		return nil, s.PasskeysOff()
	}
	if err := s.mayBegin(remote); err != nil {
		return nil, err
	}
	p, err := s.Pending(ctx)
	if err != nil {
		return nil, err
	}
	_, m, _, err := s.member(ctx, p.User.ID)
	if err != nil {
		return nil, err
	}
	if len(m.Have) == 0 {
		return nil, ErrStep
	}
	options, state, err := s.o.Passkeys.Begin(&m)
	if err != nil {
		return nil, err
	}
	return options, s.challenge(ctx, p.User.ID, state)
}

func (s *Service) challenge(ctx context.Context, userID, state string) error {
	browser, ctx := s.browser(ctx, false)
	return s.keep(ctx, stepChallenge, browser, "", userID, state)
}

// SignInPasskey ends a sign-in by what the browser came back with: alone, or as the
// second factor where the password came before. ErrStep, ErrFactor, *LimitError.
func (s *Service) SignInPasskey(ctx context.Context, response []byte, remote string) (User, error) {
	if s.o.Passkeys == nil {
		return User{}, s.PasskeysOff()
	}
	from, now := remoteKey(remote), s.o.Now()
	if wait, ok := s.byRemote.take(from, now); !ok {
		return User{}, &LimitError{wait}
	}
	x, err := s.take(ctx, stepChallenge, "")
	if err != nil {
		return User{}, err
	}
	by := ByPasskey
	var first Pending
	if x.UserID != "" {
		by = ByPasswordPasskey
		if first, err = s.Pending(ctx); err != nil {
			return User{}, err
		}
		if first.User.ID != x.UserID {
			return User{}, ErrStep
		}
	}
	u, used, err := s.judge(ctx, x.Body, response)
	if errors.Is(err, passkey.ErrRefused) || errors.Is(err, passkey.ErrCloned) || (err == nil && u.Disabled) {
		if err == nil {
			err = errors.New("the user is disabled")
		}
		s.refuse(ctx, u, by, remote, "the passkey was refused")
		s.o.Log.Warn("passkey refused", "user_id", u.ID, "error", err)
		return User{}, ErrFactor
	}
	if err != nil {
		return User{}, err
	}
	if by == ByPasswordPasskey {
		if _, err := s.take(ctx, stepSecond, ""); err != nil {
			return User{}, err
		}
		if stamp(u) != stamp(first.User) {
			return User{}, ErrStep
		}
	}
	if err := s.st.UsePasskey(ctx, used.ID, used.Body, now); err != nil {
		if errors.Is(err, fault.ErrNotFound) {
			return User{}, ErrFactor // removed at this moment
		}
		return User{}, err
	}
	s.byRemote.giveBack(from)
	return s.enter(ctx, u, by, remote)
}

// judge finds whose passkey a response is of, with what is to be kept of it.
func (s *Service) judge(ctx context.Context, state string, response []byte) (User, Passkey, error) {
	var u User
	var have []Passkey
	_, c, err := s.o.Passkeys.Finish(state, response, func(userID string) (passkey.User, error) {
		var m passkey.User
		var err error
		u, m, have, err = s.member(ctx, userID)
		if errors.Is(err, fault.ErrNotFound) {
			return m, fmt.Errorf("%w: it belongs to nobody", passkey.ErrRefused)
		}
		return m, err
	})
	if err != nil {
		return u, Passkey{}, err
	}
	for _, p := range have {
		if p.Credential == c.ID {
			p.Body = c.Body
			return u, p, nil
		}
	}
	return u, Passkey{}, passkey.ErrRefused
}

// SignInCode ends a sign-in by a recovery code, after the password. The code is used
// up by it. ErrStep, ErrFactor, *LimitError.
func (s *Service) SignInCode(ctx context.Context, code, remote string) (User, error) {
	p, err := s.Pending(ctx)
	if err != nil {
		return User{}, err
	}
	from, now := remoteKey(remote), s.o.Now()
	if wait, ok := s.byRemote.take(from, now); !ok {
		return User{}, &LimitError{wait}
	}
	if wait, ok := s.byUser.take(p.User.ID, now); !ok {
		s.byRemote.giveBack(from)
		return User{}, &LimitError{wait}
	}
	first := false
	if hash, ok := codeHash(p.User.ID, code); ok && !p.Enrol {
		if first, err = s.st.UseRecoveryCode(ctx, p.User.ID, hash, now); err != nil {
			return User{}, err
		}
	}
	if !first {
		s.refuse(ctx, p.User, ByPasswordCode, remote, "the recovery code was wrong, or used before")
		return User{}, ErrFactor
	}
	if _, err := s.take(ctx, stepSecond, ""); err != nil {
		return User{}, err
	}
	s.byRemote.giveBack(from)
	s.byUser.giveBack(p.User.ID)
	return s.enter(ctx, p.User, ByPasswordCode, remote)
}

// codeHash is what a code is known by, however it was typed; false for what can be none.
func codeHash(userID, code string) (string, bool) {
	code = strings.Map(func(r rune) rune {
		if strings.ContainsRune(codeLetters, r) {
			return r
		}
		return -1
	}, strings.ToLower(code[:min(len(code), 200)]))
	return Hash("recovery\x00" + userID + "\x00" + code), len(code) == codeLength
}

// NewCodes makes a user's recovery codes; those before are void. They are answered
// once.
func (s *Service) NewCodes(ctx context.Context, userID string) ([]string, error) {
	have, err := s.st.Passkeys(ctx, userID)
	if err != nil {
		return nil, fmt.Errorf("look for passkeys: %w", err)
	}
	if len(have) == 0 {
		return nil, &FieldError{"codes", "are of no use without a passkey", "add a passkey first"}
	}
	codes, hashes := make([]string, codesMade), make([]string, codesMade)
	for i := range codes {
		codes[i] = newCode()
		hashes[i], _ = codeHash(userID, codes[i])
	}
	if err := s.st.SaveRecoveryCodes(ctx, userID, hashes, s.o.Now()); err != nil {
		return nil, err
	}
	return codes, nil
}

// newCode is one code, in groups of four that people can read.
func newCode() string {
	var b strings.Builder
	var random [1]byte
	for n := 0; n < codeLength; {
		_, _ = rand.Read(random[:]) // never fails
		// Those at the end would make the first letters likelier.
		if int(random[0]) >= 256-256%len(codeLetters) {
			continue
		}
		if n > 0 && n%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(codeLetters[int(random[0])%len(codeLetters)])
		n++
	}
	return b.String()
}

// AskAdd begins to add a passkey, of the user who is signed in, or of the one who must
// have one to get in, and answers what the browser is to make.
func (s *Service) AskAdd(ctx context.Context, remote string) ([]byte, error) {
	if s.o.Passkeys == nil {
		return nil, s.PasskeysOff()
	}
	if err := s.mayBegin(remote); err != nil {
		return nil, err
	}
	userID, err := s.adder(ctx)
	if err != nil {
		return nil, err
	}
	_, m, _, err := s.member(ctx, userID)
	if err != nil {
		return nil, err
	}
	if len(m.Have) >= maxPasskeys {
		return nil, &FieldError{"passkeys", fmt.Sprintf("are %d already", len(m.Have)), "remove one that you do not use"}
	}
	options, state, err := s.o.Passkeys.BeginAdd(m)
	if err != nil {
		return nil, err
	}
	return options, s.challenge(ctx, userID, "add\x00"+state)
}

// adder is who may add a passkey in this browser now.
func (s *Service) adder(ctx context.Context) (string, error) {
	if p, ok := From(ctx); ok && p.UserID != "" {
		if !s.Recently(p) {
			return "", ErrConfirm
		}
		return p.UserID, nil
	}
	p, err := s.Pending(ctx)
	if err != nil {
		return "", err
	}
	if !p.Enrol {
		return "", ErrStep
	}
	return p.User.ID, nil
}

// ErrConfirm says that the owner of the session is to prove first to be there.
var ErrConfirm = errors.New("it is to be confirmed with the password first")

// AddPasskey ends what AskAdd began. With the first passkey come recovery codes, which
// are answered this once. Who had to make one to get in is signed in then.
func (s *Service) AddPasskey(ctx context.Context, name string, response []byte, remote string) (p Passkey, codes []string, err error) {
	if s.o.Passkeys == nil {
		return p, nil, s.PasskeysOff()
	}
	name = strings.TrimSpace(name)
	if c, _ := ctx.Value(carrierKey{}).(carrier); name == "" {
		name = Browser(c.agent)
	}
	if err := checkLabel("name", name, 1, 60); err != nil {
		return p, nil, err
	}
	userID, err := s.adder(ctx)
	if err != nil {
		return p, nil, err
	}
	x, err := s.take(ctx, stepChallenge, "")
	if err != nil {
		return p, nil, err
	}
	state, isAdd := strings.CutPrefix(x.Body, "add\x00")
	if !isAdd || x.UserID != userID {
		return p, nil, ErrStep
	}
	u, m, have, err := s.member(ctx, userID)
	if err != nil {
		return p, nil, err
	}
	c, err := s.o.Passkeys.FinishAdd(m, state, response)
	if errors.Is(err, passkey.ErrRefused) {
		s.o.Log.Warn("new passkey refused", "user_id", u.ID, "error", err)
		return p, nil, ErrFactor
	}
	if err != nil {
		return p, nil, err
	}
	entering := false
	if who, ok := From(ctx); !ok || who.UserID == "" {
		entering = true
		if _, err := s.take(ctx, stepSecond, ""); err != nil {
			return p, nil, err
		}
	}
	p = Passkey{ID: newID(), UserID: userID, Credential: c.ID, Name: name, Body: c.Body, Made: s.o.Now()}
	if err := s.st.AddPasskey(ctx, p); err != nil {
		return p, nil, fmt.Errorf("add a passkey: %w", err)
	}
	if len(have) == 0 {
		if codes, err = s.NewCodes(ctx, userID); err != nil {
			return p, nil, err
		}
	}
	if entering {
		if _, err := s.enter(ctx, u, ByPasswordPasskey, remote); err != nil {
			return p, nil, err
		}
	}
	return p, codes, nil
}

// RenamePasskey gives one another name.
func (s *Service) RenamePasskey(ctx context.Context, userID, id, name string) error {
	name = strings.TrimSpace(name)
	if err := checkLabel("name", name, 1, 60); err != nil {
		return err
	}
	return s.st.RenamePasskey(ctx, userID, id, name)
}

// RemovePasskey removes one. The last one stays with somebody who has no other way in.
func (s *Service) RemovePasskey(ctx context.Context, userID, id string) error {
	u, _, have, err := s.member(ctx, userID)
	if err != nil {
		return err
	}
	if len(have) == 1 && u.PasswordHash == "" {
		accounts, err := s.st.Identities(ctx, userID)
		if err != nil {
			return err
		}
		if len(accounts) == 0 {
			return &FieldError{"passkeys", "this is the only way in", "set a password first"}
		}
	}
	return s.st.DeletePasskey(ctx, userID, id)
}

// ResetFactors removes a user's passkeys and recovery codes, for somebody who lost
// them: the password alone signs in then. All sessions end.
func (s *Service) ResetFactors(ctx context.Context, userID string) (n int, err error) {
	if n, err = s.st.ResetFactors(ctx, userID); err != nil {
		return 0, err
	}
	return n, s.endSessions(ctx, userID)
}

// FactorList is what somebody signs in with besides the password.
type FactorList struct {
	Passkeys []Passkey
	Codes    int // left
	Made     time.Time
	Accounts []Identity
}

// FactorsOf answers somebody's.
func (s *Service) FactorsOf(ctx context.Context, userID string) (f FactorList, err error) {
	if f.Passkeys, err = s.st.Passkeys(ctx, userID); err != nil {
		return f, err
	}
	if f.Codes, f.Made, err = s.st.RecoveryCodes(ctx, userID); err != nil {
		return f, err
	}
	f.Accounts, err = s.st.Identities(ctx, userID)
	return f, err
}

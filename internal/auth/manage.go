package auth

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"tocsin/internal/fault"
)

// NewUser is what a user is made of.
type NewUser struct {
	Name        string
	DisplayName string
	Role        Role
	Password    string
}

// AddUser makes a user. It answers *FieldError for a value that will not do
// and fault.ErrTaken for a name that is in use.
func (s *Service) AddUser(ctx context.Context, n NewUser) (User, error) {
	u := User{ID: newID(), Name: strings.ToLower(strings.TrimSpace(n.Name)), DisplayName: strings.TrimSpace(n.DisplayName), Role: n.Role, CreatedAt: s.o.Now()}
	if err := checkUser(u); err != nil {
		return User{}, err
	}
	if err := CheckPassword(u.Name, n.Password); err != nil {
		return User{}, err
	}
	var err error
	if u.PasswordHash, err = HashPassword(n.Password); err != nil {
		return User{}, err
	}
	if err := s.st.SaveUser(ctx, u); err != nil {
		return User{}, fmt.Errorf("user %s: %w", u.Name, err)
	}
	return u, nil
}

// UserChange is what may change of a user; nil leaves as it is.
type UserChange struct {
	DisplayName *string
	Role        *Role
	Disabled    *bool
	Password    *string
}

// ChangeUser changes a user. Another role, another password and being disabled
// end the user's sessions and streams. The last admin who may sign in stays one.
func (s *Service) ChangeUser(ctx context.Context, id string, c UserChange) (User, error) {
	var hash string
	if c.Password != nil { // hashing takes a while: not while others wait for their changes
		u, err := s.st.UserByID(ctx, id)
		if err != nil {
			return User{}, fmt.Errorf("user %s: %w", id, err)
		}
		if err := CheckPassword(u.Name, *c.Password); err != nil {
			return User{}, err
		}
		if hash, err = HashPassword(*c.Password); err != nil {
			return User{}, err
		}
	}
	before, u, err := s.st.ChangeUser(ctx, id, func(u *User, others []User) error {
		before := *u
		if c.DisplayName != nil {
			u.DisplayName = strings.TrimSpace(*c.DisplayName)
		}
		if c.Role != nil {
			u.Role = *c.Role
		}
		if c.Disabled != nil {
			u.Disabled = *c.Disabled
		}
		if c.Password != nil {
			u.PasswordHash = hash
		}
		if err := checkUser(*u); err != nil {
			return err
		}
		if u.Role != Admin || u.Disabled {
			return notLastAdmin(before, others)
		}
		return nil
	})
	var wrong *FieldError
	if errors.As(err, &wrong) {
		return User{}, wrong
	}
	if err != nil {
		return User{}, fmt.Errorf("user %s: %w", id, err)
	}
	if u.Disabled || stamp(u) != stamp(before) {
		if err := s.endSessions(ctx, u.ID); err != nil {
			return User{}, err
		}
	}
	return u, nil
}

// RemoveUser removes a user with its sessions and streams; contacts that were
// linked to it stay. The last admin who may sign in cannot be removed.
func (s *Service) RemoveUser(ctx context.Context, id string) error {
	err := s.st.DeleteUser(ctx, id, notLastAdmin)
	var wrong *FieldError
	if errors.As(err, &wrong) {
		return wrong
	}
	if err != nil {
		return fmt.Errorf("remove user %s: %w", id, err)
	}
	if s.o.UserEnded != nil {
		s.o.UserEnded(id)
	}
	return nil
}

func (s *Service) endSessions(ctx context.Context, userID string) error {
	if err := s.st.DeleteSessionsOf(ctx, userID); err != nil {
		return fmt.Errorf("end the sessions of user %s: %w", userID, err)
	}
	if s.o.UserEnded != nil {
		s.o.UserEnded(userID)
	}
	return nil
}

// notLastAdmin refuses that somebody ceases to be an admin who is the last.
func notLastAdmin(u User, others []User) error {
	may := func(o User) bool { return o.Role == Admin && !o.Disabled }
	if may(u) && !slices.ContainsFunc(others, may) {
		return &FieldError{"role", "is that of the last admin who can sign in", "make another admin first"}
	}
	return nil
}

// AddKey makes an API key and answers it with its token, which is shown once
// and never again. A zero expires is never.
func (s *Service) AddKey(ctx context.Context, name string, scopes []Scope, expires time.Time) (APIKey, string, error) {
	name = strings.TrimSpace(name)
	if err := checkLabel("name", name, 1, 100); err != nil {
		return APIKey{}, "", err
	}
	if len(scopes) == 0 {
		return APIKey{}, "", &FieldError{"scopes", "is empty", "give at least one of " + scopeWords()}
	}
	for i, sc := range scopes {
		if !sc.Valid() {
			return APIKey{}, "", &FieldError{fmt.Sprintf("scopes[%d]", i), fmt.Sprintf("%q is no scope", string(sc)), "take one of " + scopeWords()}
		}
	}
	now := s.o.Now()
	if !expires.IsZero() && !expires.After(now) {
		return APIKey{}, "", &FieldError{"expires_at", "is in the past", "give a time to come, or none for a key that stays"}
	}
	keys, err := s.st.APIKeys(ctx)
	if err != nil {
		return APIKey{}, "", fmt.Errorf("list API keys: %w", err)
	}
	// Names of keys are for people; two live ones of one name would be confused.
	taken := func(k APIKey) bool { return k.RevokedAt.IsZero() && strings.EqualFold(k.Name, name) }
	if slices.ContainsFunc(keys, taken) {
		return APIKey{}, "", fmt.Errorf("API key %s: %w", name, fault.ErrTaken)
	}
	scopes = slices.Clone(scopes)
	slices.Sort(scopes)
	token, hash, hint := NewToken(KeyPrefix)
	k := APIKey{ID: newID(), Name: name, Hash: hash, Hint: hint, Scopes: slices.Compact(scopes), CreatedAt: now, ExpiresAt: expires}
	if err := s.st.SaveAPIKey(ctx, k); err != nil {
		return APIKey{}, "", fmt.Errorf("API key %s: %w", name, err)
	}
	return k, token, nil
}

// RevokeKey ends an API key at once. It stays in the list as revoked.
func (s *Service) RevokeKey(ctx context.Context, id string) error {
	keys, err := s.st.APIKeys(ctx)
	if err != nil {
		return fmt.Errorf("list API keys: %w", err)
	}
	i := slices.IndexFunc(keys, func(k APIKey) bool { return k.ID == id })
	if i < 0 {
		return fmt.Errorf("API key %s: %w", id, fault.ErrNotFound)
	}
	k := keys[i]
	if !k.RevokedAt.IsZero() {
		return nil
	}
	k.RevokedAt = s.o.Now()
	if err := s.st.SaveAPIKey(ctx, k); err != nil {
		return fmt.Errorf("revoke API key %s: %w", k.Name, err)
	}
	return nil
}

func checkUser(u User) error {
	if !regexp.MustCompile(`^[a-z0-9._@-]{1,64}$`).MatchString(u.Name) {
		return &FieldError{"name", fmt.Sprintf("%q will not do", u.Name), "use 1 to 64 of a-z, 0-9 and . _ @ -"}
	}
	if err := checkLabel("display_name", u.DisplayName, 0, 100); err != nil {
		return err
	}
	if !u.Role.Valid() {
		return &FieldError{"role", fmt.Sprintf("%q is no role", string(u.Role)), "take viewer, responder, operator or admin"}
	}
	return nil
}

// checkLabel is for a name that people read: one line of printable text.
func checkLabel(field, text string, least, most int) error {
	n := utf8.RuneCountInString(text)
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return &FieldError{field, "has control characters or broken UTF-8", "write it in one line of plain text"}
	}
	if n < least || n > most {
		return &FieldError{field, fmt.Sprintf("has %d characters", n), fmt.Sprintf("take %d to %d", least, most)}
	}
	return nil
}

func scopeWords() string {
	words := make([]string, 0, len(AllScopes()))
	for _, s := range AllScopes() {
		words = append(words, string(s))
	}
	return strings.Join(words, ", ")
}

// newID makes an id that sorts by its time of making.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

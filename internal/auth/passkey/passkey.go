// Package passkey does the ceremonies of WebAuthn: it makes what a browser is asked,
// and judges what comes back. It keeps nothing; what is to be remembered between the
// two halves of a ceremony is answered as a text, which its caller keeps on this side,
// for a short while and for one use.
//
//	site, err := passkey.New("https://tocsin.example.org")
//	options, state, err := site.BeginAdd(user)          // navigator.credentials.create(options)
//	credential, err := site.FinishAdd(user, state, response)
//	options, state, err = site.Begin(nil)               // navigator.credentials.get(options)
//	userID, credential, err := site.Finish(state, response, find)
//
// A passkey is the only factor where nobody is named (Begin with nil): the device must
// have verified its user then. After a password it is the second, and being there is
// enough.
package passkey

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// Within is for how long a ceremony may last.
const Within = 5 * time.Minute

// ErrRefused is a response that is not what was asked for: another challenge, another
// site, a wrong signature, a user who was not verified.
var ErrRefused = errors.New("the passkey was refused")

// ErrCloned is a passkey whose counter went backwards: somebody may have a copy of it.
var ErrCloned = errors.New("the passkey's counter went backwards; there may be a copy of it")

// OffError says why there can be no passkeys at an address.
type OffError struct {
	Why  string // a sentence
	Mend string // another
}

// Error is both sentences.
func (e *OffError) Error() string { return e.Why + " " + e.Mend }

// User is who adds or uses a passkey. ID is what devices keep of the user.
type User struct {
	ID, Name, Display string
	Have              []string // bodies of the passkeys that the user has
}

// Credential is a passkey as it is to be kept.
type Credential struct {
	ID   string // base64url
	Body string // JSON: public key, counter, flags
}

// About is what people are told of a passkey.
type About struct {
	Alone   bool // it can sign in without a name
	Synced  bool // it may be on several devices, by its maker's service
	Backup  bool // it is at present
	Counted bool // it counts its uses
}

// Site is one address at which there are passkeys.
type Site struct{ w *webauthn.WebAuthn }

// New makes the site of a base URL; *OffError where browsers have no passkeys for it:
// they bind them to a host's name, and keep them for https, but for localhost.
func New(baseURL string) (*Site, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Host == "" {
		return nil, &OffError{"The base URL cannot be read.", "Set TOCSIN_BASE_URL."}
	}
	host := u.Hostname()
	if _, err := netip.ParseAddr(host); err == nil {
		return nil, &OffError{"Passkeys belong to a host name, and TOCSIN_BASE_URL has an address, " + host + ".", "Give the hub a name, and set TOCSIN_BASE_URL to it."}
	}
	if u.Scheme != "https" && host != "localhost" {
		return nil, &OffError{"Browsers have passkeys for https alone, and TOCSIN_BASE_URL is http.", "Serve the hub by https, and set TOCSIN_BASE_URL to it."}
	}
	limit := webauthn.TimeoutConfig{Enforce: true, Timeout: Within, TimeoutUVD: Within}
	w, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: "Tocsin", RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		Timeouts:              webauthn.TimeoutsConfig{Login: limit, Registration: limit},
	})
	if err != nil {
		return nil, &OffError{"Passkeys cannot be had at " + baseURL + ".", "Give the hub a name that browsers take for one, and set TOCSIN_BASE_URL to it."}
	}
	return &Site{w}, nil
}

// member is a User as the library wants it.
type member struct {
	u    User
	have webauthn.Credentials
}

func (m member) WebAuthnID() []byte                         { return []byte(m.u.ID) }
func (m member) WebAuthnName() string                       { return m.u.Name }
func (m member) WebAuthnDisplayName() string                { return m.u.Display }
func (m member) WebAuthnCredentials() []webauthn.Credential { return m.have }

func memberOf(u User) (member, error) {
	m := member{u: u}
	for _, body := range u.Have {
		var c webauthn.Credential
		if err := json.Unmarshal([]byte(body), &c); err != nil {
			return m, fmt.Errorf("read a stored passkey: %w", err)
		}
		m.have = append(m.have, c)
	}
	return m, nil
}

// BeginAdd makes what navigator.credentials.create is given, and what FinishAdd needs.
// A passkey that the user has is not made again on the same device.
func (s *Site) BeginAdd(u User) (options []byte, state string, err error) {
	m, err := memberOf(u)
	if err != nil {
		return nil, "", err
	}
	creation, session, err := s.w.BeginRegistration(m,
		webauthn.WithExclusions(m.have.CredentialDescriptors()),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			// One that the device can find by itself signs in without a name; an old
			// security key that cannot is still a good second factor.
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationPreferred,
		}),
		webauthn.WithExtensions(webauthn.WithExtensionCredProps()))
	if err != nil {
		return nil, "", fmt.Errorf("begin to add a passkey: %w", err)
	}
	return both(creation.Response, session)
}

// FinishAdd judges what came back; ErrRefused.
func (s *Site) FinishAdd(u User, state string, response []byte) (Credential, error) {
	m, err := memberOf(u)
	if err != nil {
		return Credential{}, err
	}
	session, err := sessionOf(state)
	if err != nil {
		return Credential{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return Credential{}, refused(err)
	}
	c, err := s.w.CreateCredential(m, session, parsed)
	if err != nil {
		return Credential{}, refused(err)
	}
	return kept(c)
}

// Begin makes what navigator.credentials.get is given, and what Finish needs. With a
// user, it asks for one of that user's passkeys; without, for any that the device has,
// and it must verify its user.
func (s *Site) Begin(u *User) (options []byte, state string, err error) {
	if u == nil {
		assertion, session, err := s.w.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
		if err != nil {
			return nil, "", fmt.Errorf("begin to ask for a passkey: %w", err)
		}
		return both(assertion.Response, session)
	}
	m, err := memberOf(*u)
	if err != nil {
		return nil, "", err
	}
	assertion, session, err := s.w.BeginLogin(m, webauthn.WithUserVerification(protocol.VerificationPreferred))
	if err != nil {
		return nil, "", fmt.Errorf("begin to ask for a passkey: %w", err)
	}
	return both(assertion.Response, session)
}

// Finish judges what came back: whose passkey it is, and what is to be kept of it from
// now on. find answers a user by the id that the device has; where one was named to
// Begin, it is asked for that one. ErrRefused, ErrCloned, or find's own error.
func (s *Site) Finish(state string, response []byte, find func(userID string) (User, error)) (userID string, c Credential, err error) {
	session, err := sessionOf(state)
	if err != nil {
		return "", c, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return "", c, refused(err)
	}
	named := session.UserID
	if len(named) == 0 {
		named = parsed.Response.UserHandle
	}
	u, err := find(string(named))
	if err != nil {
		return "", c, err
	}
	m, err := memberOf(u)
	if err != nil {
		return "", c, err
	}
	var got *webauthn.Credential
	if len(session.UserID) > 0 {
		got, err = s.w.ValidateLogin(m, session, parsed)
	} else {
		got, err = s.w.ValidateDiscoverableLogin(func(_, handle []byte) (webauthn.User, error) {
			if string(handle) != u.ID {
				return nil, ErrRefused
			}
			return m, nil
		}, session, parsed)
	}
	if err != nil {
		return "", c, refused(err)
	}
	if got.Authenticator.CloneWarning {
		return u.ID, c, ErrCloned
	}
	c, err = kept(got)
	return u.ID, c, err
}

// Tell says what people are told of a passkey that is kept.
func Tell(body string) About {
	var c webauthn.Credential
	if json.Unmarshal([]byte(body), &c) != nil {
		return About{}
	}
	return About{
		Alone:  (c.Extensions.RK == nil || *c.Extensions.RK) && c.Flags.UserVerified,
		Synced: c.Flags.BackupEligible, Backup: c.Flags.BackupState, Counted: c.Authenticator.SignCount > 0,
	}
}

func both(options any, session *webauthn.SessionData) ([]byte, string, error) {
	out, err := json.Marshal(options)
	if err != nil {
		return nil, "", fmt.Errorf("write what the browser is asked: %w", err)
	}
	state, err := json.Marshal(session)
	if err != nil {
		return nil, "", fmt.Errorf("write the state of a ceremony: %w", err)
	}
	return out, string(state), nil
}

func sessionOf(state string) (session webauthn.SessionData, err error) {
	if err := json.Unmarshal([]byte(state), &session); err != nil {
		return session, fmt.Errorf("read the state of a ceremony: %w", err)
	}
	return session, nil
}

func kept(c *webauthn.Credential) (Credential, error) {
	// What was said of the device at the making is judged then and needed no more.
	c.Attestation = webauthn.CredentialAttestation{}
	body, err := json.Marshal(c)
	if err != nil {
		return Credential{}, fmt.Errorf("write a passkey: %w", err)
	}
	return Credential{ID: base64.RawURLEncoding.EncodeToString(c.ID), Body: string(body)}, nil
}

// refused keeps the library's reason for the log.
func refused(err error) error {
	if errors.Is(err, ErrRefused) {
		return err
	}
	var p *protocol.Error
	if errors.As(err, &p) && p.DevInfo != "" {
		return fmt.Errorf("%w: %s: %s", ErrRefused, p.Details, p.DevInfo)
	}
	return fmt.Errorf("%w: %w", ErrRefused, err)
}

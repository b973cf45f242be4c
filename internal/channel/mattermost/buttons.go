package mattermost

import (
	"crypto/rand"
	"encoding/base64"
	"time"

	"tocsin/internal/chat"
)

// buttonsLast is how long the buttons of a rendering are good.
const buttonsLast = 7 * 24 * time.Hour

// secrets makes one for each button of a view, and what is kept of them. channelID
// and postID are empty where they are not known: the first click says them.
func (c *Channel) secrets(v *view, destination, channelID, postID string) (map[chat.Action]string, []chat.Button) {
	acts := v.actions()
	if len(acts) == 0 {
		return nil, nil
	}
	now := c.o.Now()
	secrets := make(map[chat.Action]string, len(acts))
	kept := make([]chat.Button, 0, len(acts))
	for _, act := range acts {
		secret := newSecret()
		secrets[act] = secret
		kept = append(kept, chat.Button{
			Hash: chat.Hash(secret), AlertID: v.alert.ID, Destination: destination, Action: act,
			ChannelID: channelID, PostID: postID, Made: now, Expires: now.Add(buttonsLast),
		})
	}
	return secrets, kept
}

// newSecret is 32 random bytes as 43 characters that stand in any URL.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // it never answers an error: see crypto/rand
	return base64.RawURLEncoding.EncodeToString(b[:])
}

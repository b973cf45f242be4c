package alert

import (
	"strings"
	"unicode"
)

// Is says whether an event that the engine told is about this acknowledgement.
//
// One that was made in the engine comes with the same words again. One made here
// has been through the engine: semicolons, quotes, brackets and line breaks were
// replaced or lost on the way, long comments cut, and some engines put the name
// of who called their API in the author's place. So only letters and digits are
// compared, and where the comment is the same the author does not matter.
func (a *Ack) Is(e Event) bool {
	if a.Author == e.Author && a.Comment == e.Comment {
		return true
	}
	if !a.Origin.Here() {
		return false
	}
	ours, theirs := plain(a.Comment), plain(e.Comment)
	if theirs == "" {
		return plain(e.Author) == plain(a.Author)
	}
	return ours == theirs || len(theirs) >= cutComment && strings.HasPrefix(ours, theirs)
}

// cutComment is how many bytes of a comment an engine leaves at least when it cuts
// one.
const cutComment = 60

// plain is what is left of a text everywhere: its letters and digits, in lower
// case.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}

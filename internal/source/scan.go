package source

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks a JSON text by hand. The canonical event is flat, so nothing
// here recurses and depth needs no limit; and a refusal can name its field,
// which encoding/json cannot do for duplicate keys and for texts that are not
// UTF-8. It takes about a third of encoding/json's time.
type scanner struct {
	buf     []byte
	pos     int
	scratch []byte // of texts with escapes
}

func (s *scanner) space() {
	for s.pos < len(s.buf) {
		switch s.buf[s.pos] {
		case ' ', '\n', '\r', '\t':
			s.pos++
		default:
			return
		}
	}
}

// peek skips white space and answers the next byte, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos == len(s.buf) {
		return 0
	}
	return s.buf[s.pos]
}

// take consumes c if it is next.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// word consumes a literal such as null.
func (s *scanner) word(w string) bool {
	s.space()
	if len(s.buf)-s.pos < len(w) || string(s.buf[s.pos:s.pos+len(w)]) != w {
		return false
	}
	s.pos += len(w)
	return true
}

// text consumes a JSON text whose opening quote is next. The answer may hold
// invalid UTF-8 and, from escapes, control characters. broken is set for half
// a surrogate pair, which became U+FFFD; problem is empty when all went well.
func (s *scanner) text() (text []byte, broken bool, problem string) {
	s.pos++ // the quote
	start := s.pos
	for s.pos < len(s.buf) {
		c := s.buf[s.pos]
		switch {
		case c == '"':
			text = s.buf[start:s.pos]
			s.pos++
			return text, false, ""
		case c == '\\':
			return s.escaped(start)
		case c < ' ':
			return nil, false, rawControl(c)
		}
		s.pos++
	}
	return nil, false, "ends inside a text"
}

func rawControl(c byte) string {
	return "has the raw control character 0x" + strconv.FormatUint(uint64(c>>4), 16) + strconv.FormatUint(uint64(c&15), 16) + " in a text"
}

// escaped goes on with a text from its first backslash.
func (s *scanner) escaped(start int) (text []byte, broken bool, problem string) {
	out := append(s.scratch[:0], s.buf[start:s.pos]...)
	defer func() { s.scratch = out }()
	for s.pos < len(s.buf) {
		c := s.buf[s.pos]
		switch {
		case c == '"':
			s.pos++
			return out, broken, ""
		case c < ' ':
			return nil, false, rawControl(c)
		case c != '\\':
			out = append(out, c)
			s.pos++
			continue
		}
		if s.pos+1 == len(s.buf) {
			break
		}
		e := s.buf[s.pos+1]
		s.pos += 2
		switch e {
		case '"', '\\', '/':
			out = append(out, e)
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r, ok := s.hex4()
			if !ok {
				return nil, false, `has a \u without four hexadecimal digits`
			}
			if utf16.IsSurrogate(r) {
				r = s.pair(r)
				broken = broken || r == utf8.RuneError
			}
			out = utf8.AppendRune(out, r)
		default:
			return nil, false, "has an unknown escape after a backslash"
		}
	}
	return nil, false, "ends inside a text"
}

// pair reads the second half of a surrogate pair and answers the character, or
// U+FFFD, consuming nothing, when there is no second half.
func (s *scanner) pair(first rune) rune {
	if s.pos+1 < len(s.buf) && s.buf[s.pos] == '\\' && s.buf[s.pos+1] == 'u' {
		at := s.pos
		s.pos += 2
		if second, ok := s.hex4(); ok {
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return r
			}
		}
		s.pos = at
	}
	return utf8.RuneError
}

func (s *scanner) hex4() (rune, bool) {
	if s.pos+4 > len(s.buf) {
		return 0, false
	}
	var r rune
	for _, c := range s.buf[s.pos : s.pos+4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	s.pos += 4
	return r, true
}

// number consumes a JSON number and answers its digits as written.
func (s *scanner) number() (string, bool) {
	start := s.pos
	s.one('-')
	if !s.one('0') && s.digits() == 0 {
		return "", false
	}
	if s.one('.') && s.digits() == 0 {
		return "", false
	}
	if s.one('e') || s.one('E') {
		if !s.one('+') {
			s.one('-')
		}
		if s.digits() == 0 {
			return "", false
		}
	}
	return string(s.buf[start:s.pos]), true
}

func (s *scanner) one(c byte) bool {
	if s.pos < len(s.buf) && s.buf[s.pos] == c {
		s.pos++
		return true
	}
	return false
}

func (s *scanner) digits() int {
	start := s.pos
	for s.pos < len(s.buf) && s.buf[s.pos] >= '0' && s.buf[s.pos] <= '9' {
		s.pos++
	}
	return s.pos - start
}

// kind names what is next, for people.
func (s *scanner) kind() string {
	switch c := s.peek(); {
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return "a text"
	case c == '-' || (c >= '0' && c <= '9'):
		return "a number"
	case c == 't' || c == 'f':
		return "true or false"
	case c == 'n':
		return "null"
	case c == 0 && s.pos == len(s.buf):
		return "missing"
	}
	return "not JSON"
}

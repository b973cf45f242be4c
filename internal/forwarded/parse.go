package forwarded

import (
	"fmt"
	"strings"
)

// element is what one proxy wrote.
type element struct{ by map[string]string }

// parse reads Forwarded's lines, each for itself, so that what a client wrote into
// its own cannot reach into a proxy's.
func parse(lines []string) ([]element, error) {
	var out []element
	for _, line := range lines {
		p := parser{rest: line}
		for {
			e, err := p.element()
			if err != nil {
				return nil, fmt.Errorf("%w: Forwarded cannot be read", ErrUnclear)
			}
			if e.by != nil {
				out = append(out, e)
			}
			if p.rest == "" {
				break
			}
			p.rest = p.rest[1:] // the comma
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: Forwarded is empty", ErrUnclear)
	}
	return out, nil
}

type parser struct{ rest string }

type syntaxError struct{}

func (syntaxError) Error() string { return "syntax" }

func (p *parser) blanks() { p.rest = strings.TrimLeft(p.rest, " \t") }

// element reads pairs up to a comma or the end; one without any has no map, which a
// list may have (RFC 9110, 5.6.1).
func (p *parser) element() (element, error) {
	var e element
	for {
		p.blanks()
		if p.rest == "" || p.rest[0] == ',' {
			return e, nil
		}
		if p.rest[0] == ';' {
			p.rest = p.rest[1:]
			continue
		}
		name := strings.ToLower(p.token())
		if name == "" || p.rest == "" || p.rest[0] != '=' {
			return e, syntaxError{}
		}
		p.rest = p.rest[1:]
		value, err := p.value()
		if err != nil {
			return e, err
		}
		if e.by == nil {
			e.by = map[string]string{}
		}
		if _, twice := e.by[name]; twice { // RFC 7239, 4: once an element
			return e, syntaxError{}
		}
		e.by[name] = value
		p.blanks()
		if p.rest != "" && p.rest[0] != ',' && p.rest[0] != ';' {
			return e, syntaxError{}
		}
	}
}

func (p *parser) value() (string, error) {
	if p.rest != "" && p.rest[0] == '"' {
		return p.quoted()
	}
	// Strictly a token; proxies write addresses with a port without the quotes.
	end := strings.IndexAny(p.rest, ",; \t\"")
	if end < 0 {
		end = len(p.rest)
	}
	value := p.rest[:end]
	if p.rest = p.rest[end:]; value == "" {
		return "", syntaxError{}
	}
	return value, nil
}

func (p *parser) quoted() (string, error) {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		case c < ' ' && c != '\t' || c == 0x7f:
			return "", syntaxError{}
		default:
			b.WriteByte(c)
		}
	}
	return "", syntaxError{}
}

// token reads what RFC 9110, 5.6.2 calls one.
func (p *parser) token() string {
	end := 0
	for end < len(p.rest) {
		c := p.rest[end]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 {
			end++
			continue
		}
		break
	}
	t := p.rest[:end]
	p.rest = p.rest[end:]
	return t
}

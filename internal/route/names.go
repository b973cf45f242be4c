package route

import "slices"

// names are patterns by a piece of theirs that stands in each text that they fit:
// all of it, what they begin or end with, or three bytes of what stands between two
// stars. Of these each pattern takes the one that the fewest others have taken.
type names struct {
	literal map[string][]int
	begin   pieces
	end     pieces
	grams   map[string][]int // of gram bytes, anywhere
}

// pieces are beginnings or ends; lengths has each length of theirs once.
type pieces struct {
	places  map[string][]int
	lengths []int
}

// gram is how long a piece in the middle is that is looked for.
const gram = 3

// telling says whether a pattern has a piece to be found by.
func (g *glob) telling() bool {
	if g.literal || g.prefix != "" || g.suffix() != "" {
		return true
	}
	found := false
	g.grams(func(string) { found = true })
	return found
}

// suffix is what each text that fits ends with.
func (g *glob) suffix() string {
	for i := len(g.pattern) - 1; i >= 0; i-- {
		if c := g.pattern[i]; c == '*' || c == '?' {
			return g.pattern[i+1:]
		}
	}
	return g.pattern
}

// grams yields the pieces of gram bytes that each text which fits has somewhere.
func (g *glob) grams(yield func(string)) {
	run := 0
	for i := range len(g.pattern) {
		if c := g.pattern[i]; c == '*' || c == '?' {
			run = 0
			continue
		}
		if run++; run >= gram {
			yield(g.pattern[i+1-gram : i+1])
		}
	}
}

func (n *names) add(globs []glob, place int) {
	if n.literal == nil {
		n.literal, n.grams = map[string][]int{}, map[string][]int{}
		n.begin.places, n.end.places = map[string][]int{}, map[string][]int{}
	}
	for i := range globs {
		g := &globs[i]
		if g.literal {
			once(n.literal, g.pattern, place)
			continue
		}
		n.put(g, place)
	}
}

// put puts a pattern where the fewest others are; at the end of a text rather than
// in its middle, and at its beginning rather than at its end.
func (n *names) put(g *glob, place int) {
	piece, at, fewest := "", &n.begin, -1
	for _, c := range []struct {
		piece string
		at    *pieces
	}{{g.prefix, &n.begin}, {g.suffix(), &n.end}} {
		if have := len(c.at.places[c.piece]); c.piece != "" && (fewest < 0 || have < fewest) {
			piece, at, fewest = c.piece, c.at, have
		}
	}
	g.grams(func(x string) {
		if have := len(n.grams[x]); fewest < 0 || have < fewest {
			piece, at, fewest = x, nil, have
		}
	})
	if at == nil {
		once(n.grams, piece, place)
		return
	}
	once(at.places, piece, place)
	if !slices.Contains(at.lengths, len(piece)) {
		at.lengths = append(at.lengths, len(piece))
	}
}

// find adds the places of the patterns that a text may fit.
func (n *names) find(text string, out []int) []int {
	out = append(out, n.literal[text]...)
	for _, l := range n.begin.lengths {
		if l <= len(text) {
			out = append(out, n.begin.places[text[:l]]...)
		}
	}
	for _, l := range n.end.lengths {
		if l <= len(text) {
			out = append(out, n.end.places[text[len(text)-l:]]...)
		}
	}
	if len(n.grams) > 0 {
		for i := gram; i <= len(text); i++ {
			out = append(out, n.grams[text[i-gram:i]]...)
		}
	}
	return out
}

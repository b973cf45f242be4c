package health

import (
	"fmt"
	"slices"
	"time"
)

// Key is an API key that has an end.
type Key struct {
	Name     string
	Expires  time.Time
	LastUsed time.Time
}

// KeySoon is how long before its end a key that is used is warned of.
const KeySoon = 14 * 24 * time.Hour

// A key counts as used for so long, and one that ended is told of for so long.
const (
	keyUsedFor  = 30 * 24 * time.Hour
	keyEndedFor = 7 * 24 * time.Hour
)

// keys warns of API keys whose programs are refused soon, or since a short while.
func (r *Report) keys(f Facts) {
	if len(f.Keys) == 0 {
		return
	}
	all := slices.SortedFunc(slices.Values(f.Keys), func(a, b Key) int { return a.Expires.Compare(b.Expires) })
	detail := "none ends soon"
	var warn []Key
	for _, k := range all {
		left := k.Expires.Sub(f.Now)
		if left < KeySoon && left > -keyEndedFor && k.Expires.Sub(k.LastUsed) < keyUsedFor {
			warn = append(warn, k)
		}
	}
	if len(warn) > 0 {
		detail = Count(len(warn), "key that is used ends", "keys that are used end") + " soon, or did"
	}
	r.Add(Part{Name: "keys", Title: "API keys", OK: true, Detail: detail, Figures: []Figure{{"with an end", fmt.Sprint(len(all))}}})
	for _, k := range warn {
		mend := "Make a new one under API keys in the console, and give it to the program."
		if left := k.Expires.Sub(f.Now); left > 0 {
			r.Warn("keys", fmt.Sprintf("The API key “%s” expires in %s, and a program uses it.", k.Name, Age(left)), mend)
		} else {
			r.Warn("keys", fmt.Sprintf("The API key “%s” expired %s ago; the program that used it is refused.", k.Name, Age(-left)), mend)
		}
	}
}

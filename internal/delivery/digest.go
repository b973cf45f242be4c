package delivery

import (
	"fmt"
	"strings"
	"time"

	"tocsin/internal/alert"
	"tocsin/internal/channel"
	"tocsin/internal/route"
)

// empty says why a digest has nothing to tell, empty if it has. One that only brings
// up to date what was told before says what is true now, whatever that is.
func (c *Claimed) empty() string {
	switch {
	case c.Digest == nil:
		return "nothing is known any more of what it was to tell"
	case c.Quiet && !c.Before:
		return "nothing of it had been told, so there is nothing to bring up to date"
	case c.Quiet || c.Left > 0:
		return ""
	case c.Gone == 1:
		return "the only one was over before it was told"
	case c.Gone > 1:
		return fmt.Sprintf("all %d were over before it was told", c.Gone)
	}
	return "there is nothing to tell"
}

// StormWhy is the beginning of the Why of a storm's digest: what it does, what the
// storm is of ("source nagios"), and when it began.
func StormWhy(does, about string, began time.Time) string {
	return strings.TrimSpace(does + " " + stormBegins + about + stormSince + Moment(began))
}

const (
	stormBegins = "the storm of “"
	stormSince  = "” since "
)

// stormOf is what the storm is of whose digest has that Why; empty if it says none.
func stormOf(why string) string {
	_, rest, _ := strings.Cut(why, stormBegins)
	about, _, _ := strings.Cut(rest, stormSince)
	return about
}

// Together is what becomes of a delivery that a digest collected when that ends: the
// same, with these words.
func Together(detail string) string {
	if detail == "" {
		return "told together with others"
	}
	return "told together: " + detail
}

// StormURL is the list of the alerts of a storm, below the base address.
func StormURL(storm string) string { return "/console/alerts?storm=" + storm }

// digest is what the message tells of many alerts, nil where it tells of one.
func (c *Claimed) digest() *channel.Digest {
	if c.Digest == nil {
		return nil
	}
	d := *c.Digest
	d.Storm, d.URL, d.Over = c.Storm, StormURL(c.Storm), c.Reason == route.ReasonOver
	d.Worst = append([]channel.Line(nil), d.Worst[:min(len(d.Worst), channel.MaxWorst)]...)
	for i := range d.Worst {
		d.Worst[i].URL = "/console/alerts/" + d.Worst[i].AlertID
	}
	switch c.Reason {
	case route.ReasonQuiet:
		d.Held, d.Title = true, "While quiet hours lasted"
	case route.ReasonPeriod:
		d.Held, d.Title = true, "Outside the time period"
	case route.ReasonWindow:
		d.Held, d.Title = true, "While maintenance lasted"
	default:
		if about := stormOf(c.Why); about != "" {
			d.About = about // as it was when the storm began: what they have in common may change
		}
		if d.Title = "Storm"; d.About != "" {
			d.Title += ": " + d.About
		}
	}
	return &d
}

// duty is why somebody is told who was not at first, without what chose the channel.
func (c *Claimed) duty() string {
	if c.Reason != route.ReasonEscalation || c.Notice == alert.NoticeDigest {
		return ""
	}
	if why, _, more := strings.Cut(c.Why, "”; "); more {
		return why + "”"
	}
	why, _, _ := strings.Cut(c.Why, "; ")
	return why
}

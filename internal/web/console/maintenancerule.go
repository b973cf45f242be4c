package console

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"tocsin/internal/status"
)

// How maintenance comes again, as the form asks for it. Whatever else a recurrence
// rule can say is written as a rule.
const (
	repeatDay     = "day"
	repeatWeek    = "week"
	repeatMonth   = "month"   // on a day of the month
	repeatWeekday = "weekday" // on the nth weekday of the month
	repeatYear    = "year"
	repeatRule    = "rule"
)

// ruleDays are the weekdays as a rule has them.
func ruleDays() map[string]time.Weekday {
	return map[string]time.Weekday{"MO": time.Monday, "TU": time.Tuesday, "WE": time.Wednesday, "TH": time.Thursday,
		"FR": time.Friday, "SA": time.Saturday, "SU": time.Sunday}
}

func ruleDay(d time.Weekday) string { return strings.ToUpper(d.String()[:2]) }

// ordinals are which of the weekdays of a month, as a rule has them, with their
// words.
func ordinals() [][2]string {
	return [][2]string{{"1", "first"}, {"2", "second"}, {"3", "third"}, {"4", "fourth"}, {"-1", "last"}}
}

// mostEvery is how many days, weeks, months or years may lie between two.
const mostEvery = 1000

// ruleOf is the rule that a form asks for; first is in the series' zone. It leaves
// to the desk what a rule is held to.
func ruleOf(in url.Values, first time.Time) (string, error) {
	repeat := in.Get("repeat")
	if repeat == repeatRule {
		if text(in, "rule") == "" {
			return "", &status.FieldError{Field: "rule", Problem: "is empty", Mend: "write one such as FREQ=WEEKLY;BYDAY=SU"}
		}
		return text(in, "rule"), nil
	}
	every, err := strconv.Atoi(text(in, "every"))
	if err != nil || every < 1 || every > mostEvery {
		return "", &status.FieldError{Field: "every", Problem: "is no number from 1 to 1000", Mend: "write 1 for every one"}
	}
	parts := []string{"FREQ=" + map[string]string{repeatDay: "DAILY", repeatWeek: "WEEKLY", repeatMonth: "MONTHLY", repeatWeekday: "MONTHLY", repeatYear: "YEARLY"}[repeat]}
	if every > 1 {
		parts = append(parts, "INTERVAL="+strconv.Itoa(every))
	}
	switch repeat {
	case repeatDay, repeatYear:
	case repeatWeek:
		days := chosen(in, "weekdays")
		if len(days) == 0 {
			return "", &status.FieldError{Field: "weekdays", Problem: "are none", Mend: "choose at least one"}
		}
		for _, d := range days {
			if _, ok := ruleDays()[d]; !ok {
				return "", &status.FieldError{Field: "weekdays", Problem: fmt.Sprintf("%q is none", d), Mend: "choose from the list"}
			}
		}
		parts = append(parts, "BYDAY="+strings.Join(days, ","))
	case repeatMonth:
		day := strconv.Itoa(first.Day())
		if in.Get("monthday") == "last" {
			day = "-1"
		}
		parts = append(parts, "BYMONTHDAY="+day)
	case repeatWeekday:
		nth, day := in.Get("nth"), in.Get("nthday")
		_, ok := ruleDays()[day]
		if !ok || !slices.ContainsFunc(ordinals(), func(o [2]string) bool { return o[0] == nth }) {
			return "", &status.FieldError{Field: "nthday", Problem: "is no weekday of a month", Mend: "choose from the lists"}
		}
		parts = append(parts, "BYDAY="+nth+day)
	default:
		return "", &status.FieldError{Field: "repeat", Problem: "is not chosen", Mend: "choose how it comes again"}
	}
	if in.Get("ends") == "count" {
		n, err := strconv.Atoi(text(in, "times"))
		if err != nil || n < 1 || n > 999 {
			return "", &status.FieldError{Field: "times", Problem: "is no number from 1 to 999", Mend: "write how often it takes place in all"}
		}
		parts = append(parts, "COUNT="+strconv.Itoa(n))
	}
	return strings.Join(parts, ";"), nil
}

// ruleParts takes a rule apart that is as ruleOf makes them; false for all others.
func ruleParts(rule string) (map[string]string, bool) {
	p := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(strings.ToUpper(rule), "RRULE:"), ";") {
		k, v, ok := strings.Cut(part, "=")
		if _, twice := p[k]; !ok || twice || !slices.Contains([]string{"FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY", "COUNT"}, k) {
			return nil, false
		}
		p[k] = v
	}
	return p, true
}

// ruleTexts puts a rule into the form's fields; first is in the series' zone. One
// that the fields cannot say stands there as a rule.
func ruleTexts(in url.Values, rule string, first time.Time) {
	in.Set("repeat", repeatRule)
	in.Set("rule", rule)
	in.Set("every", "1")
	in.Set("ends", "never")
	nth := (first.Day() + 6) / 7
	if nth > 4 {
		nth = -1
	}
	in["weekdays"], in["nth"], in["nthday"] = []string{ruleDay(first.Weekday())}, []string{strconv.Itoa(nth)}, []string{ruleDay(first.Weekday())}
	p, ok := ruleParts(rule)
	if !ok {
		return
	}
	plain, byDay, byMonthDay := p["BYDAY"] == "" && p["BYMONTHDAY"] == "", p["BYDAY"], p["BYMONTHDAY"]
	var repeat string
	switch {
	case p["FREQ"] == "DAILY" && plain:
		repeat = repeatDay
	case p["FREQ"] == "YEARLY" && plain:
		repeat = repeatYear
	case p["FREQ"] == "WEEKLY" && byMonthDay == "":
		days := strings.Split(byDay, ",")
		if byDay == "" {
			days = in["weekdays"]
		}
		if slices.ContainsFunc(days, func(d string) bool { _, ok := ruleDays()[d]; return !ok }) {
			return
		}
		repeat = repeatWeek
		in["weekdays"] = days
	case p["FREQ"] == "MONTHLY" && byDay == "" && (byMonthDay == "" || byMonthDay == "-1" || byMonthDay == strconv.Itoa(first.Day())):
		repeat = repeatMonth
		if byMonthDay == "-1" {
			in.Set("monthday", "last")
		}
	case p["FREQ"] == "MONTHLY" && byMonthDay == "" && len(byDay) > 2:
		which, day := byDay[:len(byDay)-2], byDay[len(byDay)-2:]
		if _, ok := ruleDays()[day]; !ok || !slices.ContainsFunc(ordinals(), func(o [2]string) bool { return o[0] == which }) {
			return
		}
		repeat = repeatWeekday
		in["nth"], in["nthday"] = []string{which}, []string{day}
	default:
		return
	}
	in.Set("repeat", repeat)
	in.Del("rule")
	if p["INTERVAL"] != "" {
		in.Set("every", p["INTERVAL"])
	}
	if p["COUNT"] != "" {
		in.Set("ends", "count")
		in.Set("times", p["COUNT"])
	}
}

// ruleWords says a rule as people do: "every 2 weeks on Sunday".
func ruleWords(rule string, first time.Time) string {
	in := url.Values{}
	ruleTexts(in, rule, first)
	each := func(one, many string) string {
		if in.Get("every") == "1" {
			return "every " + one
		}
		return "every " + in.Get("every") + " " + many
	}
	var s string
	switch in.Get("repeat") {
	case repeatDay:
		s = each("day", "days")
	case repeatWeek:
		var days []string
		for _, d := range weekdays() {
			if slices.Contains(in["weekdays"], ruleDay(d)) {
				days = append(days, d.String())
			}
		}
		s = each("week", "weeks") + " on " + listed(days)
	case repeatMonth:
		s = each("month", "months") + " on day " + strconv.Itoa(first.Day())
		if in.Get("monthday") == "last" {
			s = each("month", "months") + " on the last day"
		}
	case repeatWeekday:
		i := slices.IndexFunc(ordinals(), func(o [2]string) bool { return o[0] == in.Get("nth") })
		s = each("month", "months") + " on the " + ordinals()[i][1] + " " + ruleDays()[in.Get("nthday")].String()
	case repeatYear:
		s = each("year", "years") + " on " + first.Format("2 January")
	default:
		return "by the rule " + rule
	}
	if n := in.Get("times"); n != "" {
		s += ", " + n + " times"
	}
	return s
}

// listed joins words as a sentence does.
func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

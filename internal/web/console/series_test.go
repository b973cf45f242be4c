package console_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"tocsin/internal/status"
)

// repeating are the fields of a series that can be saved: each Sunday at four.
func (h *city) repeating(more url.Values) url.Values {
	in := url.Values{"title": {"Weekly updates"}, "body": {"Servers restart."}, "start": {"2026-11-22T04:00"}, "zone": {"Europe/Berlin"}, "hours": {"2"}, "minutes": {"0"},
		"repeat": {"week"}, "every": {"1"}, "weekdays": {"SU"}, "nth": {"2"}, "nthday": {"TU"}, "ends": {"never"}, "impact": {"none"}, "components": {h.shop.ID}}
	for k, v := range more {
		in[k] = v
	}
	return in
}

// dates are those that a form shows.
func dates(body string) []string {
	_, list, _ := strings.Cut(body, `<ol class="means-dates">`)
	list, _, _ = strings.Cut(list, "</ol>")
	return regexp.MustCompile(`(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d+ \w+ \d+, \d\d:\d\d \S+?\b`).FindAllString(list, -1)
}

func TestTheNextDatesOfARuleAreShownInItsZone(t *testing.T) {
	h := newCity(t)
	operator := h.as("operator")
	h.ahead = time.Until(time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC))
	for _, c := range []struct {
		name string
		in   url.Values
		want []string
		rule string
	}{
		{"each Sunday", nil, []string{"Sun 6 Dec 2026, 04:00 CET", "Sun 13 Dec 2026, 04:00 CET", "Sun 20 Dec 2026, 04:00 CET", "Sun 27 Dec 2026, 04:00 CET", "Sun 3 Jan 2027, 04:00 CET"}, "FREQ=WEEKLY;BYDAY=SU"},
		{"every other week, two days", url.Values{"every": {"2"}, "weekdays": {"MO", "FR"}}, []string{"Fri 4 Dec 2026, 04:00 CET", "Mon 14 Dec 2026, 04:00 CET", "Fri 18 Dec 2026, 04:00 CET", "Mon 28 Dec 2026, 04:00 CET", "Fri 1 Jan 2027, 04:00 CET"}, "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR"},
		{"the second Tuesday in New York", url.Values{"repeat": {"weekday"}, "zone": {"America/New_York"}, "start": {"2026-11-10T22:00"}},
			[]string{"Tue 8 Dec 2026, 22:00 EST", "Tue 12 Jan 2027, 22:00 EST", "Tue 9 Feb 2027, 22:00 EST", "Tue 9 Mar 2027, 22:00 EST", "Tue 13 Apr 2027, 22:00 EDT"}, "FREQ=MONTHLY;BYDAY=2TU"},
		{"the last day of the month", url.Values{"repeat": {"month"}, "monthday": {"last"}}, []string{"Thu 31 Dec 2026, 04:00 CET", "Sun 31 Jan 2027, 04:00 CET", "Sun 28 Feb 2027, 04:00 CET", "Wed 31 Mar 2027, 04:00 CEST", "Fri 30 Apr 2027, 04:00 CEST"}, "FREQ=MONTHLY;BYMONTHDAY=-1"},
		{"until a day", url.Values{"ends": {"until"}, "until": {"2026-12-13"}}, []string{"Sun 6 Dec 2026, 04:00 CET", "Sun 13 Dec 2026, 04:00 CET"}, "FREQ=WEEKLY;BYDAY=SU"},
		{"three times", url.Values{"ends": {"count"}, "times": {"3"}}, []string{"Sun 6 Dec 2026, 04:00 CET"}, "FREQ=WEEKLY;BYDAY=SU;COUNT=3"},
		{"a rule of one's own", url.Values{"repeat": {"rule"}, "rule": {"rrule:freq=yearly;bymonth=3;byday=-1su"}, "start": {"2026-03-29T03:30"}}, []string{"Sun 28 Mar 2027, 03:30 CEST", "Sun 26 Mar 2028, 03:30 CEST", "Sun 25 Mar 2029, 03:30 CEST", "Sun 31 Mar 2030, 03:30 CEST", "Sun 30 Mar 2031, 03:30 CEST"}, "FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, body := operator.post("/console/series/new/check", h.repeating(c.in))
			got := dates(body)
			if strings.Join(got, "|") != strings.Join(c.want, "|") {
				t.Errorf("dates are %q\n%s", got, problems(body))
			}
			if !strings.Contains(html.UnescapeString(body), "<code>"+c.rule+"</code>") {
				t.Errorf("the rule is not %s", c.rule)
			}
		})
	}
	t.Run("a date on which the clocks leave the time out is said", func(t *testing.T) {
		h.ahead = time.Until(time.Date(2027, 3, 25, 12, 0, 0, 0, time.UTC))
		_, body := operator.post("/console/series/new/check", h.repeating(url.Values{"start": {"2026-11-22T02:30"}}))
		if got := dates(body); len(got) == 0 || got[0] != "Sun 28 Mar 2027, 03:30 CEST" || !strings.Contains(body, "there is no 02:30 that day") {
			t.Errorf("%q", got)
		}
	})
}

func TestASeriesThatCannotBeIsRefusedAtItsField(t *testing.T) {
	h := newCity(t)
	operator := h.as("operator")
	for _, c := range []struct {
		name, field string
		in          url.Values
	}{
		{"no zone", "zone", url.Values{"zone": {""}}},
		{"a zone that does not exist", "zone", url.Values{"zone": {"Mars/Olympus"}}},
		{"no weekday", "weekdays", url.Values{"weekdays": nil}},
		{"a weekday that is none", "weekdays", url.Values{"weekdays": {"SU;FREQ=SECONDLY"}}},
		{"every none", "every", url.Values{"every": {"0"}}},
		{"no time at all", "minutes", url.Values{"hours": {"0"}}},
		{"a month long", "minutes", url.Values{"hours": {"336"}, "minutes": {"60"}}},
		{"each second", "rule", url.Values{"repeat": {"rule"}, "rule": {"FREQ=SECONDLY"}}},
		{"no rule", "rule", url.Values{"repeat": {"rule"}, "rule": {"whenever"}}},
		{"no last day", "until", url.Values{"ends": {"until"}}},
		{"no number of times", "times", url.Values{"ends": {"count"}, "times": {"many"}}},
		{"no title", "title", url.Values{"title": {""}}},
		{"a component of nobody", "components", url.Values{"components": {"none"}}},
		{"no text", "body", url.Values{"body": {""}}},
		{"a last day before the first", "until", url.Values{"ends": {"until"}, "until": {"2020-01-01"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, body := operator.post("/console/series/new", h.repeating(c.in))
			if res.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(body, `id="f-`+c.field+`-problem"`) {
				t.Errorf("answered %d: %s", res.StatusCode, problems(body))
			}
		})
	}
}

func TestASeriesIsAnnouncedAheadAndCanBeReadAgain(t *testing.T) {
	h := newCity(t)
	operator := h.as("operator")
	// A Sunday one to three weeks ahead, on a day that each month has.
	first, text := h.at(7, 4, 0)
	for days := 8; first.Weekday() != time.Sunday || first.Day() > 28; days++ {
		first, text = h.at(days, 4, 0)
	}
	for _, c := range []struct {
		name, want string
		dates      int // that are announced: those within 400 days, three at most
		in         url.Values
	}{
		{"by days", "every 3 days", 3, url.Values{"repeat": {"day"}, "every": {"3"}}},
		{"by weeks", "every week on Wednesday and Sunday", 3, url.Values{"weekdays": {"SU", "WE"}}},
		{"on a day of the month", first.Format("every month on day 2"), 3, url.Values{"repeat": {"month"}}},
		{"on a weekday of the month", "every month on the second Tuesday", 3, url.Values{"repeat": {"weekday"}}},
		{"by years", first.Format("every year on 2 January"), 2, url.Values{"repeat": {"year"}}},
		{"five times", "every week on Sunday, 5 times", 3, url.Values{"ends": {"count"}, "times": {"500"}}},
		{"by a rule", "by the rule FREQ=MONTHLY;BYDAY=2TU,4TU", 3, url.Values{"repeat": {"rule"}, "rule": {"FREQ=MONTHLY;BYDAY=2TU,4TU"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := strings.Replace(c.want, "5 times", "500 times", 1)
			c.in.Set("start", text)
			if res, body := operator.post("/console/series/new", h.repeating(c.in)); res.StatusCode != http.StatusSeeOther {
				t.Fatalf("answered %d: %s", res.StatusCode, problems(body))
			}
			list, err := h.db.StatusSeries(t.Context(), h.page.ID)
			if err != nil || len(list) != 1 {
				t.Fatalf("%d %v", len(list), err)
			}
			path := "/console/series/" + list[0].ID
			_, body := operator.get("/console/maintenance")
			if !strings.Contains(body, want) || !strings.Contains(body, path) {
				t.Errorf("the list does not say %q", want)
			}
			_, form := operator.get(path)
			for name, values := range h.repeating(c.in) {
				for _, value := range values {
					switch name {
					case "repeat", "every", "times", "rule", "title", "zone", "hours":
						if !regexp.MustCompile(`name="` + name + `"[^>]*value="` + regexp.QuoteMeta(value) + `"|<option value="` + value + `" selected`).MatchString(form) {
							if name == "every" && c.in.Get("repeat") == "rule" {
								continue
							}
							t.Errorf("the form has lost %s=%s", name, value)
						}
					}
				}
			}
			if _, body := operator.get(path + "/delete"); !strings.Contains(body, fmt.Sprintf("<li>%d dates that are announced", c.dates)) {
				t.Error("does not say what goes with it")
			}
			if res, _ := operator.post(path+"/delete", nil); res.StatusCode != http.StatusSeeOther {
				t.Fatalf("answered %d", res.StatusCode)
			}
			if res, _ := operator.get(path); res.StatusCode != http.StatusNotFound {
				t.Errorf("it is still there: %d", res.StatusCode)
			}
		})
	}
}

func TestDatesToComeStandInTheCalendar(t *testing.T) {
	h := newCity(t)
	operator := h.as("operator")
	first, text := h.at(1, 4, 0)
	if res, body := operator.post("/console/series/new", h.repeating(url.Values{"start": {text}, "repeat": {"day"}})); res.StatusCode != http.StatusSeeOther {
		t.Fatalf("answered %d: %s", res.StatusCode, problems(body))
	}
	announced, planned := 0, 0
	for _, m := range []int{0, 1} {
		month := time.Date(first.Year(), first.Month()+time.Month(m), 1, 0, 0, 0, 0, h.zone)
		_, body := operator.get("/console/maintenance?month=" + month.Format("2006-01"))
		for _, cell := range cells(body) {
			if cell.out {
				continue
			}
			day, _ := time.ParseInLocation(status.DateFormat, cell.date, h.zone)
			switch n := int(day.Sub(first.Add(-4*time.Hour)).Hours()+12) / 24; {
			case day.Before(first.Add(-5 * time.Hour)):
			case n < 3 && strings.Contains(cell.body, "Weekly updates") && !strings.Contains(cell.body, "strip-planned"):
				announced++
			case n >= 3 && strings.Contains(cell.body, "strip-planned"):
				planned++
			default:
				t.Errorf("%s: nothing fits there", cell.date)
			}
		}
	}
	if announced == 0 || planned < 20 {
		t.Errorf("%d announced, %d to come", announced, planned)
	}
}
